"""A page or a part of it as a picture, no larger than the vision encoder uses."""

from extractors.split.mupdf import MuDisplayList, MuRect, pymupdf
from schemas.pipeline import Image

LONGEST_SIDE = 1540  # pixels; the encoder scales anything larger down
MAX_DPI = 200  # beyond this a small page gains nothing
_JPEG_QUALITY = 80


def render(page_list: MuDisplayList, clip: MuRect) -> Image:
    """The part of the page inside `clip`, encoded once."""
    longest = max(clip.width, clip.height, 1.0)
    zoom = min(LONGEST_SIDE / longest, MAX_DPI / 72)
    pixmap = page_list.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), clip=clip, alpha=0)
    return Image(pixmap.tobytes("jpeg", jpg_quality=_JPEG_QUALITY), "image/jpeg", pixmap.width, pixmap.height)


def is_empty(page_list: MuDisplayList, page: MuRect) -> bool:
    """Whether a small rendering of the page is of one colour throughout."""
    zoom = 150 / max(page.width, page.height, 1.0)
    pixmap = page_list.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=0)
    samples = bytes(pixmap.samples_mv)
    return bool(samples == samples[: pixmap.n] * (len(samples) // pixmap.n))
