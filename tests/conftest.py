"""Fixtures that tests share: the command as a process, a model server as a process, one engine per test process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support.children import child_server
from tests.support.commands import Begun, begin_command
from tests.support.database import migrated, placed
from tests.support.login import LOGIN
from tests.support.model_server import serving
from tests.support.quick import quick

pytest_plugins = ["tests.support.durations"]
os.environ["PREFECT_API_AUTH_STRING"] = LOGIN

# No deadline: the first call of many loads a vocabulary. No file of examples: a run is the same wherever it is.
hypothesis.settings.register_profile("everything", deadline=None, database=None)
hypothesis.settings.register_profile("ci", deadline=None, database=None, derandomize=True, max_examples=25)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SAMPLES = ROOT / "sample_docs"


# What starts something dear, by fixture, mark or parameter: the tests of a group run one after the other in one process.
GROUPS = {"through_prefect": "prefect", "prefect_database": "prefect", "machines": "dask", "machine": "stopping"}
GROUPS |= {"s3": "s3", "s3_server": "s3", "bucket": "s3", "samples_out": "samples"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="all runs through Prefect, all examples of hypothesis")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("everything" if config.getoption("everything") else "ci")


@pytest.hookimpl(tryfirst=True)  # before the marks choose tests, and before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        parameters = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
        names = {*item.fixturenames, *(mark.name for mark in item.iter_markers())}
        names |= {"s3"} if any(isinstance(each, str) and each == "s3" for each in parameters) else set()
        if "s3" in names and "s3_contract" not in names:
            item.add_marker("whole_machine")
        groups = [group for name, group in GROUPS.items() if name in names]
        fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined] # of functions, which all are here
        if any(each[-1].scope == "module" for each in fixtures):  # shared by the tests of a file
            groups.append(item.path.stem)
        if config.getoption(
            "everything"
        ):  # each process has its Prefect: one for all of them would be the slowest by far
            groups = [group for group in groups if group != "prefect"]
        if groups:
            item.add_marker(pytest.mark.xdist_group(groups[0]))


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, kept over the session."""
    path = tmp_path_factory.mktemp("cache")
    os.environ["PAGEMILL_CACHE_DIR"] = str(path)
    os.environ["PAGEMILL_REPORT"] = (
        "false"  # hundreds of runs need no page each; tests/flows/test_run_page.py wants them
    )
    for name in [name for name in os.environ if name.startswith(("OPENROUTER_", "OPENAI_", "PREFECT_"))]:
        if name != "PREFECT_API_AUTH_STRING":
            del os.environ[name]
    return path


@pytest.fixture(autouse=True)
def form_of_lines() -> Iterator[None]:
    """Lines of the next test have the form of its environment, whatever flag this one has given."""
    from flows.log import LOG

    LOG.use(None)
    yield
    LOG.use(None)


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's database as a first start leaves it. `tests.support.database.placed` puts a copy where a server will look."""
    base = tmp_path_factory.getbasetemp()
    return migrated(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)  # of all processes of the session


@pytest.fixture(scope="session")
def prefect_home(cache_dir: Path, prefect_database: Path) -> Path:
    """The tests' cache with Prefect's database in it."""
    placed(prefect_database, cache_dir)
    return cache_dir


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


@pytest.fixture
def begin(request: pytest.FixtureRequest, is_quick: bool) -> Callable[..., Begun]:
    """Begin a command as a user does, in a process of its own; what is returned waits for it, signals it, kills it.

    It has its imports behind it, which take seconds, and runs without Prefect where the test is not marked
    `through_prefect`; who wants neither uses `start`.
    """

    def call(*arguments: object, **options: Any) -> Begun:
        if not is_quick and arguments[:1] in (("run",), ("refresh",)):
            options = {"PREFECT_API_URL": request.getfixturevalue("offline_engine").server.url(), **options}
        return begin_command(*arguments, is_quick=is_quick, **options)

    return call


@pytest.fixture
def pagemill(begin: Callable[..., Begun]) -> Callable[..., Finished]:
    """Run a command as a user does, to its end: see `begin`."""

    def call(*arguments: object, **options: Any) -> Finished:
        process = begin(*arguments, **options)
        out, err = process.communicate()
        assert "Traceback" not in err, err
        assert process.returncode is not None
        return Finished(process.returncode, out, err)

    return call


@pytest.fixture
def model_server(tmp_path: Path) -> Callable[..., object]:
    """Start a model server with options: see `serving`."""
    return partial(serving, tmp_path / "model-server.jsonl")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """An S3-compatible server on loopback, one per test process; the environment names it as it does for a user."""
    with child_server("tests.support.s3_server") as port, pytest.MonkeyPatch.context() as environment:
        url = f"http://127.0.0.1:{port}"
        environment.setenv("AWS_ENDPOINT_URL", url)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield url


@pytest.fixture(scope="session")
def shared_engine(cache_dir: Path) -> Iterator[Any]:
    """One engine with the embedded model for the tests of a process; its Prefect server starts when one needs it."""
    from flows.runs.resources import engine
    from flows.settings import load_settings

    with engine(load_settings(model="offline")) as shared:
        shared.server._login = LOGIN  # type: ignore[union-attr]
        yield shared


@pytest.fixture
def is_quick(request: pytest.FixtureRequest) -> bool:
    """False for a test whose runs go through Prefect."""
    return not (request.node.get_closest_marker("through_prefect") or request.config.getoption("everything"))


@pytest.fixture
def offline_engine(shared_engine: Any, is_quick: bool, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The shared engine. Runs in this process go through Prefect where the test is marked `through_prefect`."""
    if not is_quick:
        request.getfixturevalue("prefect_home")
        shared_engine.ready()  # the flow of a run begins with its first call, not seconds later
    with quick() if is_quick else nullcontext():
        yield shared_engine


@pytest.fixture
def extract(offline_engine: object) -> Callable[..., object]:
    """A run in this process on the shared engine: what a command does without its start-up. No `url`: the embedded model."""
    import dataclasses

    from flows.runs.request import RunRequest
    from flows.runs.run import run
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
            base_url=url, api_key="canary-key", **{"backoff": 0.1, "request_timeout": 60.0, **options}
        )
        engine = dataclasses.replace(offline_engine, settings=settings, base_url=url, api_key="canary-key")
        return run(engine, request)

    return call


@pytest.fixture(scope="session")
def samples_out(tmp_path_factory: pytest.TempPathFactory, shared_engine: Any) -> dict[str, Path]:
    """The sample documents, extracted once with the embedded model: a dataset per folder."""
    from flows.runs.request import RunRequest
    from flows.runs.run import run
    from flows.type_loader import load_type

    root = tmp_path_factory.mktemp("samples")
    types = {"invoices": "invoice", "reports": "report", "prices": str(SAMPLES / "prices" / "price_list.schema.json")}
    for name, kind in types.items():
        with quick():
            outcome = run(shared_engine, RunRequest([str(SAMPLES / name)], load_type(kind), root / name, quiet=True))
        assert outcome.exit_code == 0, outcome
    return {name: root / name for name in types}


def need_shared(name: str) -> Path:
    """A folder of ../shared, or a skip that says what is missing."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is not beside this checkout")
    return path
