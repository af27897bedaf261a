"""Checks of a record that a type declares under `x-pagemill-checks`, as short equations.

    {"name": "net", "check": "sum(line_items.amount) - allowances? + charges? = net_total"}
    {"name": "dates", "check": "due_date >= issue_date"}
    {"name": "items", "check": "count(line_items) = number_of_items"}

Terms are fields (a dotted path; a name with spaces or signs stands in `backticks`), numbers, `sum(list.field)` and
`count(list)`, joined by + and -. A check over a null is skipped. A field with `?` counts as 0 when it is null; then only a
check that holds counts, since what is missing may be what the null hides. Dates are compared, not added.
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from schemas.errors import ConfigurationError
from schemas.fields import Field, escape, field_at, value_at

KEYWORD = "x-pagemill-checks"
_ROUNDED = Decimal("0.01")  # of a printed total
_ROUNDED_ITEM, _MOST_ROUNDED = Decimal("0.005"), Decimal("0.05")  # of each item that is summed, and of all
_OPERATOR = re.compile(r"(<=|>=|=)(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # outside of backticks
_STEP = r"(?:`[^`]+`|[^\s()+\-\u2212?=<>.`]+)"
_PATH = rf"{_STEP}(?:\.{_STEP})*"
_TERM = re.compile(
    rf"\s*(?P<sign>[+\-\u2212])?\s*(?:(?P<call>sum|count)\(\s*(?P<inside>{_PATH})\s*\)|(?P<number>\d+(?:\.\d+)?)"
    rf"|(?P<path>{_PATH})(?P<optional>\?)?)\s*"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: a field, a number, or the sum or count over a list. `keys` lead to it; `list_keys` to its list."""

    sign: int
    kind: Literal["field", "number", "sum", "count"]
    keys: tuple[str, ...] = ()
    list_keys: tuple[str, ...] = ()
    number: Decimal = Decimal(0)
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One equation. `fields` are the JSON pointers it speaks of, lists with `*` for the index.

    `is_whole` is true where all of them are whole numbers, or counts: nothing is rounded then.
    """

    name: str
    left: tuple[Term, ...]
    operator: str
    right: tuple[Term, ...]
    fields: tuple[str, ...]
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check that was made: whether it holds, the right side (`expected`) and the left side (`found`)."""

    check: str
    ok: bool
    expected: str
    found: str
    fields: tuple[str, ...] = ()


def declared_checks(schema: Mapping[str, Any], root: Field) -> tuple[Check, ...]:
    """The checks of a schema. Raises ConfigurationError naming the one that cannot be read."""
    declared = schema.get(KEYWORD, ())
    if not isinstance(declared, list | tuple):
        raise ConfigurationError(f'{KEYWORD} is a list of {{"name": ..., "check": ...}}')
    return tuple(_check(entry, index, root) for index, entry in enumerate(declared))


def run_check(check: Check, record: Mapping[str, Any]) -> CheckResult | None:
    """The check over a record; null where it is skipped."""
    left, right = _side(check.left, record), _side(check.right, record)
    if left is None or right is None:
        return None
    (found, is_sure, few), (expected, is_sure_too, some) = left, right
    if isinstance(found, datetime.date) != isinstance(expected, datetime.date):
        return None
    tolerance = _ROUNDED + min(_ROUNDED_ITEM * (few + some), _MOST_ROUNDED)
    if check.is_whole:
        tolerance = Decimal(0)
    ok = _holds(found, check.operator, expected, tolerance)
    if not ok and not (is_sure and is_sure_too):
        return None
    return CheckResult(check.name, ok, str(expected), str(found), check.fields)


def _check(declared: Any, index: int, root: Field) -> Check:
    text = declared.get("check") if isinstance(declared, Mapping) else None
    name = str(declared.get("name") or f"check {index + 1}") if isinstance(declared, Mapping) else ""
    if not isinstance(text, str):
        raise ConfigurationError(f'{KEYWORD}: entry {index + 1} is no {{"name": ..., "check": "a + b = c"}}')
    parts = _OPERATOR.split(text)
    if len(parts) != 3:
        raise ConfigurationError(f"{KEYWORD}: {name!r}: {text!r} needs one of =, <= and >=")
    left, right = tuple(_terms(parts[0], name, root)), tuple(_terms(parts[2], name, root))
    terms = (*left, *right)
    whole = all(term.kind == "count" or _kind(root, term) == "integer" for term in terms if term.kind != "number")
    fields = tuple(_pointer(term) for term in terms if term.kind != "number")
    return Check(name, left, parts[1], right, fields, whole)


