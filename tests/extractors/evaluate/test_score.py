"""A record beside its truth, counted per field."""

import copy
import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from extractors.evaluate.score import score
from schemas.document_types import DOCUMENT_TYPES
from schemas.fields import Field

ROOT = DOCUMENT_TYPES["invoice"].root
TRUTH = {
    "number": "A-1",
    "issue_date": "2026-03-14",
    "seller": {"name": "Nordlicht GmbH"},
    "gross_total": 119.0,
    "iban": None,
    "line_items": [
        {"description": "Lamp", "quantity": 2, "amount": "60,00"},
        {"description": "Cable", "quantity": 4, "amount": 40},
    ],
}
RECORD = {
    "number": "A-1",
    "issue_date": "2026-03-14",
    "due_date": "2026-04-14",
    "seller": {"name": "NORDLICHT GmbH", "address": "Kiel"},
    "gross_total": Decimal("119.0000"),
    "iban": None,
    "line_items": [
        {"description": "Cable", "quantity": Decimal(4), "amount": Decimal(40), "unit": "m"},
        {"description": "Lamp", "quantity": Decimal(2), "amount": Decimal(60), "unit": "pcs"},
    ],
}


def counts(truth: dict, record: dict, path: str) -> tuple[int, int, int]:
    found = score(truth, record, ROOT).fields[path]
    return found.stated, found.found, found.right


def test_a_record_that_says_what_the_truth_says_is_perfect_in_any_order() -> None:
    scored = score(TRUTH, RECORD, ROOT)
    assert scored.is_perfect
    assert scored.total.f1 == 1.0
    assert counts(TRUTH, RECORD, "/line_items/*/amount") == (2, 2, 2)
    assert (scored.items["/line_items"].stated, scored.items["/line_items"].right) == (2, 2)


def test_what_the_truth_leaves_out_is_not_scored() -> None:
    assert not {"/due_date", "/seller/address", "/line_items/*/unit"} & score(TRUTH, RECORD, ROOT).fields.keys()


def test_a_null_of_the_truth_says_that_nothing_is_stated() -> None:
    assert counts(TRUTH, RECORD, "/iban") == (0, 0, 0)
    assert counts(TRUTH, {**RECORD, "iban": "DE1"}, "/iban") == (0, 1, 0)
    assert counts({**TRUTH, "seller": None}, RECORD, "/seller/address") == (0, 1, 0)
    assert counts({**TRUTH, "line_items": []}, RECORD, "/line_items/*/unit") == (0, 2, 0)
    assert not score({**TRUTH, "line_items": None}, RECORD, ROOT).is_perfect


def test_a_missing_item_and_one_too_many_are_told() -> None:
    less = {**RECORD, "line_items": RECORD["line_items"][:1]}
    assert counts(TRUTH, less, "/line_items/*/amount") == (2, 1, 1)
    more = {**RECORD, "line_items": [*RECORD["line_items"], {"description": "Total", "amount": 119}]}
    assert counts(TRUTH, more, "/line_items/*/amount") == (2, 3, 2)
    assert [(each.pointer, each.found) for each in score(TRUTH, more, ROOT).wrong] == [
        ("/line_items/+2/description", "Total"),
        ("/line_items/+2/amount", 119),
    ]


def test_a_wrong_value_is_told_where_the_truth_has_it_and_marked_where_the_record_has_it() -> None:
    record = copy.deepcopy(RECORD)
    record["line_items"][0]["amount"] = Decimal(44)
    scored = score(TRUTH, record, ROOT)
    assert [(each.pointer, each.expected, each.found) for each in scored.wrong] == [("/line_items/1/amount", 40, 44)]
    assert scored.right_at["/line_items/0/amount"] is False
    assert scored.right_at["/line_items/0/description"] is True
    assert scored.right_at["/line_items/1/amount"] is True


def test_values_in_a_list_are_a_set_with_repeats() -> None:
    root = Field("", "object", fields=(Field("party", "list", item=Field("", "string")),))
    scored = score({"party": ["A", "A", "B"]}, {"party": ["b", "A", "C"]}, root)
    found = scored.fields["/party/*"]
    assert (found.stated, found.found, found.right) == (3, 3, 2)
    assert scored.right_at == {"/party/0": True, "/party/1": True, "/party/2": False}


def test_lists_in_items_are_scored_within_their_item() -> None:
    inner = Field("sizes", "list", item=Field("", "object", fields=(Field("width", "integer"),)))
    item = Field("", "object", fields=(Field("name", "string"), inner))
    root = Field("", "object", fields=(Field("parts", "list", item=item),))
    truth = {"parts": [{"name": "a", "sizes": [{"width": 1}, {"width": 2}]}, {"name": "b", "sizes": []}]}
    record = {"parts": [{"name": "b", "sizes": [{"width": 3}]}, {"name": "a", "sizes": [{"width": 2}]}]}
    found = score(truth, record, root).fields["/parts/*/sizes/*/width"]
    assert (found.stated, found.found, found.right) == (2, 2, 1)


RECORDS = st.fixed_dictionaries(
    {
        "number": st.none() | st.text(max_size=4),
        "gross_total": st.none() | st.decimals(-(10**6), 10**6, places=2),
        "line_items": st.lists(
            st.fixed_dictionaries(
                {
                    "description": st.none() | st.sampled_from(["a", "b", "c"]),
                    "amount": st.none() | st.integers(0, 3).map(Decimal),
                }
            ),
            max_size=5,
        ),
    }
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_every_record_is_right_against_itself_whatever_the_order_of_its_items(
    record: dict, dice: random.Random
) -> None:
    shuffled = {**record, "line_items": dice.sample(record["line_items"], len(record["line_items"]))}
    scored = score(record, shuffled, ROOT)
    assert scored.is_perfect, scored.wrong
    assert scored.total.stated == scored.total.found == scored.total.right


@given(RECORDS, RECORDS)
def test_nothing_is_lost_from_the_counts(truth: dict, record: dict) -> None:
    scored = score(truth, record, ROOT)
    amounts = scored.fields.get("/line_items/*/amount")
    if truth["line_items"]:
        assert amounts.stated == sum(each["amount"] is not None for each in truth["line_items"])
        assert amounts.found == sum(each["amount"] is not None for each in record["line_items"])
    assert scored.total.right <= min(scored.total.stated, scored.total.found)
    assert scored.is_perfect == (scored.total.right == scored.total.stated == scored.total.found)
