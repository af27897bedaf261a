"""Records of any type, and the extraction that holds one."""

import datetime

from hypothesis import strategies as st

from extractors.tabulate.tabulate import Extraction
from schemas.document_type import DocumentType
from schemas.step_data import Document, DocumentInfo, Record

LEAVES = {
    "s": (
        {"type": "string"},
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12),
    ),
    "i": ({"type": "integer"}, st.integers(-(2**63), 2**63 - 1)),
    "n": ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False)),
    "m": (
        {"type": "number", "format": "decimal", "x-pagemill-scale": 4},
        st.decimals(-(10**13), 10**13, places=4, allow_nan=False),
    ),
    "d": ({"type": "string", "format": "date"}, st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1))),
    "b": ({"type": "boolean"}, st.booleans()),
    "l": ({"type": "array", "items": {"type": "string"}}, st.lists(st.sampled_from(["a", "ä", "b c"]), max_size=3)),
}


def extraction(record: Record) -> Extraction:
    document = Document("0" * 64, "/in/a.pdf", "a.pdf", 10)
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return Extraction(
        document, DocumentInfo(1, None, "pdf"), record, "r", "offline", "run", at, 1.5, 1, 2, 3, 500_000_000
    )


def record(value: dict) -> Record:
    return Record(value, (), (), "ok", False, 1, 1, {"/rows/0": 1})


@st.composite
def typed_records(draw: st.DrawFn) -> tuple[DocumentType, dict]:
    names = draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, unique=True))
    row = {name: LEAVES[name][0] for name in names}
    schema = {
        "type": "object", "title": "sheet",
        "properties": {**row, "nested": {"type": "object", "properties": row}, "rows": {"type": "array", "items": {"type": "object", "properties": row}}},
    }  # fmt: skip
    values = st.fixed_dictionaries(
        {name: st.none() | LEAVES[name][1] if name != "l" else LEAVES[name][1] for name in names}
    )
    return DocumentType.from_schema(schema, "sheet"), {
        **draw(values),
        "nested": draw(values),
        "rows": draw(st.lists(values, max_size=4)),
    }
