"""Whether a page's text can be trusted, from its characters alone: unmapped glyphs, nonsense, an OCR layer of doubtful quality."""

import re
import unicodedata
from collections.abc import Sequence

from schemas.pipeline import Word

_UNKNOWN_SHARE = 0.08  # more characters without a meaning than this, and numbers may be among them
_PLAIN_SHARE = 0.7  # an OCR layer with fewer plain tokens has misread more than it read
_PLAIN = re.compile(r"^[^\w\s]{0,2}(?:[^\W\d_]{2,}(?:['\u2019.-][^\W\d_]+)*|[aAIO&]|[\W_]?[\d.,:/%-]*\d[\d.,:/%-]*[A-Za-z]{0,3}|[-\u2013\u2014|.:])[^\w\s]{0,3}$")


def unknown_share(words: Sequence[Word]) -> float:
    """The share of characters that stand for nothing: U+FFFD, private use, unassigned, control."""
    text = "".join([word.text for word in words])
    if not text or text.isascii():
        return 0.0
    return sum(not char.isascii() and _is_unknown(char) for char in text) / len(text)


def is_garbled(words: Sequence[Word]) -> bool:
    """Whether glyphs were not mapped to characters."""
    return unknown_share(words) > _UNKNOWN_SHARE


def is_doubtful_ocr(words: Sequence[Word]) -> bool:
    """Whether what an OCR engine wrote hardly reads as words and numbers."""
    tokens = [word.text for word in words]
    return sum(bool(_PLAIN.match(token)) for token in tokens) < _PLAIN_SHARE * len(tokens)


def _is_unknown(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in ("Co", "Cn", "Cc")
