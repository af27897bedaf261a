"""What changes a document's values changes the recipe: the versions are raised by hand, and this test says when.

After a wanted change raise SPLIT_VERSION, PROMPT_VERSION or PARSE_VERSION, and record the new state:
`python -m tests.test_versions`.
"""

import hashlib
import json

import pytest

from extractors.chunk import Room, chunk
from extractors.parse.parse import PARSE_VERSION, parse
from extractors.prompt.prompt import PROMPT_VERSION, page_tokens, prompt
from extractors.split.options import SPLIT_VERSION, SplitOptions
from extractors.split.split import split
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Decoding, Page
from tests.conftest import ROOT, SAMPLES

RECORDED = ROOT / "tests" / "recorded_versions.json"
ANSWERS = [
    '{"number": " A-1 ", "issue_date": "14.03.2026", "gross_total": "1.234,50", "line_items": [{"quantity": 2}, null]}',
    '```json\n{"number": 7, "gross_total": 1e30, "net_total": 0.123456}\n```',
    '{"number": "x", "seller": {"name": "A\\u0000B"}, "line_items": {"description": "one"}',
]


def pages_of(name: str) -> list[Page]:
    return [item for item in split((SAMPLES / name).read_bytes(), name, SplitOptions()) if isinstance(item, Page)]


def state() -> dict[str, dict]:
    """The outcome of each versioned step over the born-digital samples, as hashes."""
    pages = {
        name: pages_of(name)
        for name in ("invoices/nordlicht.pdf", "invoices/calder_point.pdf", "reports/heat_pump_study.pdf")
    }
    texts = [
        [page.text, page.sent_as, page.reason, page.hidden_text, page.words] for each in pages.values() for page in each
    ]
    plain = Page(1, 595.0, 842.0, "Invoice number: 7", (), "text", "text is enough")
    requests = [
        prompt(each, kind, Decoding("model", 128_000, 8_192)).messages
        for kind in DOCUMENT_TYPES.values()
        for each in chunk([plain], Room(10_000, 10_000, 8, 10**9), page_tokens, lambda _: 0)
    ]
    answers = [repr(parse(text, DOCUMENT_TYPES["invoice"].root)) for text in ANSWERS]
    return {
        "split": {"version": SPLIT_VERSION, "outcome": digest(texts)},
        "prompt": {"version": PROMPT_VERSION, "outcome": digest(requests)},
        "parse": {"version": PARSE_VERSION, "outcome": digest(answers)},
    }


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:16]


@pytest.mark.parametrize("step", ["split", "prompt", "parse"])
def test_a_changed_outcome_needs_a_raised_version(step: str) -> None:
    recorded, now = json.loads(RECORDED.read_text())[step], state()[step]
    if now["outcome"] != recorded["outcome"]:
        assert now["version"] > recorded["version"], (
            f"raise {step.upper()}_VERSION, then record: python -m tests.test_versions"
        )
        pytest.fail("record the new state: python -m tests.test_versions")
    assert now["version"] == recorded["version"]


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(state(), indent=1) + "\n")
