"""Numbers, dates and text as printed: parsed, and folded for comparison.

A printed number or date may have several readings (`1.234`, `03/04/2026`). `*_readings` gives them all, likeliest
first, for grounding; `parse_*` gives one, for answers.
"""

import datetime
import functools
import json
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.dates import get_month_names

# Month names are read in these languages, a selection of babel's: those that the users' documents are in.
MONTH_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "tr")
_SURROGATE_OR_NUL = re.compile("[\ud800-\udfff\x00]")
_SPACES = re.compile(r"\s+")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"), "-")
_QUOTES = {ord(mark): "'" for mark in "\u2018\u2019\u201a\u201b\u2032`\u00b4"} | {
    ord(mark): '"' for mark in "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
}
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_FOLDING = _DASHES | _QUOTES | _INVISIBLE
_NUMBER = re.compile(r"\d(?:[\d.,'\u2019 \u00a0\u202f\u2009]*\d)?|[.,]\d+")
_GROUPING_SPACES = re.compile(r"['\u2019 \u00a0\u202f\u2009]")
_YEAR_PIVOT = 70  # two-digit years from 70 on are of the last century (POSIX strptime %y pivots at 69)


def clean_text(text: str) -> str:
    """NFC, with U+FFFD for NUL and lone surrogates, so that every reader and writer accepts it."""
    return unicodedata.normalize("NFC", _SURROGATE_OR_NUL.sub("\ufffd", text))


def fold_text(text: str) -> str:
    """For comparison only: NFKC, case folded, dashes and quotes unified, soft hyphens dropped, white space collapsed."""
    folded = unicodedata.normalize("NFKC", text).translate(_FOLDING).casefold()
    return _SPACES.sub(" ", folded).strip()


def parse_number(text: str, *, decimal_comma: bool | None = None) -> Decimal | None:
    """The likeliest reading of a printed number, with sign, currency or unit around it; None when there is none.

    `decimal_comma` decides how a single ambiguous separator is read; with None, three digits after a comma are thousands.
    """
    readings = number_readings(text)
    if not readings:
        return None
    if decimal_comma is not None and len(readings) > 1:
        body = _number_body(text) or ""
        mark_is_comma = "," in body
        fraction_first = mark_is_comma == decimal_comma
        return min(readings, key=abs) if fraction_first else max(readings, key=abs)
    return readings[0]


def number_readings(text: str) -> tuple[Decimal, ...]:
    """Every plausible reading of the one number in `text`, likeliest first; empty when there is none or several."""
    body = _number_body(text)
    if body is None:
        return ()
    groups = _GROUPING_SPACES.split(re.split(r"[.,]", body)[0] if _GROUPING_SPACES.search(body) else body)
    if len(groups) > 1 and not (1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])):
        return ()  # two numbers side by side, not one grouped by spaces
    readings = _plain_readings(_GROUPING_SPACES.sub("", body))
    return tuple(-number for number in readings) if _is_negative(text, body) else readings


def parse_date(text: str, *, month_first: bool = False) -> datetime.date | None:
    """The likeliest reading of a printed date; day first by default, the order of most countries."""
    readings = date_readings(text, month_first=month_first)
    return readings[0] if readings else None


def date_readings(text: str, *, month_first: bool = False) -> tuple[datetime.date, ...]:
    """Every plausible reading of the date in `text`, likeliest first. ISO, numeric and named months are read."""
    folded = fold_text(text)
    if match := re.search(r"(?<!\d)(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})(?!\d)", folded):
        return _dates((int(match[1]), int(match[2]), int(match[3])))
    if match := re.search(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)", folded):
        return _dates((int(match[1]), int(match[2]), int(match[3])))
    if match := re.search(r"(?<!\d)(\d{1,2})\s?[-/.]\s?(\d{1,2})\s?[-/.]\s?(\d{4}|\d{2})(?!\d)", folded):
        first, second, year = int(match[1]), int(match[2]), _year(match[3])
        orders = [(year, second, first), (year, first, second)]
        return _dates(*(reversed(orders) if month_first else orders))
    return _named_month_dates(folded)


def json_text(value: Any) -> str:
    """A record, or a part of one, as JSON: dates in ISO form, decimals as numbers, as text where a float would round them."""
    return json.dumps(value, ensure_ascii=False, default=_on_the_wire)


