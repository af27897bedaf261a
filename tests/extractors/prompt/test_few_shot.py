"""Examples before a request: which, how many, and what they cost."""

import json

import pytest

from extractors.prompt.few_shot import MOST_KEPT, page_keys, read_examples, turns, upper_bound
from extractors.prompt.prompt import page_content, prompt, task_text
from extractors.tokens import count_messages
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from schemas.step_data import Chunk, Decoding, Image, Page

INVOICE = DOCUMENT_TYPES["invoice"]
TASK = task_text(INVOICE)
DECODING = Decoding("model", 128_000, 8_192)
PICTURE = Image(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\x1c\0\0\0\x1c" + b"\0" * 8, "image/png", 28, 28)


def page(number: int, text: str, *, is_seen: bool = False) -> Page:
    return Page(number, 595, 842, text, (), "image" if is_seen else "text", "", PICTURE if is_seen else None)


def line(*pages: Page, answer: str = '{"number": null}', kind: str = "invoice") -> str:
    request = prompt(Chunk(0, 0, pages, (0,) * len(pages)), DOCUMENT_TYPES[kind], DECODING)
    return json.dumps({"messages": [*request.messages, {"role": "assistant", "content": answer}]})


def test_the_first_examples_of_other_documents_are_shown_with_their_answers() -> None:
    examples = read_examples([line(page(1, f"Invoice {name}"), answer=name) for name in "ABCD"], [TASK])
    own = page_keys(page_content(page(7, "Invoice B")))  # the same page, wherever it stands
    shown = turns(examples, TASK, own, 2, has_images=False)
    assert [each["role"] for each in shown] == ["user", "assistant"] * 2
    assert [each["content"] for each in shown[1::2]] == ["A", "C"]


def test_one_page_in_common_makes_it_the_documents_own_and_an_empty_one_does_not() -> None:
    (example,) = read_examples([line(page(1, "Invoice A"), page(2, ""), page(3, "Terms"))], [TASK])
    assert not turns([example], TASK, page_keys(page_content(page(1, "Terms"))), 3, has_images=False)
    assert turns([example], TASK, page_keys(page_content(page(1, ""))), 3, has_images=False)


def test_an_example_with_pictures_stands_only_before_a_request_with_some() -> None:
    examples = read_examples(
        [line(page(1, "", is_seen=True), answer="seen"), line(page(1, "x"), answer="read")], [TASK]
    )
    assert [each["content"] for each in turns(examples, TASK, frozenset(), 3, has_images=False)[1::2]] == ["read"]
    assert [each["content"] for each in turns(examples, TASK, frozenset(), 3, has_images=True)[1::2]] == [
        "seen",
        "read",
    ]
    assert page_keys(page_content(page(4, "", is_seen=True))) == examples[0].pages


def test_what_examples_cost_is_what_a_request_grows_by() -> None:
    examples = read_examples([line(page(1, "word " * size, is_seen=size == 9)) for size in (5, 9, 7)], [TASK])
    chunk = Chunk(0, 0, (page(1, "Invoice Z", is_seen=True),), (0,))
    shown = turns(examples, TASK, frozenset(), 3, has_images=True)
    grown = prompt(chunk, INVOICE, DECODING, examples=shown)
    bare = prompt(chunk, INVOICE, DECODING)
    tokens, images, sent_bytes = upper_bound(examples, 3)
    assert grown.prompt_tokens == count_messages(grown.messages)
    assert grown.request_id != bare.request_id
    assert 0 <= tokens - (grown.prompt_tokens - bare.prompt_tokens) <= 3  # each example's own start is counted with it
    assert images == 1
    assert sent_bytes == len(page_content(page(1, "", is_seen=True))[1]["image_url"]["url"])
    assert upper_bound(examples, 1)[0] < tokens
    assert upper_bound((), 3) == (0, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        '{"messages": []}',
        '{"messages": [{"role": "user", "content": 7}, {"role": "assistant", "content": "x"}]}',
    ],
)
def test_a_line_that_is_no_example_is_refused_with_its_number(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="line 2: invalid example"):
        read_examples([line(page(1, "A")), bad], [TASK])


def test_a_line_that_asks_for_something_else_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="line 1: its request differs"):
        read_examples([line(page(1, "A"), kind="report")], [TASK])


def test_of_a_long_file_a_bounded_number_is_kept() -> None:
    assert len(read_examples([line(page(1, str(at))) for at in range(MOST_KEPT + 5)], [TASK])) == MOST_KEPT
