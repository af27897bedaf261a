"""What the documents say is run: shell commands of README and docs, and the Python recipes over real tables."""

import json
import re
import shlex
import shutil
from pathlib import Path

import duckdb
import pytest

from extractors.split.formats import FORMATS
from tests.conftest import ROOT, SAMPLES

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/operations.md",
    "docs/tables.md",
    "docs/contributing.md",
    "docs/answers.md",
    "docs/warehouse.md",
    "docs/corrections.md",
    "docs/review.md",
    "docs/evaluation.md",
    "docs/security.md",
    "SECURITY.md",
]
# What cannot run here, and why.
NOT_RUN = {
    "make run": "run by .ci/run, twice",
    "make test": "this is it",
    "make lint": "part of make test",
    "make test-all": "takes half an hour: run by hand",
    "make test-real": "compiles for minutes: run by hand",
    "prefect gcl create": "needs a Prefect server; tests/flows/model/test_rate_limits.py makes the same limit",
    "prefect worker start": "runs until it is stopped; tests/flows/schedules/test_workers.py starts two",
    "prefect server start": "runs until it is stopped; tests/test_compose.py starts one",
    "prefect deployment run": "needs a server and a worker; tests/flows/schedules/test_workers.py runs it",
    "dask scheduler": "runs until it is stopped; tests/flows/runs/dask/test_cluster.py starts one",
    "dask worker": "runs until it is stopped; tests/flows/runs/dask/test_cluster.py starts one",
    "docker run": "needs Docker: Apprise's API server; tests/flows/runs/test_scheduled.py reads what it would be sent",
    "docker compose": "needs Docker; tests/test_compose.py runs the commands of its services as processes",
    "cp .env.example .env": "for Docker; tests/test_compose.py reads it",
    "cp pagemill.env.example": "likewise",
    "vllm serve": "needs the model's weights",
    **dict.fromkeys(("export OPENROUTER_", "export PAGEMILL_", "export PREFECT_"), "a setting, checked by name below"),
    "pagemill move": "needs an archive that has moved; tests/flows/storage/test_move.py moves one",
    "YOUR_SCHEDULE": "needs a schedule; tests/flows/schedules/test_manage.py pauses, resumes and removes one",
    "YOUR_FOLDER": "needs a real model, or runs until it is stopped: tests/flows/schedules/test_serve.py, tests/flows/runs/test_scheduled.py",
    "YOUR_BUCKET": "needs a store; tests/flows/runs/test_s3.py runs it against a server on loopback",
    "pagemill review out/invoices --open": "runs until it is stopped; tests/flows/review/test_server.py starts it",
    "pagemill forget": "removes what other commands show; tests/flows/runs/test_forget.py runs it",
}


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, block) for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]
    return found


def commands() -> list[str]:
    lines = [line for _, block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    stripped = [line.partition("  #")[0].strip() for line in lines]
    return sorted({line for line in stripped if line and not line.startswith("#")})


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, samples_out: dict[str, Path]) -> Path:
    """A folder that looks like a checkout after `make run`, with the files that the documents speak of."""
    place = tmp_path_factory.mktemp("docs")
    (place / "out").mkdir()
    for name, path in samples_out.items():
        shutil.copytree(path, place / "out" / name)
    (place / "sample_docs").symlink_to(SAMPLES)
    schema, checks = [json.loads(block) for name, block in blocks("json") if name == "README.md"]
    (place / "delivery_note.schema.json").write_text(json.dumps({**schema, **checks}))
    shutil.copy(SAMPLES / "invoices" / "harrow_finch.pdf", place / "FILE.pdf")
    judged(place)
    return place


def judged(place: Path) -> None:
    """What docs/evaluation.md speaks of: a truth, the levels reached, a document that was accepted, lines made of it."""
    from flows.evaluation.baseline import record
    from flows.evaluation.evaluate import compare, evaluate, truth_of
    from flows.evaluation.fine_tuning import write_fine_tuning
    from flows.review.correct import correct, document_named, open_with_type
    from flows.settings import load_settings

    names = ("calder_point", "harrow_finch", "nordlicht", "studio_veldkamp")
    truths = {name: json.loads((SAMPLES / "invoices" / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    lines = [json.dumps({"document": f"{name}.pdf", "record": each}) for name, each in truths.items()]
    (place / "truth.jsonl").write_text("\n".join(lines), encoding="utf-8")
    dataset, kind = open_with_type(place / "out" / "invoices")
    truth = truth_of(dataset, kind, place / "truth.jsonl", {})
    record(evaluate(compare(dataset, kind, truth), kind.root, truth), place / "levels.json")
    correct(dataset, kind, document_named(dataset, "harrow_finch.pdf"), "", None, by="ada")
    write_fine_tuning(dataset, kind, load_settings(), place / "lines.jsonl", 0, all_ok=False)


CLUSTER = [pytest.mark.whole_machine, pytest.mark.through_prefect]  # which Prefect makes


@pytest.mark.parametrize(
    "command", [pytest.param(each, marks=CLUSTER if "=dask" in each else []) for each in commands()]
)
def test_a_documented_command_works(command: str, workplace: Path, pagemill) -> None:
    if any(command.startswith(known) or known in command for known in NOT_RUN):
        return
    settings = {}
    words = shlex.split(command)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    assert words[0] == ".venv/bin/pagemill", f"say why {command!r} is not run"
    done = pagemill(*words[1:], cwd=workplace, PAGEMILL_MODEL="offline", **settings)
    assert done.code == 0, done.err
    assert done.out


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of DuckDB's own call into pandas
@pytest.mark.parametrize("recipe", [block for _, block in blocks("python")], ids=lambda block: block.split()[1])
def test_a_documented_recipe_gives_rows(recipe: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, object] = {}
    exec(recipe, names)
    if "with_tax" in names:
        assert len(names["recent"]) >= 4
        assert (names["with_tax"].dropna() > 0).all()
        assert len(names["per_document"]) == 4
    if "dear" in names:
        assert names["dear"].height > 10
    if "found" in names:
        assert len(names["found"]) == 5
        assert set(names["found"]["number_match"].dropna()) <= {"exact", "normalized"}
    elif "load" in names:
        assert names["changed"] == 5
    elif "duckdb" in names:
        statement = re.search(r'"""(.*)"""', recipe, re.DOTALL)[1]
        assert len(duckdb.sql(statement).fetchall()) == 4


def test_every_documented_variable_is_a_setting() -> None:
    from flows.settings import Settings

    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    for variable in set(
        re.findall(r"PAGEMILL_(?!TEST_)[A-Z_]*[A-Z]", text)
    ):  # of the suite's own the contributors read
        assert variable.removeprefix("PAGEMILL_").lower() in Settings.model_fields, variable


def test_every_local_link_leads_somewhere() -> None:
    for name in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert ((ROOT / name).parent / target).exists(), target


def test_every_format_that_is_read_is_named() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    paragraph = re.search(r"\*\*Formats\.\*\*.*?\n\n", text, re.DOTALL)
    assert paragraph is not None
    assert set(re.findall(r"`(\.\w+)`", paragraph[0])) == set(FORMATS)
