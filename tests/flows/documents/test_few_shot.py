"""PAGEMILL_EXAMPLES: corrected documents are shown to the model before others are asked for."""

import json
import shutil
from pathlib import Path

import pytest

from extractors.prompt.few_shot import upper_bound
from extractors.tokens import count_messages
from flows.documents.recipe import make_recipe
from flows.settings import load_settings
from flows.type_loader import load_type
from tests.conftest import SAMPLES, Finished

INVOICES = SAMPLES / "invoices"


@pytest.fixture(scope="module")
def examples(samples_out: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from flows.evaluation.fine_tuning import write_fine_tuning
    from flows.storage.open import read_dataset

    target = tmp_path_factory.mktemp("examples") / "lines.jsonl"
    write_fine_tuning(
        read_dataset(samples_out["invoices"]), load_type("invoice"), load_settings(), target, 0, all_ok=True
    )
    return target


def test_a_document_is_asked_for_after_examples_and_never_after_its_own(pagemill, examples: Path) -> None:
    users = [json.loads(line)["messages"][1] for line in examples.read_text().splitlines()]
    settings = {"PAGEMILL_EXAMPLES": str(examples), "PAGEMILL_EXAMPLES_COUNT": "2"}
    for name, count in (("nordlicht", 1), ("calder_point", 2)):  # one request, and two
        document = INVOICES / f"{name}.pdf"
        bare = pagemill("show", document, "--type", "invoice", "--json").json["requests"]
        taught = pagemill("show", document, "--type", "invoice", "--json", **settings).json["requests"]
        assert len(bare) == len(taught) == count
        own = [each["messages"][-1] for each in bare]
        assert all(each in users for each in own)  # there are examples of it, for others
        for before, after in zip(bare, taught, strict=True):
            messages = after["messages"]
            assert [each["role"] for each in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
            assert [messages[0], messages[-1]] == before["messages"]
            assert not [each for each in messages[:-1] if each in own]
            assert after["prompt_tokens"] == count_messages(messages)


def test_the_embedded_model_reads_the_document_and_not_the_examples(extract, examples: Path, tmp_path: Path) -> None:
    from flows.review.records import read_records
    from flows.storage.open import read_dataset

    archive = tmp_path / "archive"
    archive.mkdir()
    shutil.copy(INVOICES / "harrow_finch.pdf", archive)
    extract(archive, tmp_path / "bare")
    extract(archive, tmp_path / "taught", examples=examples)
    kind = load_type("invoice")
    (bare,), (taught,) = (list(read_records(read_dataset(tmp_path / name), kind)) for name in ("bare", "taught"))
    assert taught.value == bare.value
    assert taught.document["recipe_id"] != bare.document["recipe_id"]
    assert taught.document["prompt_tokens"] > bare.document["prompt_tokens"]


def test_the_recipe_is_another_with_other_examples_and_the_same_without(examples: Path, tmp_path: Path) -> None:
    kind = load_type("invoice")
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(examples.read_text().splitlines()[1:]))
    same = tmp_path / "same.jsonl"
    shutil.copy(examples, same)

    def recipe_id(**options: object) -> str:
        return make_recipe(kind, load_settings(**options)).recipe_id

    assert recipe_id(examples=examples) == recipe_id(examples=same)
    assert len({recipe_id(), recipe_id(examples=examples), recipe_id(examples=other),
                recipe_id(examples=examples, examples_count=1)}) == 4  # fmt: skip
    assert recipe_id(examples_count=7) == recipe_id()


@pytest.mark.whole_machine
def test_pages_are_packed_into_what_the_examples_leave_of_the_window(pagemill, examples: Path) -> None:
    kind = load_type("invoice")
    taken = upper_bound(make_recipe(kind, load_settings(examples=examples)).examples, 3)[0]
    invoice = INVOICES / "calder_point.pdf"

    def shown(window: int, **settings: str) -> Finished:
        limits = {"PAGEMILL_WINDOW": str(window), "PAGEMILL_MAX_OUTPUT": "1000"}
        return pagemill("show", invoice, "--type", "invoice", "--json", **limits, **settings)

    taught = shown(taken + 4_000, PAGEMILL_EXAMPLES=str(examples))
    assert taught.code == 0, taught.err
    requests = taught.json["requests"]
    assert all(each["prompt_tokens"] + each["max_tokens"] <= taken + 4_000 for each in requests)
    assert all(each["max_tokens"] == 1_000 for each in requests)  # the answer keeps its room
    assert [each["messages"][-1] for each in requests] == [
        each["messages"][-1] for each in shown(4_000).json["requests"]
    ]
    small = shown(taken, PAGEMILL_EXAMPLES=str(examples))
    assert small.code == 2
    assert "fewer examples" in small.err


def test_a_file_that_cannot_serve_is_refused_before_anything_starts(pagemill, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"messages": "none"}')
    for path, said in ((bad, "line 1: invalid example"), (tmp_path / "no.jsonl", "No such file")):
        done = pagemill("show", INVOICES / "nordlicht.pdf", "--type", "invoice", PAGEMILL_EXAMPLES=str(path))
        assert done.code == 2
        assert f"PAGEMILL_EXAMPLES: {'' if path is bad else path}" in done.err
        assert said in done.err
