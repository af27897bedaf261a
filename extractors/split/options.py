"""Options and suffixes of `split`, without PyMuPDF, which only the processes that split need."""

from dataclasses import dataclass
from typing import Literal

SPLIT_VERSION = 1
SUFFIXES = (  # the keys of formats.FORMATS, which says how each is opened
    ".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".jp2", ".txt", ".md", ".html", ".epub", ".fb2",
    ".xps", ".svg", ".cbz",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """Options of a caller; everything else is decided page by page."""

    images: Literal["auto", "never", "pages"] = "auto"
    passwords: tuple[str, ...] = ()
    attachments: Literal["never", "text"] = "never"
