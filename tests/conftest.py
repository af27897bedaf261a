"""Fixtures that tests share: the command as a process, a model server as a process, one engine per test process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support.commands import Commands
from tests.support.database import migrated, placed

hypothesis.settings.register_profile("pagemill", deadline=None)  # the first call of many loads a vocabulary
hypothesis.settings.load_profile("pagemill")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SAMPLES = ROOT / "sample_docs"


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, kept over the session."""
    path = tmp_path_factory.mktemp("cache")
    os.environ["PAGEMILL_CACHE_DIR"] = str(path)
    os.environ["PAGEMILL_REPORT"] = (
        "false"  # hundreds of runs need no page each; tests/flows/reports/test_run_page.py wants them
    )
    for name in [name for name in os.environ if name.startswith(("OPENROUTER_", "OPENAI_", "PREFECT_"))]:
        del os.environ[name]
    return path


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's database as a first start leaves it. `tests.support.database.placed` puts a copy where a server will look."""
    base = tmp_path_factory.getbasetemp()
    return migrated(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)  # of all processes of the session


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


def start(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
    """The command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture(scope="session")
def commands(cache_dir: Path) -> Iterator[Commands]:
    """Where the commands of this test process come from."""
    made = Commands(ROOT)
    yield made
    made.stop()


@pytest.fixture
def pagemill(
    offline_engine: Any, commands: Commands, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Finished]:
    """Run the command as a user does, in a process of its own.

    It shares the tests' Prefect server, which takes each command seconds to start, and the imports, which take as long; who
    wants neither uses `start`.
    """
    told = tmp_path_factory.mktemp("told") / "command"

    def call(*arguments: object, cwd: Path = ROOT, **environment: str) -> Finished:
        if arguments[:1] in (("run",), ("refresh",)):
            environment = {"PREFECT_API_URL": offline_engine.server.url(), **environment}
        words = [str(each) for each in arguments]
        code = commands.call(words, cwd, {**os.environ, "PYTHONPATH": str(ROOT), **environment}, told)
        out, err = (told.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
        assert "Traceback" not in err, err
        return Finished(code, out, err)

    return call


@dataclass(frozen=True)
class ModelServer:
    """A model server that runs, and what it was asked."""

    url: str
    log: Path

    def entries(self, event: str) -> list[dict]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def count(self, event: str) -> int:
        """How many `entries` there are, for who looks often: the pages in them are not read."""
        return self.log.read_bytes().count(json.dumps({"event": event})[:-1].encode()) if self.log.exists() else 0

    @property
    def environment(self) -> dict[str, str]:
        return {"PAGEMILL_BASE_URL": self.url, "PAGEMILL_API_KEY": "canary-key"}


@contextmanager
def serving(log: Path, *options: str) -> Iterator[ModelServer]:
    """A model server with options; it ends with the block, and with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.model_server", "--log", str(log), *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield ModelServer(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def model_server(tmp_path: Path) -> Callable[..., object]:
    """Start a model server with options: see `serving`."""
    return partial(serving, tmp_path / "model-server.jsonl")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """An S3-compatible server on loopback, one per test process; the environment names it as it does for a user."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.s3_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{int(process.stdout.readline())}"
    names = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ.update(names)
    yield url
    for name in names:
        del os.environ[name]
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def offline_engine(cache_dir: Path, prefect_database: Path) -> Iterator[object]:
    """One engine with the embedded model for the tests of a process."""
    from flows.runs.resources import engine
    from flows.settings import load_settings

    placed(prefect_database, cache_dir)
    with engine(load_settings(model="offline")) as shared:
        yield shared


@pytest.fixture
def extract(offline_engine: object) -> Callable[..., object]:
    """A run in this process on the shared engine: what a command does without its start-up. No `url`: the embedded model."""
    import dataclasses

    from flows.runs.run import RunRequest, run
    from flows.settings import load_settings
    from flows.type_loader import load_type

    def call(
        source: Path,
        out: Path,
        url: str | None = None,
        budget: float | None = None,
        kind: str = "invoice",
        **options: object,
    ) -> object:
        request = RunRequest([str(source)], load_type(kind), out, budget)
        if url is None:
            return run(dataclasses.replace(offline_engine, settings=load_settings(model="offline", **options)), request)
        settings = load_settings(
            base_url=url, api_key="canary-key", **{"backoff": 0.1, "request_timeout": 3.0, **options}
        )
        engine = dataclasses.replace(offline_engine, settings=settings, base_url=url, api_key="canary-key")
        return run(engine, request)

    return call


@pytest.fixture(scope="session")
def samples_out(tmp_path_factory: pytest.TempPathFactory, offline_engine: object) -> dict[str, Path]:
    """The sample documents, extracted once with the embedded model: a dataset per folder."""
    from flows.runs.run import RunRequest, run
    from flows.type_loader import load_type

    root = tmp_path_factory.mktemp("samples")
    types = {"invoices": "invoice", "reports": "report", "prices": str(SAMPLES / "prices" / "price_list.schema.json")}
    for name, kind in types.items():
        outcome = run(offline_engine, RunRequest([str(SAMPLES / name)], load_type(kind), root / name, quiet=True))
        assert outcome.exit_code == 0, outcome
    return {name: root / name for name in types}


def need_shared(name: str) -> Path:
    """A folder of ../shared, or a skip that says what is missing."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is not beside this checkout")
    return path
