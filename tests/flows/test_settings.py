"""Settings: flags over variables over .env, keys kept to themselves."""

from pathlib import Path

import pytest

from flows.settings import load_settings, require_model
from schemas.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_flag_wins_over_a_variable_over_the_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / ".env").write_text("PAGEMILL_MODEL=from-file\nPAGEMILL_CONCURRENCY=3\n")
    assert load_settings().model == "from-file"
    monkeypatch.setenv("PAGEMILL_MODEL", "from-variable")
    assert load_settings().model == "from-variable"
    assert load_settings(model="from-flag", images=None).model == "from-flag"
    assert load_settings().concurrency == 3


def test_the_openrouter_key_is_for_openrouter_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "canary")
    assert load_settings().key.get_secret_value() == "canary"
    monkeypatch.setenv("PAGEMILL_BASE_URL", "http://localhost:8000/v1")
    assert load_settings().key is None
    assert "canary" not in repr(load_settings())


def test_a_key_is_required_on_openrouter_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="--model offline"):
        require_model(load_settings())
    require_model(load_settings(model="offline"))
    monkeypatch.setenv("PAGEMILL_BASE_URL", "http://openrouter.ai.example.org/v1")
    require_model(load_settings())


@pytest.mark.parametrize(
    ("name", "value"), [("CONCURRENCY", "0"), ("CONCURRENCY", "many"), ("IMAGES", "some"), ("PRICE_IN", "-1")]
)
def test_a_wrong_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PAGEMILL_{name}", value)
    with pytest.raises(ConfigurationError, match=f"PAGEMILL_{name}"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BASE_URL", "localhost:8000/v1"), ("BASE_URL", "ftp://host/v1"), ("BASE_URL", ""), ("BASE_URL", "http://"), ("BASE_URL", "http://[::1"),
        ("BASE_URL", "http://host:99999/v1"), ("API_KEY", "a\nb"), ("API_KEY", "schl\u00fcssel"), ("API_KEY", "two words"), ("PRICE_IN", "inf"),
        ("PRICE_OUT", "nan"), ("PATIENCE", "inf"), ("BACKOFF", "0"), ("REQUEST_TIMEOUT", "inf"), ("MODEL", ""), ("MODEL", "x" * 10_000),
        ("FALLBACK_MODELS", '["a", "b"]'), ("PROVIDER", '{"order": NaN}'), ("PROVIDER", "{"), ("PROVIDER", '{"place": 1}'), ("CACHE_DIR", "/dev/null/x"),
        ("RPM", "0"), ("WINDOW", "12"), ("SETTLE", "coin"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_line_that_names_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PAGEMILL_{variable}", value)
    with pytest.raises(ConfigurationError, match=f"PAGEMILL_{variable}") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_a_key_may_have_a_line_end_behind_it_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_API_KEY", "sk-1\n")
    assert load_settings().key.get_secret_value() == "sk-1"
    monkeypatch.setenv("PAGEMILL_API_KEY", "")
    assert load_settings().key is None
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-2")
    assert load_settings().key.get_secret_value() == "sk-2"
