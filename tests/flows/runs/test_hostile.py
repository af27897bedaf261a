"""Hostile documents through a whole run: each a failure or a partial with its reason, within the limits, the rest unharmed."""

import os
import zlib
from dataclasses import replace
from pathlib import Path

import duckdb

from flows.documents.sandbox import Sandbox
from flows.runs.request import RunRequest
from flows.runs.run import run
from flows.type_loader import load_type
from tests.support.archives import invoices
from tests.support.outcomes import check_sum


def pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"


def page_of(content: bytes, *, box: str = "0 0 595 842", filters: bytes = b"") -> bytes:
    return pdf(
        CATALOG,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>" % box.encode(),
        b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), filters, content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def a_million_pages() -> bytes:
    """Twenty levels of two equal kids over one page: small in bytes, a million pages to whoever counts."""
    levels = [
        b"<</Type/Pages/Kids[%d 0 R %d 0 R]/Count %d>>" % (level + 3, level + 3, 2 ** (20 - level))
        for level in range(20)
    ]
    return pdf(CATALOG, *levels, b"<</Type/Page/MediaBox[0 0 595 842]>>")


def inflating(size: int) -> bytes:
    """A content stream of `size` zero bytes, deflated twice."""
    packer = zlib.compressobj(9)
    block = b" " * (1 << 20)
    once = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
    return page_of(zlib.compress(once, 9), filters=b"/Filter[/FlateDecode/FlateDecode]")


def form_that_draws_itself() -> bytes:
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>/Length 8>>\nstream\n/X Do /X\nendstream"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>"
    return pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page, b"<</Length 5>>\nstream\n/X Do\nendstream", form)


def make(folder: Path) -> Path:
    folder.mkdir()
    good = invoices(folder / "good", 3)
    whole = (good / "invoice000.pdf").read_bytes()
    text = b"BT /F 12 Tf 72 700 Td (Invoice number: INV-9) Tj ET"
    hostile = {
        "zero-pages.pdf": pdf(CATALOG, b"<</Type/Pages/Kids[]/Count 0>>"),
        "million-pages.pdf": a_million_pages(),
        "huge-page.pdf": page_of(text, box="0 0 14400 14400"),
        "inflating.pdf": inflating(1 << 30),
        "recursion.pdf": form_that_draws_itself(),
        "pages-loop.pdf": pdf(CATALOG, b"<</Type/Pages/Kids[2 0 R]/Count 1>>"),
        "truncated.pdf": whole[: len(whole) * 2 // 3],
        "no-xref.pdf": whole[: whole.rindex(b"xref")],
        "wrong-extension.txt": whole + b"\n% again\n",
        "text.pdf": b"no PDF at all",
        "empty.pdf": b"",
        "binary.txt": os.urandom(5_000),
    }
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "fifo.pdf")
    (folder / "folder.pdf").mkdir()
    return folder


def test_hostile_documents_end_in_a_row_with_a_reason_and_harm_nobody(tmp_path: Path, offline_engine: object) -> None:
    source = make(tmp_path / "in")
    listed = tmp_path / "all.txt"
    listed.write_text("\n".join(map(str, sorted(source.iterdir()))))
    with Sandbox(2, 15.0, 2 << 30) as sandbox:
        request = RunRequest([str(source / "good"), f"@{listed}"], load_type("invoice"), tmp_path / "out", quiet=True)
        outcome = run(replace(offline_engine, sandbox=sandbox), request)
    check_sum(outcome.summary)
    out = tmp_path / "out"
    documents = dict(duckdb.sql(f"select file_name, status from '{out}/documents/*.parquet'").fetchall())
    rows = duckdb.sql(f"select source_uri, stage, error, message from '{out}/failures/*.parquet'").fetchall()
    failures = {Path(uri).name: (stage, error, message) for uri, stage, error, message in rows}
    # `good` was given as a folder, and once more as an address of the list: a folder is no document.
    assert {f"invoice00{number}.pdf" for number in range(3)} <= {
        name for name, status in documents.items() if status == "ok"
    }
    names = {path.name for path in source.iterdir()}
    assert names <= documents.keys() | failures.keys()
    unreadable = {"zero-pages.pdf", "text.pdf", "empty.pdf", "binary.txt", "fifo.pdf", "folder.pdf", "good"}
    assert unreadable <= failures.keys()
    assert (
        failures["million-pages.pdf"][1] in {"SandboxLimitError", "UnreadableDocumentError"}
        or "million-pages.pdf" in documents
    )
    for name in ("huge-page.pdf", "wrong-extension.txt", "no-xref.pdf"):
        assert documents[name] in {"ok", "partial"}, name
    bombs = f"select problems from '{out}/documents/*.parquet' where file_name in ('inflating.pdf', 'pages-loop.pdf')"
    assert all("page 1 could not be read" in problems[0] for (problems,) in duckdb.sql(bombs).fetchall())
    for stage, error, message in failures.values():
        assert stage in {"read", "split"}
        assert error.endswith("Error")
        assert ";" in message  # what, and then what to do
    assert outcome.summary["failed"] == len(failures)


def test_a_page_of_fourteen_thousand_points_is_still_a_small_picture(tmp_path: Path) -> None:
    from extractors.split.options import SplitOptions
    from extractors.split.split import split

    _, page = split(page_of(b"0 0 1 rg 10 10 9000 9000 re f", box="0 0 14400 14400"), "huge.pdf", SplitOptions("pages"))
    assert page.image is None or max(page.image.width, page.image.height) <= 1540
