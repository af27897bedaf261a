"""A page or a part of it as a picture, no larger than the vision encoder uses."""

from extractors.split.mupdf import MuDisplayList, MuRect, pymupdf
from schemas.step_data import Image

LONGEST_SIDE = 1540  # pixels; the encoder scales anything larger down
MAX_DPI = 150  # print of 6 points stays legible; a whole A4 page has 132
_FEW_COLORS = 1000  # of a chart, for which PNG is smaller and sharper; photos have tens of thousands
_JPEG_QUALITY = 80


def render_picture(page_list: MuDisplayList, clip: MuRect, *, flat: bool = False) -> Image:
    """The part of the page inside `clip`, encoded once: as PNG if it is `flat` (drawn, not photographed) and has few colours."""
    longest = max(clip.width, clip.height, 1.0)
    zoom = min(LONGEST_SIDE / longest, MAX_DPI / 72)
    pixmap = page_list.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), clip=clip, alpha=0)
    if flat and pixmap.color_count() <= _FEW_COLORS:
        return Image(pixmap.tobytes("png"), "image/png", pixmap.width, pixmap.height)
    return Image(pixmap.tobytes("jpeg", jpg_quality=_JPEG_QUALITY), "image/jpeg", pixmap.width, pixmap.height)


def is_blank(page_list: MuDisplayList, page: MuRect) -> bool:
    """True where a small rendering of the page has a single colour."""
    zoom = 150 / max(page.width, page.height, 1.0)
    pixmap = page_list.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=0)
    samples = bytes(pixmap.samples_mv)
    return bool(samples == samples[: pixmap.n] * (len(samples) // pixmap.n))