def _kind(root: Field, term: Term) -> str:
    """The kind of what a term adds up."""
    field = field_at(root, term.list_keys) if term.list_keys else root
    if field is not None and field.item is not None:
        field = field.item
    found = field_at(field, term.keys) if field is not None else None
    return found.kind if found is not None else ""


def _terms(text: str, name: str, root: Field) -> Iterator[Term]:
    offset = 0
    while offset < len(text):
        found = _TERM.match(text, offset)
        if found is None or (offset and not found["sign"]):
            raise ConfigurationError(f"{KEYWORD}: {name!r}: {text[offset:].strip()!r} cannot be read")
        offset = found.end()
        sign = 1 if found["sign"] in {None, "+"} else -1
        if found["number"]:
            yield Term(sign, "number", number=Decimal(found["number"]))
        elif found["call"]:
            yield _over_list(sign, found["call"], _keys(found["inside"]), name, root)
        else:
            keys = _keys(found["path"])
            if field_at(root, keys) is None:
                raise ConfigurationError(f"{KEYWORD}: {name!r}: there is no field {found['path']!r}")
            yield Term(sign, "field", keys, is_optional=bool(found["optional"]))
    if not text.strip():
        raise ConfigurationError(f"{KEYWORD}: {name!r}: one side is empty")


def _keys(path: str) -> tuple[str, ...]:
    return tuple(step.strip("`") for step in re.findall(_STEP, path))


def _over_list(sign: int, call: str, keys: tuple[str, ...], name: str, root: Field) -> Term:
    for end in range(1, len(keys) + 1):
        field = field_at(root, keys[:end])
        if field is None or field.item is None:
            continue
        below = keys[end:]
        if call == "count" and not below:
            return Term(sign, "count", (), keys)
        if call == "sum" and below and field_at(field.item, below) is not None:
            return Term(sign, "sum", below, keys[:end])
    raise ConfigurationError(
        f"{KEYWORD}: {name!r}: {call}({'.'.join(keys)}) names no list{' and field' * (call == 'sum')}"
    )


def _side(terms: tuple[Term, ...], record: Mapping[str, Any]) -> tuple[Any, bool, int] | None:
    """The value of one side, whether no null was counted as 0, and how many items were summed."""
    if len(terms) == 1 and isinstance(value := value_at(record, terms[0].keys), datetime.date):
        return value, True, 0
    total, is_sure, items = Decimal(0), True, 0
    for term in terms:
        value = _value(term, record)
        if value is None:
            if not term.is_optional:
                return None
            is_sure, value = False, Decimal(0)
        items += len(value_at(record, term.list_keys)) if term.kind == "sum" else 0
        total += term.sign * value
    return total, is_sure, items


def _value(term: Term, record: Mapping[str, Any]) -> Decimal | None:
    if term.kind == "number":
        return term.number
    if term.kind == "field":
        return _number(value_at(record, term.keys))
    listed = value_at(record, term.list_keys)
    if term.kind == "count":
        return Decimal(len(listed)) if listed is not None else None
    values = [_number(value_at(item, term.keys)) for item in listed or ()]
    if not values or any(value is None for value in values):
        return None
    return sum((value for value in values if value is not None), Decimal(0))


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return Decimal(str(value))


def _holds(found: Any, operator: str, expected: Any, tolerance: Decimal) -> bool:
    if isinstance(found, datetime.date):
        day, other = found, expected
        if isinstance(found, datetime.datetime) != isinstance(
            expected, datetime.datetime
        ):  # a day has no time to compare
            day, other = (
                entry.date() if isinstance(entry, datetime.datetime) else entry for entry in (found, expected)
            )
        return bool(day == other if operator == "=" else day <= other if operator == "<=" else day >= other)
    difference = found - expected
    if operator == "=":
        return bool(abs(difference) <= tolerance)
    return bool(difference <= tolerance if operator == "<=" else difference >= -tolerance)


def _pointer(term: Term) -> str:
    steps = [escape(key) for key in (*term.list_keys, *(["*"] if term.kind == "sum" else []), *term.keys)]
    return "".join(f"/{step}" for step in steps)