def _on_the_wire(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value.isoformat() if isinstance(value, datetime.date) else str(value)
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else printed(value)


def printed(value: Any) -> str:
    """A value as text: decimals without trailing zeros, dates in ISO form."""
    if isinstance(value, Decimal):
        text = format(value.normalize(), "f")
        return "0" if text == "-0" else text
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def is_month(word: str) -> bool:
    """True for the name of a month, whole or abbreviated, in one of MONTH_LANGUAGES."""
    return word[:1].isalpha() and fold_text(word).strip(".,") in _months()[0]


def _number_body(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[0].strip() if len(numbers) == 1 else None


def _is_negative(text: str, body: str) -> bool:
    before, _, after = text.translate(_DASHES).partition(body)
    before, after = before.strip(), after.strip()
    if "(" in before and ")" in after:
        return True
    dash_before = re.search(r"-\s*\D{0,4}$", before) and not re.search(r"\w-$", before)
    return bool(dash_before) or after.startswith("-")


def _plain_readings(digits: str) -> tuple[Decimal, ...]:
    marks = [character for character in digits if character in ".,"]
    if not marks:
        return _decimals(digits)
    last = marks[-1]
    if len(set(marks)) == 2:  # the last mark is the decimal one, if it occurs once
        if marks.count(last) > 1:
            return ()
        grouping = "," if last == "." else "."
        return _decimals(digits.replace(grouping, "").replace(last, "."))
    whole, _, fraction = digits.rpartition(last)
    grouped = digits.replace(last, "")
    well_grouped = bool(re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", digits)) and not digits.startswith("0")
    indian = bool(re.fullmatch(r"\d{1,2}(?:,\d{2})+,\d{3}", digits))
    if len(marks) > 1:
        return _decimals(grouped) if well_grouped or indian else ()
    decimal = f"{whole or '0'}.{fraction}"
    if not well_grouped:
        return _decimals(decimal)
    return _decimals(grouped, decimal) if last == "," else _decimals(decimal, grouped)


def _decimals(*texts: str) -> tuple[Decimal, ...]:
    try:
        return tuple(dict.fromkeys(Decimal(text) for text in texts))
    except InvalidOperation:
        return ()


def _year(digits: str) -> int:
    number = int(digits)
    if len(digits) == 4:
        return number
    return number + (1900 if number >= _YEAR_PIVOT else 2000)


def _dates(*parts: tuple[int, int, int]) -> tuple[datetime.date, ...]:
    dates = []
    for year, month, day in parts:
        try:
            dates.append(datetime.date(year, month, day))
        except ValueError:
            continue
    return tuple(dict.fromkeys(dates))


def _named_month_dates(folded: str) -> tuple[datetime.date, ...]:
    names, pattern = _months()
    match = pattern.search(folded)
    if match is None:
        return ()
    month = names[match[0].rstrip(".")]
    before, after = folded[: match.start()], folded[match.end() :]
    day_before = re.search(r"(?<!\d)(\d{1,2})(?:\s?(?:st|nd|rd|th|er|e|\.|°|º))?\s*(?:(?:of|de|-)\s*)?$", before)
    year_after = re.match(r"[\s.,/-]*(?:de\s+|del\s+)?(\d{4}|'?\d{2})(?![\d:])", after)
    if day_before and year_after:
        return _dates((_year(year_after[1].lstrip("'")), month, int(day_before[1])))
    if day_and_year := re.match(r"[\s.]*(\d{1,2})(?:st|nd|rd|th)?[\s,.]+(\d{4})(?!\d)", after):
        return _dates((int(day_and_year[2]), month, int(day_and_year[1])))
    year_before = re.search(r"(?<!\d)(\d{4})[\s.-]*$", before)
    day_after = re.match(r"[\s.-]*(\d{1,2})(?!\d)", after)
    if year_before and day_after:
        return _dates((int(year_before[1]), month, int(day_after[1])))
    return ()


@functools.cache
def _months() -> tuple[dict[str, int], re.Pattern[str]]:
    names: dict[str, int] = {}
    for language in MONTH_LANGUAGES:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in get_month_names(width, context, language).items():
                    folded = fold_text(name).rstrip(".")
                    if len(folded) >= 3 and not folded.isdigit():
                        names.setdefault(folded, month)
    names |= {"sept": 9}
    longest_first = sorted(names, key=len, reverse=True)
    return names, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})\.?(?!\w)")


def normalize(text: str) -> str:
    """The folded letters, digits and signs that carry meaning, without white space and punctuation."""
    return "".join(character for character in fold_text(text) if _carries_meaning(character))


def _carries_meaning(character: str) -> bool:
    return character.isalnum() or character in "%‰°" or unicodedata.category(character) in {"Sc", "Mc", "Mn"}
