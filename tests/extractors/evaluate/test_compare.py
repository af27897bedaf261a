"""When two values are the same, by the type of their field."""

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.evaluate.compare import key
from schemas.fields import Field

MONEY = Field("total", "decimal", scale=4)
SAME = [
    (MONEY, Decimal("1234.5000"), "1.234,50 EUR"),
    (MONEY, Decimal("1234.5000"), 1234.5),
    (MONEY, Decimal("0.1000"), Decimal("0.10000000001")),
    (Field("n", "integer"), 12, "12"),
    (Field("n", "number"), 0.30000000000000004, 0.3),
    (Field("d", "date"), datetime.date(2026, 3, 14), "14. März 2026"),
    (Field("d", "date"), datetime.date(2026, 3, 14), "2026-03-14"),
    (Field("d", "datetime"), datetime.datetime(2026, 3, 14, 8, 30), "2026-03-14T08:30:00"),
    (Field("b", "boolean"), True, "yes"),
    (Field("s", "string"), "Nordlicht  GmbH", "nordlicht gmbh."),
    (Field("s", "string"), "DE02 1203 0000 0000 2020 51", "DE02120300000000202051"),
    (Field("currency", "string"), "EUR", "€"),
    (Field("s", "string"), "1,0", "1.00"),
    (Field("j", "json"), '{"a": 1, "b": "X"}', {"b": "x", "a": 1.0}),
    (Field("s", "string"), "", None),
]
OTHER = [
    (MONEY, Decimal("1234.5000"), "1234.51"),
    (MONEY, Decimal(0), None),
    (Field("d", "date"), datetime.date(2026, 3, 14), "2026-04-14"),
    (Field("s", "string"), "10", "1.0"),
    (Field("s", "string"), "0017", "17"),
    (Field("s", "string"), "A-10", "A-11"),
    (Field("currency", "string"), "EUR", "$"),
    (Field("b", "boolean"), False, None),
    (MONEY, Decimal(5), "not stated"),
]


@pytest.mark.parametrize(("field", "one", "other"), SAME, ids=lambda each: str(each)[:24])
def test_values_that_say_the_same_are_equal(field: Field, one: object, other: object) -> None:
    assert key(one, field) == key(other, field)


@pytest.mark.parametrize(("field", "one", "other"), OTHER, ids=lambda each: str(each)[:24])
def test_values_that_differ_are_not(field: Field, one: object, other: object) -> None:
    assert key(one, field) != key(other, field)


@given(
    st.sampled_from(["string", "integer", "number", "decimal", "date", "datetime", "boolean", "json"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.decimals(),
        lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=3), below, max_size=2),
        max_leaves=3,
    ),
)
def test_whatever_a_truth_says_can_be_compared(kind: str, value: object) -> None:
    assert hash(key(value, Field("f", kind))) == hash(key(value, Field("f", kind)))
