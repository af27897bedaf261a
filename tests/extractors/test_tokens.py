"""Token counts, against the tokenizer's own library."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.tokens import count_image, count_messages, count_text, image_size
from tests.support.examples import examples


@pytest.fixture(scope="module")
def mistral():
    """mistral-common's own tokenizer over the same file; its import warns, which is its own business."""
    import warnings
    from pathlib import Path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mistral_common
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        path = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
        return Tekkenizer.from_file(str(path))


def test_text_counts_as_the_models_own_tokenizer_counts(mistral) -> None:
    @settings(max_examples=examples(200), deadline=None)
    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
    def check(text: str) -> None:
        assert count_text(text) == len(mistral.encode(text, bos=False, eos=False))

    check()


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((1240, 1754), 2200), ((827, 1169), 1302), ((1, 1), 2), ((1540, 1540), 3080), ((10_000, 10), 56)],
)
def test_images_cost_what_was_measured(size: tuple[int, int], tokens: int) -> None:
    assert count_image(*size) == tokens


def test_messages_count_frame_text_and_images() -> None:
    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    assert image_size(png) == (1, 1)
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    content = [
        {"type": "text", "text": "Hello"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "World"},
    ]
    messages = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": content}]
    assert count_messages(messages) == 5 + count_text("Be brief") + count_text("Hello") + 2 + count_text("World")
    assert count_messages([{"role": "user", "content": "Hello"}]) == 3 + count_text("Hello")


def test_turns_count_as_the_models_own_tokenizer_lays_them_out() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pathlib import Path

        import mistral_common
        from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
        from mistral_common.protocol.instruct.request import ChatCompletionRequest
        from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

        path = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
        texts = ["Be brief", "Invoice number: 7", '{"number": "7"}', "Invoice number: 8"]
        kinds = [SystemMessage, UserMessage, AssistantMessage, UserMessage]
        turns = [kind(content=text) for kind, text in zip(kinds, texts, strict=True)]
        tokens = (
            MistralTokenizer.from_file(str(path)).encode_chat_completion(ChatCompletionRequest(messages=turns)).tokens
        )
    roles = ["system", "user", "assistant", "user"]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    assert count_messages(messages) - len(tokens) in {
        0,
        1,
    }  # the file's own version lays the system's part out otherwise


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        image_size(b"GIF89a")
