"""Corrections as labels: of the places that people spoke of, what the machine had right."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from extractors.corrections.correct import corrected, correction_of
from extractors.corrections.labels_of_corrections import confirmed
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Correction, Record

INVOICE = DOCUMENT_TYPES["invoice"]
ROWS = [{"description": name, "quantity": None, "unit": None, "unit_price": None, "amount": Decimal(amount),
         "tax_rate": None} for name, amount in (("Lamp", 60), ("Cable", 40), ("Total", 100))]  # fmt: skip
READ = {"number": "A-1", "gross_total": Decimal(119), "iban": None, "line_items": ROWS}


def counts(*said: Correction) -> dict[str, tuple[int, int, int]]:
    fields = confirmed(READ, said, INVOICE.root).fields
    return {path: (each.stated, each.found, each.right) for path, each in fields.items()}


def test_only_what_people_spoke_of_is_scored() -> None:
    assert counts(Correction("/gross_total", "119", "120"), Correction("/number", "A-1", "A-1")) == {
        "/gross_total": (1, 1, 0),
        "/number": (1, 1, 1),
    }


def test_a_value_that_is_not_stated_was_found_too_much_and_one_that_was_missed_is_stated() -> None:
    assert counts(Correction("/number", "A-1", None))["/number"] == (0, 1, 0)
    assert counts(Correction("/iban", None, "DE1"))["/iban"] == (1, 0, 0)


def test_of_several_corrections_of_one_place_the_first_tells_what_was_read_and_the_last_what_is_right() -> None:
    twice = [Correction("/gross_total", "119", "120"), Correction("/gross_total", "120", "119.00")]
    assert counts(*twice)["/gross_total"] == (1, 1, 1)


def test_an_item_that_was_taken_out_was_found_too_much_whatever_was_said_of_it_before() -> None:
    out = Correction("/line_items/2", json.dumps({"description": "Total", "amount": 101}), None)
    before = Correction("/line_items/2/amount", "100", "101")
    assert counts(before, out) == {
        **dict.fromkeys(("/line_items/*/description", "/line_items/*/amount"), (0, 1, 0)),
        **dict.fromkeys(
            [f"/line_items/*/{name}" for name in ("quantity", "unit", "unit_price", "tax_rate")], (0, 0, 0)
        ),
    }


def test_items_behind_one_that_was_taken_out_are_told_from_it() -> None:
    out = Correction("/line_items/0", json.dumps({"description": "Lamp", "amount": 60}), None)
    after = Correction("/line_items/0/amount", "40", "44")
    again = Correction("/line_items/0/amount", "44", "40")
    found = counts(Correction("/line_items/1/amount", "40", "41"), out, after, again)
    assert found["/line_items/*/amount"] == (1, 2, 1)  # the lamp's too much; the cable's is right in the end


def test_an_item_that_was_added_was_missed_also_when_it_is_corrected_afterwards() -> None:
    added = Correction("/line_items/-", None, json.dumps({"description": "Fuse", "amount": 5}))
    found = counts(added, Correction("/line_items/3/amount", "5", "6"))
    assert found["/line_items/*/amount"] == (1, 0, 0)
    assert found["/line_items/*/description"] == (1, 0, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "out", "add", "confirm"]), st.integers(0, 5), st.integers(1, 9)), max_size=8
    )
)
def test_what_is_said_of_a_list_never_counts_more_than_it_holds(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is said in whatever order: found is at most what was read, and a record left as it was is right."""
    record = Record(READ, (), (), "ok", needs_review=False, first_page=1, last_page=1, item_pages={})
    said: list[Correction] = []
    for what, place, amount in steps:
        rows = record.value["line_items"]
        if what == "add":
            made = correction_of(record, "/line_items/-", json.dumps({"description": "x", "amount": amount}), INVOICE)
        elif place >= len(rows):
            continue
        elif what == "out":
            made = correction_of(record, f"/line_items/{place}", None, INVOICE)
        else:
            value = str(amount) if what == "set" else str(rows[place]["amount"])
            made = correction_of(record, f"/line_items/{place}/amount", value, INVOICE)
        record = corrected(record, made, INVOICE)
        said.append(made)
    found = confirmed(READ, said, INVOICE.root).fields.get("/line_items/*/amount")
    if found is not None:
        assert found.found <= len(ROWS)
        assert found.right <= min(found.stated, found.found)
    if all(what == "confirm" for what, _, _ in steps) and found is not None:
        assert found.right == found.stated == found.found
