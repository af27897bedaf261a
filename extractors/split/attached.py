"""Files embedded in a document: always listed; the text of text files on request, behind the last page's own text.

Nobody sees them on a page, so they are not offered to the model unless asked for: what the eye does not see the model
does not get. Where invoices carry their data as XML, asking for them is worth it.
"""

from pathlib import PurePath

from extractors.split.clean import clean
from extractors.split.mupdf import MuDocument

TEXT_SUFFIXES = frozenset({".xml", ".txt", ".csv", ".json", ".md", ".html"})
MOST_ATTACHED_BYTES = 200_000  # of all text attachments of a document: some fifty thousand tokens


def attachment_names(document: MuDocument) -> tuple[str, ...]:
    """The names of the embedded files, as the document gives them."""
    try:
        return tuple(clean(name) for name in document.embfile_names())
    except Exception:  # noqa: BLE001 - a broken name tree is no attachment
        return ()


def attachment_text(document: MuDocument) -> str:
    """The text attachments under a heading each, as long as there is room; others are passed over."""
    found = []
    left = MOST_ATTACHED_BYTES
    for index, name in enumerate(attachment_names(document)):
        if PurePath(name).suffix.lower() not in TEXT_SUFFIXES:
            continue
        try:
            if int(document.embfile_info(index).get("length") or 0) > left:
                continue
            data = bytes(document.embfile_get(index))
            text = data.decode("utf-8-sig")
        except Exception:  # noqa: BLE001, S112 - what cannot be read is passed over, the pages count
            continue
        if len(data) <= left:
            left -= len(data)
            found.append(f"## Attachment: {name}\n{clean(text).strip()}")
    return "\n\n".join(found)
