"""Checks of a record that a type declares under `x-pagemill-checks`, as short equations.

    {"name": "net", "check": "sum(line_items.amount) - allowances? + charges? = net_total"}
    {"name": "dates", "check": "due_date >= issue_date"}
    {"name": "items", "check": "count(line_items) = number_of_items"}

Terms are fields (a dotted path; a name with spaces or signs goes in `backticks`), numbers, `sum(list.field)` and
`count(list)`, joined by + and -. A check over a null is skipped. A field with `?` counts as 0 when it is null; such a check
can hold but never fail, since the null may hide the missing amount. Dates are compared, not added.
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
_ROUNDED = Decimal("0.01")  # rounding of a printed total
_ROUNDED_ITEM, _MOST_ROUNDED = (
    Decimal("0.005"),
    Decimal("0.05"),
)  # rounding of one summed item, and of all items together
_OPERATOR = re.compile(r"(<=|>=|=)(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # outside of backticks
_STEP = r"(?:`[^`]+`|[^\s()+\-\u2212?=<>.`]+)"
_PATH = rf"{_STEP}(?:\.{_STEP})*"
_TERM = re.compile(
    rf"\s*(?P<sign>[+\-\u2212])?\s*(?:(?P<call>sum|count)\(\s*(?P<inside>{_PATH})\s*\)|(?P<number>\d+(?:\.\d+)?)"
    rf"|(?P<path>{_PATH})(?P<optional>\?)?)\s*"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: a field, a number, or the sum or count over a list. `keys` lead to the field, `list_keys` to its list."""

    sign: int
    kind: Literal["field", "number", "sum", "count"]
    keys: tuple[str, ...] = ()
    list_keys: tuple[str, ...] = ()
    number: Decimal = Decimal(0)
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One equation. `fields` are the JSON pointers of its fields, with `*` for the index of a list.

    `is_whole` is true where all terms are whole numbers or counts: then no rounding is allowed for.
    """

    name: str
    left: tuple[Term, ...]
    operator: str
    right: tuple[Term, ...]
    fields: tuple[str, ...]
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of an evaluated check: whether it holds, its right side (`expected`) and its left side (`found`)."""

    check: str
    ok: bool
    expected: str
    found: str
    fields: tuple[str, ...] = ()


def declared_checks(schema: Mapping[str, Any], root: Field) -> tuple[Check, ...]:
    """The checks of a schema. Raises ConfigurationError for a check that cannot be parsed, with its name."""
    declared = schema.get(KEYWORD, ())
    if not isinstance(declared, list | tuple):
        raise ConfigurationError(f'{KEYWORD}: expected a list of {{"name": ..., "check": ...}}')
    return tuple(_check(entry, index, root) for index, entry in enumerate(declared))


def run_check(check: Check, record: Mapping[str, Any]) -> CheckResult | None:
    """The check evaluated over a record; None where it is skipped."""
    left, right = _side(check.left, record), _side(check.right, record)
    if left is None or right is None:
        return None
    (found, left_is_sure, items_left), (expected, right_is_sure, items_right) = left, right
    if isinstance(found, datetime.date) != isinstance(expected, datetime.date):
        return None
    tolerance = _ROUNDED + min(_ROUNDED_ITEM * (items_left + items_right), _MOST_ROUNDED)
    if check.is_whole:
        tolerance = Decimal(0)
    ok = _holds(found, check.operator, expected, tolerance)
    if not ok and not (left_is_sure and right_is_sure):
        return None
    return CheckResult(check.name, ok, str(expected), str(found), check.fields)


def _check(declared: Any, index: int, root: Field) -> Check:
    text = declared.get("check") if isinstance(declared, Mapping) else None
    name = str(declared.get("name") or f"check {index + 1}") if isinstance(declared, Mapping) else ""
    if not isinstance(text, str):
        raise ConfigurationError(
            f'{KEYWORD}: invalid entry {index + 1}: expected {{"name": ..., "check": "a + b = c"}}'
        )
    parts = _OPERATOR.split(text)
    if len(parts) != 3:
        raise ConfigurationError(f"{KEYWORD}: {name!r}: invalid check {text!r}: expected exactly one of =, <= and >=")
    left, right = tuple(_terms(parts[0], name, root)), tuple(_terms(parts[2], name, root))
    terms = (*left, *right)
    whole = all(term.kind == "count" or _kind(root, term) == "integer" for term in terms if term.kind != "number")
    fields = tuple(_pointer(term) for term in terms if term.kind != "number")
    return Check(name, left, parts[1], right, fields, whole)


def _kind(root: Field, term: Term) -> str:
    """The kind of the field whose values a term adds up."""
    field = field_at(root, term.list_keys) if term.list_keys else root
    if field is not None and field.item is not None:
        field = field.item
    summed = field_at(field, term.keys) if field is not None else None
    return summed.kind if summed is not None else ""


def _terms(text: str, name: str, root: Field) -> Iterator[Term]:
    offset = 0
    while offset < len(text):
        match = _TERM.match(text, offset)
        if match is None or (offset and not match["sign"]):
            raise ConfigurationError(
                f"{KEYWORD}: {name!r}: invalid term {text[offset:].strip()!r}: expected a field, a number, sum() or count()"
            )
        offset = match.end()
        sign = 1 if match["sign"] in {None, "+"} else -1
        if match["number"]:
            yield Term(sign, "number", number=Decimal(match["number"]))
        elif match["call"]:
            yield _over_list(sign, match["call"], _keys(match["inside"]), name, root)
        else:
            keys = _keys(match["path"])
            if field_at(root, keys) is None:
                raise ConfigurationError(
                    f"{KEYWORD}: {name!r}: unknown field {match['path']!r}: name a field of the schema"
                )
            yield Term(sign, "field", keys, is_optional=bool(match["optional"]))
    if not text.strip():
        raise ConfigurationError(f"{KEYWORD}: {name!r}: empty side: expected a term on both sides")


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
    """The value of one side, whether it is free of nulls counted as 0, and the number of summed items."""
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
        first, second = found, expected
        # A date has no time of day to compare with.
        if isinstance(found, datetime.datetime) != isinstance(expected, datetime.datetime):
            first, second = (
                entry.date() if isinstance(entry, datetime.datetime) else entry for entry in (found, expected)
            )
        return bool(first == second if operator == "=" else first <= second if operator == "<=" else first >= second)
    difference = found - expected
    if operator == "=":
        return bool(abs(difference) <= tolerance)
    return bool(difference <= tolerance if operator == "<=" else difference >= -tolerance)


def _pointer(term: Term) -> str:
    steps = [escape(key) for key in (*term.list_keys, *(["*"] if term.kind == "sum" else []), *term.keys)]
    return "".join(f"/{step}" for step in steps)
