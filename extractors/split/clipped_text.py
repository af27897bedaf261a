"""Text that MuPDF does not yield, since a clip path cuts it away or its layer is off: it is only counted.

The count needs a second reading of the page, so a page is read again only where its content gives a reason.
"""

import re

from extractors.split.interpreted_page import Canvas
from extractors.split.mupdf import MuDocument, MuPage, pymupdf

_CLIP = re.compile(rb"\bW\*?\s+n\b")
_CLIPPING_TEXT = re.compile(rb"\b7\s+Tr\b")
_WITHOUT_WIDTH = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_END = 8  # characters at the ends of a line that are compared
_NARROW = 6.0  # units: a narrower clip rectangle shows no line of text


def count_clipped(canvas: Canvas, layers_off: tuple[int, ...]) -> int:
    """Number of characters that are clipped or in a layer that is off."""
    if not canvas.page.parent.is_pdf or not (layers_off or _may_cut_away(canvas.page)):
        return 0
    everything = _with_layers(canvas.page, layers_off) if layers_off else _everything(canvas.page)
    if count(everything) <= count(canvas.characters):
        return 0
    shown = "".join(canvas.textpage.extractText().split())
    lines = ["".join(line.split()) for line in everything.split("\n")]
    hidden = sum(count(line) for line in lines if not _is_trimmed(line, shown))
    return min(hidden, count(everything) - count(canvas.characters))


def _is_trimmed(line: str, shown: str) -> bool:
    """True where an end of the line is visible: the border of a cell clips text that is too long for it."""
    return line[:_END] in shown or line[-_END:] in shown


def layers_off(document: MuDocument) -> tuple[int, ...]:
    """Numbers of the document's layers that are off by default."""
    if not document.is_pdf:
        return ()
    return tuple(
        layer["number"] for layer in document.layer_ui_configs() if layer["type"] != "label" and not layer["on"]
    )


def count(text: str) -> int:
    """Number of printing characters."""
    return len("".join(text.translate(_WITHOUT_WIDTH).split()))


def _with_layers(page: MuPage, layers_off: tuple[int, ...]) -> str:
    """The text of the page with these layers on; afterwards they are off again."""
    document = page.parent
    try:
        for number in layers_off:
            document.set_layer_ui_config(number, pymupdf.PDF_OC_ON)
        return _everything(document.load_page(page.number))
    finally:
        for number in layers_off:
            document.set_layer_ui_config(number, pymupdf.PDF_OC_OFF)


def _everything(page: MuPage) -> str:
    text: str = page.get_text(flags=0, clip=pymupdf.INFINITE_RECT())
    return text


def _may_cut_away(page: MuPage) -> bool:
    if page.cropbox != page.mediabox:
        return True
    content: bytes = page.read_contents()
    if b"7 Tr" in content and _CLIPPING_TEXT.search(content):
        return True
    return any(
        _is_narrow(content[max(0, clip.start() - 80) : clip.start()].split()) for clip in _CLIP.finditer(content)
    )


def _is_narrow(before: list[bytes]) -> bool:
    """True unless a clip path is a rectangle that text fits into; `before` are the operators before it."""
    if len(before) < 3 or before[-1] != b"re":
        return True
    try:
        return min(abs(float(before[-3])), abs(float(before[-2]))) < _NARROW
    except ValueError:
        return True
