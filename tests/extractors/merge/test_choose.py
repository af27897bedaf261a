"""The one small request that settles conflicts: what it shows, and what its answer decides."""

import pytest

from extractors.merge.choose import choice_request, choices
from extractors.parse.parse import parse
from schemas.document_types import DOCUMENT_TYPES
from schemas.step_data import Decoding, Evidence, Located

INVOICE = DOCUMENT_TYPES["invoice"]


def located(number: str, page: int) -> Located:
    quote = f"Invoice {number} of"
    evidence = {"/number": Evidence("/number", number, page, (0, 0, 1, 1), quote, "exact")}
    return Located(page - 1, (page,), parse('{"number": "%s"}' % number, INVOICE.root), evidence)


def test_it_shows_each_candidate_once_with_its_words_and_no_page() -> None:
    request = choice_request(
        [located("A-1", 1), located("B-2", 2), located("A-1", 3)], ["/number"], INVOICE, Decoding("m", 128_000, 8_192)
    )
    text = request.messages[1]["content"]
    assert "field1: number (Invoice number)" in text
    assert "1. A-1 on page 1: 'Invoice A-1 of'" in text
    assert "2. B-2 on page 2: 'Invoice B-2 of'" in text
    assert "3." not in text
    assert request.prompt_tokens < 300
    assert request.max_tokens < 100
    assert list(request.schema["properties"]) == ["field1"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"field1": 2, "field2": 1}', {"/a": 1, "/b": 0}),
        ('I choose {"field1": 1}', {"/a": 0}),
        ('{"field1": null}', {}), ('{"field1": "2"}', {}), ('{"field1": true}', {}), ('{"field1": 0}', {}),
        ("", {}), ("[]", {}), ("{", {}), ('{"field9": 1}', {}),
    ],
)  # fmt: skip
def test_its_answer_decides_what_it_names_and_nothing_else(text: str, found: dict[str, int]) -> None:
    assert choices(text, ["/a", "/b"]) == found
