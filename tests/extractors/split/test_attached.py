"""Embedded files: always listed, offered to the model only on request, never without bound."""

import pymupdf

from extractors.split.attached import MOST_ATTACHED_BYTES
from extractors.split.options import SplitOptions
from extractors.split.split import split


def document(*files: tuple[str, bytes]) -> bytes:
    with pymupdf.open() as made:
        made.new_page().insert_text((72, 72), "The page itself")
        made.new_page().insert_text((72, 72), "The last page")
        for name, data in files:
            made.embfile_add(name, data)
        return made.tobytes()


FILES = (
    ("invoice.xml", b"<ID>INV-7</ID>"),
    ("photo.png", b"\x89PNG"),
    ("large.csv", b"x" * (MOST_ATTACHED_BYTES + 1)),
    ("latin.txt", b"\xe4\xf6\xfc"),
)


def texts(options: SplitOptions) -> tuple[tuple[str, ...], list[str]]:
    info, *pages = split(document(*FILES), "a.pdf", options)
    return info.attachments, [page.text for page in pages]


def test_attachments_are_listed_and_by_default_not_read() -> None:
    names, pages = texts(SplitOptions())
    assert names == ("invoice.xml", "photo.png", "large.csv", "latin.txt")
    assert not any("INV-7" in text for text in pages)


def test_on_request_text_files_stand_behind_the_last_page() -> None:
    _, pages = texts(SplitOptions(attachments="text"))
    assert "Attachment" not in pages[0]
    assert pages[1].startswith("The last page")
    assert pages[1].endswith("## Attachment: invoice.xml\n<ID>INV-7</ID>")
