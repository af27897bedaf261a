"""One string becomes ordinary."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.split.clean import clean


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("o\ufb03ce", "office"),
        ("a\u00a0b\u2009c\u3000d", "a b c d"),
        ("a    b", "a b"),
        ("e\u0301", "é"),
        ("a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("soft\u00adhyphen", "softhyphen"),
        ("2.4.2026", "2.4.2026"),
    ],
)
def test_odd_characters_become_ordinary(raw, expected):
    assert clean(raw) == expected


@given(st.text(st.characters()))
def test_nothing_is_left_that_parquet_or_json_cannot_hold(raw):
    text = clean(raw)
    text.encode("utf-8")
    assert "\0" not in text
    assert unicodedata.is_normalized("NFC", text)
    assert clean(text) == text
