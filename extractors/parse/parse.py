"""A completion's text to an answer: JSON recovered, every leaf brought to its type or nulled with a problem."""

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import json_repair

from extractors.values import clean_text, fold_text, parse_date, parse_number
from schemas.errors import InvalidCompletionError
from schemas.fields import Field, escape
from schemas.pipeline import Answer, Problem
from schemas.tables import DECIMAL_DIGITS

PARSE_VERSION = 3
_INT64 = 2**63
_LONGEST_NUMBER = 60  # digits; what is longer fits no column, and Python refuses to read beyond 4,300
_LONGEST_REPAIR = 2_000_000  # characters
_KEY = re.compile(r'"([^"\\]+)"\s*:')
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def parse(text: str, root: Field) -> Answer:
    """The answer in the schema's shape; `is_whole` is false when its JSON ends in the middle.

    Raises InvalidCompletionError when no JSON object can be recovered from `text`.
    """
    loaded, is_whole = _load(text)
    if isinstance(loaded, list) and len(loaded) == 1:
        loaded = loaded[0]
    if not isinstance(loaded, Mapping):
        raise InvalidCompletionError(f"the model answered no JSON object but {_shown(text)}; try another model")
    problems: list[Problem] = []
    value = _object(loaded, root, "", problems)
    return Answer(value, tuple(problems), is_whole)


def parse_value(value: Any, field: Field, pointer: str) -> tuple[Any, tuple[Problem, ...]]:
    """One value, from JSON or as a person types it, brought to the type of its field; with what was refused of it."""
    problems: list[Problem] = []
    return _any(value, field, pointer, problems), tuple(problems)


def parse_json(text: str) -> Any:
    """What JSON text says, with exact numbers. Raises ValueError where it is none."""
    return _loads(text)


def parse_cut(text: str, root: Field) -> Answer | None:
    """What an answer that was cut by length still says outside of its lists; null when that is nothing.

    The value that was being written when it was cut is left out: half a number is a wrong number.
    """
    try:
        answer = parse(text, root)
    except InvalidCompletionError:
        return None
    keys = _KEY.findall(text)
    value = _without_lists(answer.value, root, keys[-1] if keys else "")
    return None if is_empty(value) else Answer(value, (), is_whole=False)


def _without_lists(value: Mapping[str, Any], field: Field, cut: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for child in field.fields:
        if child.kind == "object":
            kept[child.name] = _without_lists(value[child.name], child, cut)
        else:
            kept[child.name] = [] if child.item is not None else None if child.name == cut else value[child.name]
    return kept


def _load(text: str) -> tuple[Any, bool]:
    """The first JSON that can be read from `text`, repaired if need be, and whether it was whole."""
    candidates = [text, *_FENCE.findall(text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    for candidate in candidates:
        try:
            return _loads(candidate), True
        except (ValueError, RecursionError):
            continue
    if start < 0 or len(text) > _LONGEST_REPAIR:
        return None, False
    is_whole = _is_closed(text[start:])
    try:
        return _loads(json_repair.repair_json(text[start:], ensure_ascii=False)), is_whole
    except (ValueError, RecursionError):
        return None, False


def _loads(text: str) -> Any:
    """JSON with exact numbers; NaN and Infinity, which JSON has not, stay words for the fields to refuse."""
    return json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=str)


def _is_closed(text: str) -> bool:
    """False when `text` ends inside an object, a list or a string."""
    depth, in_string, is_escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return True
    return False


def _decimal(digits: str) -> Decimal | str:
    try:
        return Decimal(digits) if len(digits) <= _LONGEST_NUMBER else digits
    except InvalidOperation:
        return digits


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


def _object(value: Mapping[str, Any], field: Field, pointer: str, problems: list[Problem]) -> dict[str, Any]:
    return {
        child.name: _any(value.get(child.name), child, f"{pointer}/{escape(child.name)}", problems)
        for child in field.fields
    }


def _any(value: Any, field: Field, pointer: str, problems: list[Problem]) -> Any:
    if field.kind == "object":
        if value is not None and not isinstance(value, Mapping):
            problems.append(Problem(pointer, "rejected", f"{_shown(value)}: no object"))
        return _object(value if isinstance(value, Mapping) else {}, field, pointer, problems)
    if field.item is not None:
        return _items(value, field.item, pointer, problems)
    return _leaf(value, field, pointer, problems)


def _items(value: Any, item: Field, pointer: str, problems: list[Problem]) -> list[Any]:
    if value is None or value == "":
        return []
    if not isinstance(value, list) and item.kind == "object" and not isinstance(value, Mapping):
        problems.append(Problem(pointer, "rejected", f"{_shown(value)}: no list"))
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
    """True for null and for what holds nothing but nulls."""
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
        problems.append(Problem(pointer, "rejected", f"{_shown(value)}: {error}"))
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
    found = parse_date(value) if isinstance(value, str) and len(value) <= _LONGEST_NUMBER else None
    if found is None:
        raise ValueError("no date")
    return found


def _datetime(value: Any, _: Field) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(str(value).strip()).replace(tzinfo=None)
    except ValueError:
        return datetime.datetime.combine(_date(value, _), datetime.time())


def _boolean(value: Any, _: Field) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    folded = str(value).casefold().strip()
    if folded not in known:
        raise ValueError("neither true nor false")
    return known[folded]


def _json(value: Any, _: Field) -> str:
    return clean_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


_READERS: Mapping[str, Callable[[Any, Field], Any]] = {
    "string": _string, "decimal": _fixed, "integer": _whole, "number": _float, "date": _date, "datetime": _datetime,
    "boolean": _boolean, "json": _json,
}  # fmt: skip


def _shown(value: Any) -> str:
    text = clean_text(str(value))
    return f"{text[:60]}…" if len(text) > 60 else text or "nothing"
