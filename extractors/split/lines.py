"""Text of a page as pieces of lines, in the order of the page's content.

A piece ends at the end of its line, or where the gap to the next word is wider than a space: text of two columns never shares
a piece.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from extractors.split.clean import clean
from schemas.step_data import Box, Word

_GAP = 0.9  # of the font size: wider than any justified space, narrower than the gap between two columns


class Font(NamedTuple):
    """Font of most of a line, size in points. `upright` is false for text that runs up, down or at an angle."""

    size: float
    bold: bool
    upright: bool


class Line:
    """Consecutive words on one baseline. `index` counts pieces in natural order, `block` is MuPDF's paragraph number."""

    __slots__ = ("block", "font", "index", "text", "words", "x0", "x1", "y0", "y1")

    def __init__(self, words: list[Word], block: int, font: Font, index: int) -> None:
        self.words = words
        self.block = block
        self.font = font
        self.index = index
        self.x0 = words[0].x0
        self.x1 = words[-1].x1
        self.y0 = min([word.y0 for word in words])
        self.y1 = max([word.y1 for word in words])
        if not font.upright:
            self.x0, self.x1 = min(word.x0 for word in words), max(word.x1 for word in words)
        self.text = " ".join([word.text for word in words])

    @property
    def box(self) -> Box:
        """Box of the line, in points."""
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def middle(self) -> float:
        """The y position half-way between top and bottom."""
        return (self.y0 + self.y1) / 2


def read_fonts(blocks: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], Font]:
    """The font of every line by its block and line number; `blocks` are text only, in the "dict" form."""
    fonts = {}
    for number, block in enumerate(blocks):
        for index, line in enumerate(block["lines"]):
            spans = line["spans"]
            main = spans[0] if len(spans) == 1 else max(spans, key=_length, default=None)
            if main is not None:
                fonts[number, index] = Font(
                    main["size"], bool(main["flags"] & 16), abs(line["dir"][1]) < 0.05 < line["dir"][0]
                )
    return fonts


def read_lines(raw_words: Sequence[tuple[Any, ...]], fonts: Mapping[tuple[int, int], Font]) -> list[Line]:
    """The pieces in natural order, the order of the page's content."""
    lines: list[Line] = []
    words: list[Word] = []
    font = Font(0.0, False, True)
    block, number, right, gap = -1, -1, 0.0, 0.0
    for x0, y0, x1, y1, raw, word_block, word_line, _ in raw_words:
        text = raw if raw.isascii() and raw.isprintable() else clean(raw).strip()
        if not text:
            continue
        if word_line != number or word_block != block or x0 - right > gap:
            if words:
                lines.append(Line(words, block, font, len(lines)))
            words = []
            block, number = word_block, word_line
            font = fonts.get((block, number)) or Font(y1 - y0, False, True)
            gap = font.size * _GAP if font.upright else 1e9
        words.append(Word(text, x0, y0, x1, y1))
        right = x1
    if words:
        lines.append(Line(words, block, font, len(lines)))
    return lines


def _length(span: Mapping[str, Any]) -> int:
    return len(span["text"])
