"""Trustworthiness of a page's text, by its characters: unmapped glyphs, OCR layers of doubtful quality."""

import re
import unicodedata
from collections.abc import Sequence

from schemas.step_data import Word

_UNKNOWN_SHARE = 0.08
_FEW_UNKNOWN = 8  # icons and ticks
_USELESS_SHARE = 0.3
_PLAIN_SHARE = 0.7  # an OCR layer with a lower share of plain tokens is mostly misread
_BULLETS = "\uf0b7\uf0a7\uf0d8\uf0fc"  # of the Symbol and Wingdings fonts
_PLAIN = re.compile(
    r"^[^\w\s]{0,2}(?:[^\W\d_]{2,}(?:['\u2019.-][^\W\d_]+)*|[aAIO&]|[\W_]?[\d.,:/%-]*\d[\d.,:/%-]*[A-Za-z]{0,3}|[-\u2013\u2014|.:])[^\w\s]{0,3}$"
)


def unknown_share(text: str) -> float:
    """Share of characters without a meaning: U+FFFD, private use, unassigned, control."""
    if text.isprintable() and text.isascii():
        return 0.0
    unknown = sum([text.count(char) for char in set(text) if _is_unknown(char)])
    return unknown / len(text.replace(" ", "")) if unknown > _FEW_UNKNOWN else 0.0


def is_garbled(share: float) -> bool:
    """True where so many glyphs are unmapped that numbers may be among them."""
    return share > _UNKNOWN_SHARE


def is_useless(share: float) -> bool:
    """True where so many glyphs are unmapped that the text would mislead."""
    return share > _USELESS_SHARE


def is_doubtful_ocr(words: Sequence[Word]) -> bool:
    """True where few tokens of an OCR layer are words or numbers."""
    tokens = [word.text for word in words]
    return sum(bool(_PLAIN.match(token)) for token in tokens) < _PLAIN_SHARE * len(tokens)


def _is_unknown(char: str) -> bool:
    # Some programs write U+0003 for a non-breaking space.
    return char == "\ufffd" or (
        unicodedata.category(char) in ("Co", "Cn", "Cc") and char not in "\t\n\r\x03" and char not in _BULLETS
    )
