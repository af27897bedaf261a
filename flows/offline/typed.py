"""Values of the wanted kinds at the start of a printed text; None where the text cannot be read for certain."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from extractors.values import date_readings, parse_number
from flows.offline.lexicon import CURRENCIES, SIGNS
from flows.offline.wanted import json_type

_DIGITS = r"\d(?:[\d.,'\u2019]|[ \u00a0\u202f](?=\d{3}(?!\d)))*"  # a space groups only before three digits
_MONEY = re.compile(
    rf"^(?:[A-Z]{{3}}|US\$|[€£$¥₹])?\s?(?P<number>[-+\u2212(]?\s?[€£$]?\s?{_DIGITS}-?\)?)\s?(?P<after>.*)$"
)
_AFTER_MONEY = re.compile(r"^(?:[A-Z]{3}\b|Euros?\b|[€£$¥₹])?\s*(?P<rest>.*)$", re.IGNORECASE)
_CODE = re.compile(r"[^\W_][\w./\-\u2013+*:]*")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?:\s?[A-Z0-9]){11,30}")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?![A-Za-z0-9])")
_EU_VAT = (
    r"(?:ATU|AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|GR|HR|HU|IE|IT|LT|LU|LV|MT|NL|NO|PL|PT|RO|SE|SI|SK|XI)"
    r"[ -]?\w?\d(?:[ .]?\w){5,13}"
)
_SWISS_VAT = r"CHE[ -]?\d{3}[. ]?\d{3}[. ]?\d{3}(?: ?MWST| ?TVA)?"
_PLAIN_VAT = r"\d{2,3}[-/ ]\d{3,7}(?:[/ -]\d{3,5})?|\d{8,14}"  # US and Australian numbers, German tax numbers
_VAT = re.compile(rf"(?:{_EU_VAT}|{_SWISS_VAT}|{_PLAIN_VAT})(?!\w)")
_BEFORE_DATE = re.compile(
    r"^\W{0,4}(?:(?:le|am|den|on|the|du|vom|von|zum|by|until|bis|at)\s+){0,2}(?:[^\W\d]{2,10}[.,]\s?)?\d|^[^\W\d]{3,10}\.?\s+\d{1,2},?\s+\d{4}",
    re.IGNORECASE,
)
_PYTHON: dict[str, tuple[type, ...]] = {"number": (int, float), "integer": (int,), "boolean": (bool,)}
_RATE_BEFORE = re.compile(r"^\s*\(?\d{1,2}(?:[.,]\d{1,2})?\s?%\)?[\s:]*(?=\S)")
_TOO_LARGE = Decimal(10) ** 15  # no double holds it to the cent, and no document has it
_YEARLY = re.compile(r"(?<!\d)(\d{1,2})[/](\d{1,2})[/](?:\d{4}|\d{2})(?!\d)")


class Habits(NamedTuple):
    """Notation of numbers and dates on the pages, for values that are ambiguous by themselves."""

    decimal_comma: bool | None
    month_first: bool
    currency: str | None


def habits(texts: Iterable[str]) -> Habits:
    """Notation by the unambiguous texts of the pages: `12,50` or `12.50`, `02/27/2026`, the sign or code beside amounts."""
    commas = points = months = days = 0
    money: Counter[str] = Counter()
    for text in texts:
        commas += len(re.findall(r"\d,\d\d(?!\d)", text))
        points += len(re.findall(r"\d\.\d\d(?![\d.])", text))
        for match in _YEARLY.finditer(text):
            months += int(match[1]) <= 12 < int(match[2])
            days += int(match[2]) <= 12 < int(match[1])
        for match in re.finditer(r"\b([A-Z]{3})\s?-?\d|\d\s?([A-Z]{3})\b|([€£¥₹$])", text):
            code = match[1] or match[2] or SIGNS.get(match[3] or "", "")
            if code in CURRENCIES:
                money[code] += 1
    comma = None if commas == points else commas > points
    return Habits(comma, months > days, money.most_common(1)[0][0] if money else None)


def number(text: str, how: Habits) -> Decimal | None:
    """The only number of `text`, which may have a sign, a currency, a per cent sign or a short unit around it."""
    match = _MONEY.match(text.strip())
    if match is None:
        return None
    rest = _AFTER_MONEY.match(match["after"])
    after = rest["rest"] if rest else ""
    if any(sign.isdigit() for sign in after) or len(after) > 24:
        return None
    return parse_number(match["number"], decimal_comma=how.decimal_comma)


def money(text: str, how: Habits) -> Decimal | None:
    """The amount that `text` consists of, apart from a currency after it and a rate before it."""
    match = _MONEY.match(_RATE_BEFORE.sub("", text).strip(" :=*"))
    rest = _AFTER_MONEY.match(match["after"]) if match else None
    if match is None or rest is None or rest["rest"].strip(" *.)"):
        return None
    return parse_number(match["number"], decimal_comma=how.decimal_comma)


def date(text: str, how: Habits) -> str | None:
    """The date at the start of `text`, as YYYY-MM-DD."""
    if _BEFORE_DATE.match(text) is None:
        return None
    readings = date_readings(text[:32], month_first=how.month_first)
    return readings[0].isoformat() if readings else None


def code(text: str) -> str | None:
    """The identifier at the start of `text`: one word with a digit, or a short whole text like `W 561`."""
    bare = text.lstrip(" :#.°º-\u2013")
    match = _CODE.match(bare)
    if match is None:
        return None
    whole = bare.strip()
    if (
        len(whole) <= 24
        and len(whole.split()) <= 3
        and whole[-1:].isdigit()
        and re.fullmatch(r"[A-Z0-9][A-Z0-9 ./\-]*", whole)
    ):
        return whole
    word = match[0].rstrip(".:-\u2013*,")
    return word if any(sign.isdigit() for sign in word) and len(word) <= 40 else None


def iban(text: str) -> str | None:
    """An IBAN with right check digits, as printed."""
    for match in _IBAN.finditer(text[:80]):
        printed = match[0]
        while len(printed) >= 15:  # the pattern may include a following word
            bare = printed.replace(" ", "")
            digits = "".join(str(int(sign, 36)) for sign in bare[4:] + bare[:4])
            if int(digits) % 97 == 1:
                return " ".join(printed.split())
            printed = printed[: printed.rstrip().rfind(" ")] if " " in printed.strip() else ""
        bare = match[0].replace(" ", "")
        if text.strip().startswith(match[0]) and len(bare) >= 18 and " " not in match[0].strip():
            return bare  # sample invoices often print an invalid account; a labelled one is taken as printed
        if text.strip() == match[0].strip():
            return " ".join(match[0].split())
    return None


def bic(text: str) -> str | None:
    """A BIC at the start of `text`."""
    match = _BIC.match(text.strip(" :"))
    return match[0] if match else None


def vat(text: str) -> str | None:
    """A tax identifier at the start of `text`, as printed."""
    match = _VAT.match(text.lstrip(" :."))
    return match[0].strip() if match else None


def currency(text: str) -> str | None:
    """An ISO code or sign within a short text."""
    for match in re.finditer(r"[A-Z]{3}(?![A-Za-z])|[€£¥₹$]", text[:40]):
        currency_code = SIGNS.get(match[0], match[0])
        if currency_code in CURRENCIES:
            return currency_code
    return None


def tax_rate(text: str) -> Decimal | None:
    """A rate in per cent at the start of `text`; a tax category may follow it."""
    match = re.match(r"(\d{1,2}(?:[.,]\d{1,3})?)\s?(%?)", text.strip())
    if match is None or not (match[2] or match.end() == len(text.strip())):
        return None
    return parse_number(match[1], decimal_comma="," in match[1])


def plain_text(value: Any, node: Mapping[str, Any]) -> Any:
    """A value for JSON: decimals as integers or floats; None where the schema does not allow it."""
    kind = json_type(node)
    if kind == "integer" and isinstance(value, str) and value.rstrip(".").isdecimal():
        value = Decimal(value.rstrip("."))
    if isinstance(value, Decimal):
        if abs(value) >= _TOO_LARGE:
            return None
        value = int(value) if value == value.to_integral_value() else float(value)
    allowed = "enum" not in node or value in node["enum"]
    return value if allowed and isinstance(value, _PYTHON.get(kind, str)) else None
