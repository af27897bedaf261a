"""Cleaning of strings: NFC, ordinary spaces, spelled-out ligatures, no characters that Parquet or JSON cannot hold."""

import re
import unicodedata

_SPACES = dict.fromkeys(
    [0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000],
    " ",
)
_INVISIBLE = dict.fromkeys(
    [*range(1, 9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0), 0xAD, 0x200B, 0x2060, 0xFEFF]
)
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_LOST = dict.fromkeys([0, *range(0xD800, 0xE000)], "\ufffd")
_TABLE = {**_SPACES, **_INVISIBLE, **_LIGATURES, **_LOST}
_RUNS = re.compile(" {2,}")


def clean(text: str) -> str:
    """The cleaned text; runs of spaces become one."""
    if text.isascii() and text.isprintable():
        return _RUNS.sub(" ", text) if "  " in text else text
    text = text.translate(_TABLE)
    return _RUNS.sub(" ", unicodedata.normalize("NFC", text))
