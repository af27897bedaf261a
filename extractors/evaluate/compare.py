"""Equality of two values of a field: equal values have equal keys.

Numbers and dates are read by the schema's parser, so that a truth written as "1.234,50 EUR" is the number. Texts are compared
by their letters and digits, texts that are numbers by all their digits, and a currency code equals its sign.
"""

import datetime
import json
import re
from collections.abc import Hashable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.core import get_global
from babel.numbers import get_currency_symbol

from extractors.parse.coerce import parse_value
from extractors.values import fold_text, normalize, number_readings, parse_number
from schemas.fields import Field

CompareKey = Hashable  # None for null and for empty values
_PLAIN_NUMBER = re.compile(r"[-+(]?\d[\d.,' ]*\)?\s*%?$")
_FLOAT_DIGITS = 12  # significant digits of a double's sixteen: the last ones hold rounding errors


def key(value: Any, field: Field) -> CompareKey:
    """Key by which `value` of a leaf is compared; None for null and for empty text, the text for an unreadable value."""
    if value is None or (
        isinstance(value, str | list | dict) and not (value.strip() if isinstance(value, str) else value)
    ):
        return None
    if field.kind == "string":
        return _text_key(str(value))
    try:
        return _json_key(value) if field.kind == "json" else _typed_key(value, field)
    except (ValueError, ArithmeticError, TypeError):
        return ("unread", fold_text(str(value)))


def _typed_key(value: Any, field: Field) -> CompareKey:
    if isinstance(value, datetime.datetime):
        moment = value.replace(tzinfo=None)
        return moment if field.kind == "datetime" else moment.date()
    if isinstance(value, datetime.date):
        day: datetime.date = value
        return day if field.kind == "date" else datetime.datetime.combine(day, datetime.time())
    if isinstance(value, float):
        value = Decimal(repr(value))
    if field.kind in {"decimal", "integer", "number"}:
        return _number_key(value, field)
    read, refused = parse_value(value, field, "")  # a date, a time or a truth value
    if refused or not isinstance(read, Hashable):
        raise ValueError("none of its type")
    return read


def _number_key(value: Any, field: Field) -> CompareKey:
    """The number, rounded to the decimals of its column."""
    number = value if isinstance(value, Decimal) else None
    if number is None:
        number = parse_number(value) if isinstance(value, str) else Decimal(value)
    if number is None or not number.is_finite():
        raise ValueError("no number")
    if field.kind == "number":
        return float(f"{number:.{_FLOAT_DIGITS}g}")
    try:
        return (
            number.quantize(Decimal(1).scaleb(-field.scale)).normalize()
            if field.kind == "decimal"
            else number.normalize()
        )
    except InvalidOperation:
        return number


def _text_key(text: str) -> CompareKey:
    text = text.strip()
    if _PLAIN_NUMBER.match(text) and not text.isdigit() and (readings := number_readings(text)):
        return format(readings[0].normalize(), "f")
    if len(text) == 3 and text.isupper() and text in get_global("all_currencies"):
        return normalize(get_currency_symbol(text, locale="en"))
    return normalize(text) or fold_text(text)


def _json_key(value: Any) -> CompareKey:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return fold_text(value)
    return json.dumps(_folded(value), sort_keys=True, ensure_ascii=False, default=str)


def _folded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _folded(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_folded(below) for below in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return float(value)
    return fold_text(value) if isinstance(value, str) else value
