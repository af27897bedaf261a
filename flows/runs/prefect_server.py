"""Our own quiet child Prefect server, where none is configured: offline, on a free port, dead with its parent.

The child watches its standard input, a pipe whose other end only the parent holds: when the parent ends, however it
ends, the pipe closes and the child exits. PREFECT.md has the settings that keep it quiet and offline. Whoever can start a
flow run on a server chooses the command that its worker runs: so it answers nobody without its login, which is handed on by
the environment alone, lets no page of another origin ask, and takes no other name for this machine than loopback's own.
"""

import gc
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from flows.durable_files import make_private
from flows.runs.prefect_database import place_database
from flows.runs.prefect_settings import ignore_files_of_folder
from flows.storage.backends.locks import exclusive
from schemas.errors import ConfigurationError

QUIET = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "DO_NOT_TRACK": "1",
}
CHILDREN = {"PYTHONSAFEPATH": "1"}  # of processes of ours: no code comes from the folder that somebody works in
_FOR_RUNS = {  # a server that stands as long as one command: nobody deploys to it, and each of these takes time at its start
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    **{
        f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
        for name in ("SCHEDULER", "LATE_RUNS", "FOREMAN", "PAUSE_EXPIRATIONS", "CANCELLATION_CLEANUP")
    },
}
_HISTORY_DAYS = 90.0
_START_SECONDS = 180.0  # a first start migrates its database: 13 s measured on two quiet cores


def pruned_after(days: float | None) -> dict[str, str]:
    """Settings of a server that forgets runs, their logs, artifacts and events after so many days (None: 90)."""
    seconds = str(max(3601, round((days or _HISTORY_DAYS) * 86400)))  # Prefect takes more than an hour
    return {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": seconds,
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{min(7 * 86400, int(seconds))}S",  # it takes ISO 8601
    }


def new_login() -> str:
    """A login for a server: a name and a random word, as Prefect's page asks for it."""
    return f"pagemill:{secrets.token_urlsafe(24)}"


