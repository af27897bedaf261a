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


URL, KEY, EVIL = "PAGEMILL_BASE_URL", "PAGEMILL_API_KEY", "https://elsewhere.example/v1"


@pytest.mark.parametrize("key", [KEY, "OPENROUTER_API_KEY", KEY.lower()])
@pytest.mark.parametrize("name", [URL, URL.lower(), f"export {URL}"])
def test_a_key_of_the_environment_never_goes_to_a_url_of_a_file(
    key: str, name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text(f"{name}=http://evil.openrouter.ai/v1\n")
    monkeypatch.setenv(key, "canary")
    with pytest.raises(
        ConfigurationError, match=r"PAGEMILL_BASE_URL \(evil\.openrouter\.ai\) in \.env: .*; set both"
    ) as caught:
        load_settings()
    assert "canary" not in str(caught.value)


def test_a_key_of_a_file_never_goes_to_a_url_of_the_environment(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text(f"{KEY}=theirs\n")
    monkeypatch.setenv(URL, EVIL)
    with pytest.raises(ConfigurationError, match=r"PAGEMILL_API_KEY stands in \.env"):
        load_settings()


def test_key_and_url_of_one_source_go_together(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / ".env").write_text(f"{KEY}=theirs\n")
    assert load_settings().key is not None  # the URL is the default
    (elsewhere / ".env").write_text(f"{KEY}=theirs\n{URL}={EVIL}\n")
    assert load_settings().base_url == EVIL
    monkeypatch.setenv("OPENROUTER_API_KEY", "ours")  # for OpenRouter alone, whatever the file says
    assert load_settings().key.get_secret_value() == "theirs"
    monkeypatch.setenv(URL, "http://localhost:1/v1")
    monkeypatch.setenv(KEY, "ours")
    assert load_settings().key.get_secret_value() == "ours"


@pytest.mark.parametrize("name", [URL, KEY, "PAGEMILL_WEBHOOK", "PAGEMILL_MODEL", "PAGEMILL_EXAMPLES"])
def test_a_file_cannot_carry_a_secret_of_the_environment_away(
    name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    for value in ("https://elsewhere.example/${AWS_SECRET_ACCESS_KEY}", '"${AWS_SECRET_ACCESS_KEY:-x}"'):
        (elsewhere / ".env").write_text(f"{name}={value}\n")
        with pytest.raises(ConfigurationError, match=name) as caught:
            load_settings()
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["DASK_ADDRESS", "CACHE_DIR"])
def test_places_that_code_comes_from_are_not_named_by_a_file(
    name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGEMILL_CACHE_DIR")
    (elsewhere / ".env").write_text(f"PAGEMILL_{name}={elsewhere}/made\n")
    with pytest.raises(ConfigurationError, match=rf"PAGEMILL_{name}.*; set it in the environment"):
        load_settings()
    assert not (elsewhere / "made").exists()


def test_the_names_that_the_file_sets_are_said_once_and_no_value(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / ".env").write_text(
        f"{KEY}=canary\nPAGEMILL_MODEL=m1\nPAGEMILL_RPM=7\nTYPE=invoice\nPREFECT_API_URL=u\n"
    )
    monkeypatch.setenv("PAGEMILL_RPM", "9")
    load_settings()
    load_settings()
    assert capsys.readouterr().err == (
        ".env of this folder sets PAGEMILL_API_KEY, PAGEMILL_MODEL\n"
        ".env: PREFECT_API_URL is not read from a file; set it in the environment\n"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe", b"PAGEMILL_MODEL\n=x\n", b'PAGEMILL_MODEL="open\n', b"=\n"])
def test_a_file_that_is_no_list_of_names_is_told(
    content: bytes, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / ".env").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"\.env.*; mend"):
        load_settings()
    assert capsys.readouterr().err == ""


def test_a_misspelled_variable_is_told_with_the_nearest_name(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGEMILL_CONCURENCY", "3")
    monkeypatch.setenv("PAGEMILL_TEST_KILLS", "3")
    load_settings()
    said = capsys.readouterr().err
    assert said.startswith("PAGEMILL_CONCURENCY is no setting: did you mean PAGEMILL_CONCURRENCY?")
    assert "TEST" not in said
    (elsewhere / ".env").write_text("PAGEMILL_MODLE=m\n")
    with pytest.raises(ConfigurationError, match=r"\.env: PAGEMILL_MODLE is no setting: did you mean PAGEMILL_MODEL"):
        load_settings()
