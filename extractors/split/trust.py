"""Whether a page's text can be trusted, by its characters alone: unmapped glyphs, an OCR layer of doubtful quality."""

import re
import unicodedata
from collections.abc import Sequence

from schemas.pipeline import Word

_UNKNOWN_SHARE = 0.08
_FEW_UNKNOWN = 8  # icons and ticks
_USELESS_SHARE = 0.3
_PLAIN_SHARE = 0.7  # an OCR layer with fewer plain tokens has misread more than it read
_BULLETS = "\uf0b7\uf0a7\uf0d8\uf0fc"  # of the Symbol and Wingdings fonts
_PLAIN = re.compile(
    r"^[^\w\s]{0,2}(?:[^\W\d_]{2,}(?:['\u2019.-][^\W\d_]+)*|[aAIO&]|[\W_]?[\d.,:/%-]*\d[\d.,:/%-]*[A-Za-z]{0,3}|[-\u2013\u2014|.:])[^\w\s]{0,3}$"
)


def unknown_share(text: str) -> float:
    """The share of characters that stand for nothing: U+FFFD, private use, unassigned, control."""
    if text.isprintable() and text.isascii():
        return 0.0
    unknown = sum([text.count(char) for char in set(text) if _is_unknown(char)])
    return unknown / len(text.replace(" ", "")) if unknown > _FEW_UNKNOWN else 0.0


def is_garbled(share: float) -> bool:
    """Whether so many glyphs were not mapped to characters that numbers may be among them."""
    return share > _UNKNOWN_SHARE


def is_useless(share: float) -> bool:
    """Whether what is left of the text would rather mislead."""
    return share > _USELESS_SHARE


def is_doubtful_ocr(words: Sequence[Word]) -> bool:
    """Whether what an OCR engine wrote hardly reads as words and numbers."""
    tokens = [word.text for word in words]
    return sum(bool(_PLAIN.match(token)) for token in tokens) < _PLAIN_SHARE * len(tokens)


def _is_unknown(char: str) -> bool:
    # Some writers print U+0003 for a space that must not break.
    return char == "\ufffd" or (
        unicodedata.category(char) in ("Co", "Cn", "Cc") and char not in "\t\n\r\x03" and char not in _BULLETS
    )