class ChildServer:
    """A Prefect server of this process, which starts when it is first needed, or (without a `port`) the one of a profile.

    `login` is asked of everybody who calls it; default: a random one. Starting takes seconds: do other work between `start`
    and `url`.
    """

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        login: str | None = None,
    ) -> None:
        self._home = home
        self._login = login or new_login()
        self._is_wanted = port is not None  # whatever a profile says
        self._port = port or _free_port()
        self._settings = dict(settings or {})
        self._told = home / f"server-{os.getpid()}-{self._port}.txt"  # what the server says, while it runs
        self._start_lock = ExitStack()  # held while it comes up: two first starts would migrate one database at once
        self._process: subprocess.Popen[bytes] | None = None
        self._url: str | None = None

    @property
    def is_started(self) -> bool:
        """True once it was needed."""
        return self._process is not None or self._url is not None

    def start(self) -> None:
        """Let it come up; the second time nothing happens."""
        if self.is_started:
            return
        make_private(self._home)
        self._start_lock.enter_context(exclusive(self._home / "start.lock"))
        if "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in os.environ:
            place_database(self._home)
        own = {"PREFECT_HOME": str(self._home), "PREFECT_SERVER_API_AUTH_STRING": self._login}
        own["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] = f"http://127.0.0.1:{self._port}"
        environment = {**os.environ, **QUIET, **CHILDREN, **self._settings, **own}
        environment.pop("PREFECT_API_URL", None)
        with self._told.open(
            "wb"
        ) as output:  # no pipe: one that nobody reads fills up in time, and then the server stands still
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "flows.runs.prefect_server", str(self._port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=environment,
                umask=0o077,
                start_new_session=True,  # Ctrl-C is for the run, which still needs its server to end well
            )

    @property
    def is_alive(self) -> bool:
        """False when its process has ended of itself."""
        return self._process is None or self._process.poll() is None

    def restart(self) -> None:
        """Start it again, at the same address, and wait until it is healthy."""
        self.stop()
        self._url = None
        self.url()

    def url(self) -> str:
        """The API's URL, once it is healthy. Raises ConfigurationError when the server does not come up."""
        self.start()
        if self._url is None:
            from prefect.settings import PREFECT_API_URL  # imported while the server comes up

            if not self._is_wanted and (named := PREFECT_API_URL.value()):  # a profile names a server after all
                self.stop()
                self._url = named
            else:
                self._url = self._once_healthy()
        return self._url

    @property
    def login(self) -> str | None:
        """Login that it asks of its callers; None for the server of a profile, whose login is the profile's."""
        return None if self._process is None else self._login

    def name_to_children(self) -> None:
        """Name this server in the environment of the processes that this one starts from now on."""
        named = {"PREFECT_HOME": str(self._home), "PREFECT_API_URL": self.url(), "PREFECT_API_AUTH_STRING": self._login}
        os.environ.update({**QUIET, **CHILDREN, **named})

    def _once_healthy(self) -> str:
        assert self._process is not None
        base = f"http://127.0.0.1:{self._port}/api"
        end = time.monotonic() + _START_SECONDS
        try:
            while time.monotonic() < end:
                if self._process.poll() is not None:
                    why = self._told.read_text(errors="replace").strip().splitlines()[-1:]
                    raise ConfigurationError(
                        "Prefect's server did not start: "
                        f"{_damage(self._home / 'prefect.db') or ''.join(why).strip() or 'no reason given'}"
                    )
                try:
                    with urllib.request.urlopen(f"{base}/health", timeout=2):  # noqa: S310 - loopback
                        return base
                except (urllib.error.URLError, OSError):
                    time.sleep(0.1)
        finally:
            self._start_lock.close()
        self.stop()
        raise ConfigurationError(f"Prefect's server did not answer within {_START_SECONDS:g} s")

    def stop(self) -> None:
        """End the server."""
        self._start_lock.close()
        if self._process is None:
            return
        self._process.kill()  # it holds nothing that is not on disk
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._told.unlink(missing_ok=True)
        self._process = None


def keep_loopback_direct() -> None:
    """Except this machine from the proxies of the environment, for Prefect's client and for all children."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host.strip()]
        os.environ[name] = ",".join([*hosts, *(host for host in ("127.0.0.1", "localhost") if host not in hosts)])


@contextmanager
def prefect_server(home: Path) -> Iterator[ChildServer | None]:
    """A child server that has not started yet, or None where the environment names one."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    keep_loopback_direct()
    if os.environ.get("PREFECT_API_URL"):
        yield None
        return
    server = ChildServer(home, settings=_FOR_RUNS)
    try:
        yield server
    finally:
        server.stop()


def _damage(database: Path) -> str | None:
    """Fault in the database of a server that does not start, and the remedy; None where it looks sound."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as base:
            base.execute("pragma quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        return None  # it is not there, or cannot be opened, which the server says itself
    except sqlite3.DatabaseError as error:
        return f"{database} is damaged ({error}); move it away: only the history of runs is in it"
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_with_parent() -> None:
    """End this process when its standard input closes: a pipe whose other end only its parent holds."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def guarded_app() -> Any:
    """Prefect's server behind a check of the name that it is called by: a page cannot give its own name to loopback."""
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(create_app(), allowed_hosts=["127.0.0.1", "localhost"])


def _serve(port: int) -> None:
    end_with_parent()
    ignore_files_of_folder()
    gc.disable()  # a third of the time of the imports is looking for waste, of which they make none
    import prefect.server.api.server  # noqa: F401 - what uvicorn imports below
    import uvicorn

    gc.freeze()
    gc.enable()
    uvicorn.run(
        "flows.runs.prefect_server:guarded_app", factory=True, host="127.0.0.1", port=port, log_level="critical"
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
