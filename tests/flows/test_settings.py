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
