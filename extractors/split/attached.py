"""Files embedded in a document: always listed; the text of text files on request, after the text of the last page.

They are invisible on the pages, so by default the model does not get them, as it gets no hidden text. They are worth asking
for where invoices carry their data as XML.
"""

from pathlib import PurePath

from extractors.split.clean import clean
from extractors.split.mupdf import MuDocument

TEXT_SUFFIXES = frozenset({".xml", ".txt", ".csv", ".json", ".md", ".html"})
MOST_ATTACHED_BYTES = 200_000  # of all text attachments of a document: about fifty thousand tokens


def attachment_names(document: MuDocument) -> tuple[str, ...]:
    """The names of the embedded files, as stored in the document."""
    try:
        return tuple(clean(name) for name in document.embfile_names())
    except Exception:  # noqa: BLE001 - a broken name tree is no attachment
        return ()


def attachment_text(document: MuDocument) -> str:
    """The text attachments, each under a heading, up to MOST_ATTACHED_BYTES; other files are skipped."""
    sections = []
    left = MOST_ATTACHED_BYTES
    for index, name in enumerate(attachment_names(document)):
        if PurePath(name).suffix.lower() not in TEXT_SUFFIXES:
            continue
        try:
            if int(document.embfile_info(index).get("length") or 0) > left:
                continue
            data = bytes(document.embfile_get(index))
            text = data.decode("utf-8-sig")
        except Exception:  # noqa: BLE001, S112 - an unreadable attachment must not fail its document
            continue
        if len(data) <= left:
            left -= len(data)
            sections.append(f"## Attachment: {name}\n{clean(text).strip()}")
    return "\n\n".join(sections)
