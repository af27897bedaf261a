"""Wrong commands, settings, files and schemas: each ends with its exit code and a message that names the culprit and the remedy.

The table of all messages is written to build/messages.txt.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import main
from tests.conftest import ROOT

MESSAGES = ROOT / "build" / "messages.txt"
TYPE, OUT = ("--type", "invoice"), ("--out", "out")
RUN = ("run", "in", *TYPE, *OUT)

SETTINGS = {
    "BASE_URL": ["", "localhost:8000", "ftp://h/v1", "http://", "http://[::1", "http://h:99999/v1", "http://h:0/v1"],
    "API_KEY": ["two words", "schl\u00fcssel", "a\tb"],
    "MODEL": ["", "x" * 301],
    "FALLBACK_MODELS": ['["a"]', '"a"'],
    "PROVIDER": ["{", "[]", "x", '{"place": 1}'],
    **{
        key: ["0", "-1", "x", "1.5"]
        for key in ("WINDOW", "MAX_OUTPUT", "IMAGES_PER_REQUEST", "RPM", "TPM", "CONCURRENCY")
    },
    **{key: ["0", "-1", "x"] for key in ("SHARD_SIZE", "SHARD_BYTES", "WORKERS", "EXAMPLES_COUNT", "DASK_WORKERS")},
    **{key: ["-1", "x"] for key in ("PATIENCE", "BACKOFF", "REQUEST_TIMEOUT", "GRACE", "KEEP")},
    **{key: ["-1", "nan", "inf", "x"] for key in ("PRICE_IN", "PRICE_OUT")},
    **{key: ["-1", "2", "x"] for key in ("TELL_FAILED", "TELL_PARTIAL")},
    **{key: ["maybe", "2"] for key in ("REPORT", "OCR", "FOLLOW_LINKS")},
    **{key: ["some", ""] for key in ("IMAGES", "ATTACHMENTS", "SETTLE", "RUNNER")},
    **{key: ["0", "x"] for key in ("FIELDS_PER_REQUEST", "CHUNK_TOKENS", "SPLIT_SECONDS", "SPLIT_MEMORY")},
    "CACHE_DIR": ["/dev/null/x"],
}
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "no such command": (("rnu",), "rnu"),
    "no such option": ((*RUN, "--modle", "x"), "--modle"),
    "no source": (("run", *TYPE, *OUT), "SOURCE"),
    "no type": (("run", "in", *OUT), "--type"),
    "no out": (("run", "in", *TYPE), "--out"),
    "no such type": (("run", "in", "--type", "invoce", *OUT), "did you mean invoice?"),
    "no such source": (("run", "nowhere", *TYPE, *OUT), "nowhere"),
    "no such glob": (("run", "*.xyz", *TYPE, *OUT), "xyz"),
    "no such list": (("run", "@nowhere.txt", *TYPE, *OUT), "nowhere.txt"),
    "an address of the web": (("run", "https://h/x.pdf", *TYPE, *OUT), "https://h/x.pdf"),
    "a range the wrong way round": (("run", "in/[z-a].pdf", *TYPE, *OUT), "[z-a]"),
    "a budget below nothing": ((*RUN, "--budget", "-1"), "--budget"),
    "a limit of words": ((*RUN, "--limit", "x"), "--limit"),
    "a day of no month": ((*RUN, "--since", "2026-13-01"), "--since"),
    "a part of none": ((*RUN, "--part", "3/2"), "3/2"),
    "a time of no day": ((*RUN, "--until", "25:00"), "--until"),
    "an order of none": ((*RUN, "--order", "random"), "--order"),
    "a model of no name": ((*RUN, "--model", ""), "model"),
    "pictures of no kind": ((*RUN, "--images", "some"), "--images"),
    "no such schema": (("run", "in", "--type", "nowhere.json", *OUT), "nowhere.json"),
    "no such class": (("run", "in", "--type", "nowhere.py:X", *OUT), "nowhere.py"),
    "a schema of no JSON": (("types", "check", "broken.json"), "broken.json"),
    "a schema of no object": (("types", "check", "list.json"), "list.json"),
    "status of no dataset": (("status", "nowhere"), "nowhere"),
    "status of a folder": (("status", "in"), "in"),
    "forget without a name": (("forget", "in"), "DOCUMENT"),
    "forget of no dataset": (("forget", "nowhere", "x"), "nowhere"),
    "retry of no dataset": (("retry", "nowhere"), "nowhere"),
    "refresh of no dataset": (("refresh", "nowhere", "--all"), "nowhere"),
    "why of no dataset": (("why", "nowhere", "x", "/a"), "nowhere"),
    "correct of no dataset": (("correct", "nowhere", "x", "/a", "1"), "nowhere"),
    "correct without a value": (("correct", "nowhere", "x", "/a"), "VALUE"),
    "review of no dataset": (("review", "nowhere"), "nowhere"),
    "a port of none": (("review", "nowhere", "--port", "99999"), "--port"),
    "evaluate of no dataset": (("evaluate", "nowhere", "truth.jsonl"), "nowhere"),
    "show of no document": (("show", "nowhere.pdf", *TYPE), "nowhere.pdf"),
    "try of no document": (("try", "nowhere.pdf", *TYPE), "nowhere.pdf"),
    "estimate of nothing": (("estimate", "nowhere"), "nowhere"),
    "a schedule of no clock": (("serve", "in", *TYPE, *OUT, "--cron", "always"), "always"),
    "infer of nothing": (("types", "infer", "nowhere.json"), "nowhere.json"),
}
CASES = [
    *(
        (f"PAGEMILL_{name}={value[:20]}", RUN, f"PAGEMILL_{name}", value)
        for name, all_ in SETTINGS.items()
        for value in all_
    ),
    *((name, words, culprit, None) for name, (words, culprit) in COMMANDS.items()),
]


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    MESSAGES.parent.mkdir(exist_ok=True)
    MESSAGES.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAGEMILL_MODEL", "offline")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Invoice")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text(json.dumps([]))
    return tmp_path


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 130


@pytest.mark.parametrize(("name", "words", "culprit", "value"), CASES, ids=[case[0] for case in CASES])
def test_a_wrong_input_is_named_with_its_remedy(
    name: str, words: tuple[str, ...], culprit: str, value: str | None, place: Path, table: list[str],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if value is not None:
        monkeypatch.setenv(culprit, value)
    code = main(list(words))
    said = capsys.readouterr().err
    table.append(f"{name}\t{code}\t{' '.join(said.split())}")
    assert code == (1 if "of no document" in name else 2), said
    assert "Traceback" not in said
    assert culprit in said, said
    assert re.search(r"[;:] \S", said) or "Try " in said, said
    assert "/tmp/pagemill-" not in said
    assert said.startswith("Usage:") or "Input should" not in said, said
    assert not (place / "out").exists()
