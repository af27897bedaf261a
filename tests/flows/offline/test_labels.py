from flows.offline.labels import ASKEW, CROWDED, Labels, pairs
from flows.offline.layout import TextPage, text_rows


def found(text: str, concept: str, labels: Labels | None = None) -> list[tuple[str, int]]:
    lines = text_rows([TextPage(1, text)])
    return [(pair.text, pair.far) for pair in pairs(lines, labels or Labels({})) if pair.meaning.concept == concept]


def test_several_pairs_in_one_cell() -> None:
    text = "Bank: Aire Bank IBAN: GB1 BIC: X"
    assert found(text, "iban") == [("GB1", 0)]
    assert found(text, "bic") == [("X", 0)]


def test_the_longest_label_counts() -> None:
    assert found("Customer VAT number DE1", "buyer_tax_id") == [("DE1", 0)]
    assert found("Customer VAT number DE1", "seller_tax_id") == []


def test_beside_and_below() -> None:
    assert ("7", 1) in found("| Invoice no. |  | 7 |", "invoice_number")
    assert ("7", 2) in found("Invoice no.\n7", "invoice_number")
    assert ("7", 2) in found("| Invoice no. | Date |\n| 7 | 8 |", "invoice_number")
    assert ("1 May 2026", ASKEW) in found("Text   Due date   Sum\n1 May 2026", "due_date")


def test_a_label_is_no_value_of_its_neighbour() -> None:
    assert ("Due date", 1) not in found("| Invoice no. | Due date |", "invoice_number")


def test_several_numbers_beside_a_label_are_said_to_be_several() -> None:
    assert ("129,37", CROWDED) in found("| Umsatzsteuer | 7% | 129,37 | 9,06 |", "tax_total")


def test_a_rate_may_stand_between() -> None:
    assert ("9.00", 1) in found("VAT 10%   9.00", "tax_total")
    assert ("21,30", 1) in found("Steuerbetrag in   EUR   21,30", "tax_total")


def test_labels_of_the_request_are_known_too() -> None:
    assert found("Permit holder: Jo", "holder", Labels({"holder": ["permit holder"]})) == [("Jo", 0)]
