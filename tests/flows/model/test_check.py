"""`pagemill check` against endpoints that are well, odd or wrong: each line green or with its remedy, for less than a cent."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.model.check import MOST_NUSD, Checked, check
from flows.settings import load_settings
from schemas.errors import ConfigurationError
from tests.support.answering import Reply
from tests.support.fault_server import started
from tests.support.scripted import answer, error, scripted

SEES = answer('{"colour": "red"}')


def statuses(checked: Checked) -> dict[str, str]:
    return {finding.name: finding.status for finding in checked.findings}


def checked(*replies: Reply, **settings: object) -> tuple[Checked, list[dict]]:
    with scripted(replies) as server:
        return check(load_settings(base_url=server.url, **settings)), server.asked


def test_a_good_endpoint_is_green_after_one_call_of_less_than_a_cent() -> None:
    found, asked = checked(SEES)
    assert found.is_ok
    assert statuses(found) | {"models": "warning"} == {
        "key": "ok", "models": "warning", "window": "ok", "price": "ok", "answer": "ok", "pictures": "ok", "schema": "ok",
    }  # fmt: skip
    assert len(asked) == 1
    assert 0 < found.cost_usd < MOST_NUSD / 1e9
    assert [part["type"] for part in asked[0]["messages"][1]["content"]] == ["text", "image_url"]


def test_a_model_that_is_listed_is_said_to_be_with_its_window(tmp_path: Path, pagemill: Callable) -> None:
    with started(tmp_path / "log") as server:
        done = pagemill("check", "--json", **server.environment)
        other = pagemill("check", "--model", "mistralai/other", **server.environment)
        asked = len(server.entries("asked"))
    assert done.code == 0
    assert done.json["ok"] is True
    found = {each["name"]: each for each in done.json["findings"]}
    assert found["model"]["status"] == "ok"
    assert "128,000" in found["window"]["text"]
    assert asked == 2
    assert "listed are mistralai/mistral-small-3.1-24b-instruct" in other.out
    assert "PAGEMILL_PRICE_IN" in other.out


@pytest.mark.parametrize(
    ("replies", "name", "status", "words"),
    [
        ((answer("red"),), "schema", "warning", "does not enforce"),
        ((answer('{"colour": "blue"}'),), "pictures", "warning", "did not name the colour"),
        (
            (error(400, "response_format is not supported"), *[error(400, "no")] * 1, SEES),
            "schema",
            "warning",
            "no JSON Schema",
        ),
        ((error(500, "image input is not supported"), SEES), "pictures", "fault", "takes no pictures"),
        ((error(401, "Incorrect API key"),), "access", "fault", "PAGEMILL_API_KEY"),
        ((error(402, "no credits"),), "access", "fault", "credit"),
        ((error(429, "slow down"),), "busy", "fault", "wait"),
        ((Reply(b"<html>"),), "answer", "fault", "PAGEMILL_BASE_URL"),
    ],
)
def test_what_is_not_well_is_named_with_its_remedy(
    replies: tuple[Reply, ...], name: str, status: str, words: str
) -> None:
    found, _ = checked(*replies)
    (finding,) = [each for each in found.findings if each.name == name]
    assert finding.status == status
    assert words in f"{finding.text} {finding.remedy}"
    assert found.is_ok == (status != "fault")
    assert found.is_refused == (name == "access")


def test_no_call_is_made_that_may_cost_more_than_a_cent() -> None:
    found, asked = checked(SEES, price_in=1_000.0, price_out=1_000.0)
    assert asked == []
    assert not found.is_ok


def test_a_refused_key_is_exit_2_and_a_missing_one_too(tmp_path: Path, pagemill: Callable) -> None:
    with started(tmp_path / "log", "--key", "another") as server:
        assert pagemill("check", **server.environment).code == 2
    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY"):
        check(load_settings())


def test_the_embedded_model_is_checked_too(pagemill: Callable) -> None:
    done = pagemill("check", "--model", "offline", "--json")
    assert done.code == 0
    assert json.loads(done.out)["cost_usd"] == 0
