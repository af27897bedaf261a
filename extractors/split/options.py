"""Options and file suffixes of `split`, without an import of PyMuPDF: only the processes that split need it."""

from dataclasses import dataclass
from typing import Literal

SPLIT_VERSION = 1
SUFFIXES = (  # the keys of formats.FORMATS
    ".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".jp2", ".txt", ".md", ".html", ".epub", ".fb2",
    ".xps", ".svg", ".cbz",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """Options of the caller; all other decisions are made page by page."""

    images: Literal["auto", "never", "pages"] = "auto"
    passwords: tuple[str, ...] = ()
    attachments: Literal["never", "text"] = "never"
