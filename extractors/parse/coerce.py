"""JSON values of an answer as the types of the schema."""

import datetime
import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from extractors.values import clean_text, fold_text, parse_date, parse_number
from schemas.fields import Field, escape
from schemas.step_data import Problem
from schemas.tables import DECIMAL_DIGITS

_INT64 = 2**63


_LONGEST_NUMBER = 60  # digits; longer numbers fit no column, and Python refuses more than 4,300


def parse_value(value: Any, field: Field, pointer: str) -> tuple[Any, tuple[Problem, ...]]:
    """One value, from JSON or typed by a person, as the type of its field, and the problems of its refused parts."""
    problems: list[Problem] = []
    return _any(value, field, pointer, problems), tuple(problems)


def parse_json(text: str) -> Any:
    """Value of JSON text, with exact numbers. Raises ValueError for text that is not JSON."""
    return load_json(text)


def load_json(text: str) -> Any:
    """JSON with exact numbers; NaN and Infinity, which are not JSON, become text, which fields refuse."""
    return json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=str)


def _decimal(digits: str) -> Decimal | str:
    try:
        return Decimal(digits) if len(digits) <= _LONGEST_NUMBER else digits
    except InvalidOperation:
        return digits


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


def read_object(value: Mapping[str, Any], field: Field, pointer: str, problems: list[Problem]) -> dict[str, Any]:
    """The fields of an object in their types; a refused value becomes None and is added to `problems`."""
    return {
        child.name: _any(value.get(child.name), child, f"{pointer}/{escape(child.name)}", problems)
        for child in field.fields
    }


def _any(value: Any, field: Field, pointer: str, problems: list[Problem]) -> Any:
    if field.kind == "object":
        if value is not None and not isinstance(value, Mapping):
            problems.append(Problem(pointer, "rejected", f"{shown_value(value)}: no object"))
        return read_object(value if isinstance(value, Mapping) else {}, field, pointer, problems)
    if field.item is not None:
        return _items(value, field.item, pointer, problems)
    return _leaf(value, field, pointer, problems)


def _items(value: Any, item: Field, pointer: str, problems: list[Problem]) -> list[Any]:
    if value is None or value == "":
        return []
    if not isinstance(value, list) and item.kind == "object" and not isinstance(value, Mapping):
        problems.append(Problem(pointer, "rejected", f"{shown_value(value)}: no list"))
        return []
    raw = value if isinstance(value, list) else [value]
    items: list[Any] = []
    for element in raw:
        before = len(problems)
        parsed = _any(element, item, f"{pointer}/{len(items)}", problems)
        if not is_empty(parsed) or len(problems) > before:
            items.append(parsed)
    return items


def is_empty(value: Any) -> bool:
    """True for None, and for objects and lists of None only."""
    if isinstance(value, Mapping):
        return all(is_empty(below) for below in value.values())
    if isinstance(value, list):
        return all(is_empty(below) for below in value)
    return value is None


def _leaf(value: Any, field: Field, pointer: str, problems: list[Problem]) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return _READERS[field.kind](value, field)
    except (ValueError, ArithmeticError) as error:
        problems.append(Problem(pointer, "rejected", f"{shown_value(value)}: {error}"))
        return None


def _string(value: Any, field: Field) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("no text")  # noqa: TRY004 - every refusal of a value is a ValueError here
    text = clean_text(str(value)).strip()
    if not field.choices or text in field.choices:
        return text
    folded = {fold_text(choice): choice for choice in field.choices}
    if fold_text(text) not in folded:
        raise ValueError(f"none of {', '.join(field.choices[:8])}")
    return folded[fold_text(text)]


def _number(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError("no number")  # noqa: TRY004 - as above
    if isinstance(value, int | Decimal):
        return Decimal(value)
    number = parse_number(value) if isinstance(value, str) and len(value) <= _LONGEST_NUMBER else None
    if number is None:
        raise ValueError("no number, or too large for any column")
    return number


def _fixed(value: Any, field: Field) -> Decimal:
    number = _number(value)
    too_large = number != 0 and number.adjusted() >= DECIMAL_DIGITS - field.scale
    exact = Decimal(0) if too_large else number.quantize(Decimal(1).scaleb(-field.scale))
    if too_large or exact != number:
        raise ValueError(f"does not fit decimal({DECIMAL_DIGITS}, {field.scale}) and is never rounded")
    return exact


def _whole(value: Any, _: Field) -> int:
    number = _number(value)
    if number.adjusted() > 20 or number != number.to_integral_value() or not -_INT64 <= int(number) < _INT64:
        raise ValueError("no whole number of 64 bits")
    return int(number)


def _float(value: Any, _: Field) -> float:
    number = float(_number(value))
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number


def _date(value: Any, _: Field) -> datetime.date:
    date = parse_date(value) if isinstance(value, str) and len(value) <= _LONGEST_NUMBER else None
    if date is None:
        raise ValueError("no date")
    return date


def _datetime(value: Any, _: Field) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(str(value).strip()).replace(tzinfo=None)
    except ValueError:
        return datetime.datetime.combine(_date(value, _), datetime.time())


def _boolean(value: Any, _: Field) -> bool:
    meanings = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    folded = str(value).casefold().strip()
    if folded not in meanings:
        raise ValueError("neither true nor false")
    return meanings[folded]


def _json(value: Any, _: Field) -> str:
    return clean_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


_READERS: Mapping[str, Callable[[Any, Field], Any]] = {
    "string": _string, "decimal": _fixed, "integer": _whole, "number": _float, "date": _date, "datetime": _datetime,
    "boolean": _boolean, "json": _json,
}  # fmt: skip


def shown_value(value: Any) -> str:
    """A refused value for a message: clean text of at most 61 characters, `nothing` where it is empty."""
    text = clean_text(str(value))
    return f"{text[:60]}…" if len(text) > 60 else text or "nothing"
