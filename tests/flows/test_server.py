"""Our own Prefect server: there for a run that has something to do, and for no other."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.engine import Engine, engine
from flows.run import RunRequest, run
from flows.server import ChildServer, _free_port
from flows.settings import load_settings
from flows.verify import verify
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError
from tests.conftest import SAMPLES
from tests.support.database import placed
from tests.support.outcomes import rows


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a cache that no server has been in."""
    with engine(load_settings(model="offline", cache_dir=tmp_path / "cache")) as made:
        yield made


def test_a_run_that_has_nothing_to_do_starts_none_and_is_counted(
    tmp_path: Path, samples_out: dict[str, Path], fresh: Engine
) -> None:
    out = tmp_path / "out"
    shutil.copytree(samples_out["invoices"], out)
    before = rows(out, "runs", "count(*)")[0][0]
    done = run(fresh, RunRequest([str(SAMPLES / "invoices")], DOCUMENT_TYPES["invoice"], out, quiet=True))
    assert (done.exit_code, done.summary["already_done"]) == (0, done.summary["discovered"])
    assert fresh.server is not None
    assert not fresh.server.is_started
    assert not (tmp_path / "cache" / "prefect").exists()
    assert rows(out, "runs", "count(*)") == [(before + 1,)]
    assert verify(out) == []


def test_a_run_that_cannot_begin_starts_none(tmp_path: Path, fresh: Engine) -> None:
    with pytest.raises(ConfigurationError, match="matches nothing"):
        run(fresh, RunRequest([str(tmp_path / "nowhere")], DOCUMENT_TYPES["invoice"], tmp_path / "out", quiet=True))
    assert fresh.server is not None
    assert not fresh.server.is_started


def test_the_server_that_a_profile_names_is_taken(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    server = ChildServer(tmp_path / "prefect")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert server.url() == "http://127.0.0.1:9/api"
    assert server._process is None
    server.stop()


def test_a_damaged_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    server = ChildServer(tmp_path / "prefect", port=_free_port())
    with pytest.raises(
        ConfigurationError, match=r"prefect\.db is damaged \(.*(malformed|not a database)\); move it away"
    ):
        server.url()
    server.stop()


@pytest.mark.whole_machine
def test_what_a_server_says_goes_to_a_file_which_cannot_fill_up_as_a_pipe_does(
    tmp_path: Path, prefect_database: Path
) -> None:
    server = ChildServer(placed(prefect_database, tmp_path) / "prefect", port=_free_port())
    url = server.url()
    (told,) = (tmp_path / "prefect").glob("server-*.txt")
    assert server._process is not None
    assert Path(f"/proc/{server._process.pid}/fd/2").readlink() == told
    assert httpx.get(f"{url}/health").json() is True
    server.stop()
    assert not told.exists()
