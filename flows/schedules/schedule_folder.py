"""The folder of a schedule that this machine serves: its Prefect server's home, its login, its facts, its lock.

Each schedule has one of its own, with a server and a worker of its own: what is served for one dataset never carries out, shows
or pays for the runs of another, whoever else is served, and with whatever endpoint and key.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.durable_files import make_private, write_durably, write_private
from flows.runs.prefect_server import new_login
from flows.schedules.schedule import Schedule
from schemas.errors import ConfigurationError

FOLDER = "serve"  # in the cache
_FACTS, _LOGIN, _PAUSED, _LOCK = "schedule.json", "login.txt", "paused", "served.lock"


@dataclass(frozen=True, slots=True)
class ScheduleFolder:
    """The folder of one schedule at `path`."""

    path: Path

    def login(self) -> str:
        """The login of its server, random, made once: a run that outlives its server finds the next one with it."""
        file = self.path / _LOGIN
        try:
            return file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            write_private(file, f"{new_login()}\n".encode())
            return file.read_text(encoding="utf-8").strip()

    @property
    def login_file(self) -> Path:
        """The file with the login, for whoever opens Prefect's page."""
        return self.path / _LOGIN

    @property
    def is_paused(self) -> bool:
        """True where its nightly is not to begin by itself."""
        return (self.path / _PAUSED).exists()

    def pause(self, *, is_paused: bool) -> None:
        """Keep whether its nightly begins by itself, for the next start."""
        file = self.path / _PAUSED
        file.touch() if is_paused else file.unlink(missing_ok=True)

    @property
    def facts(self) -> dict[str, Any]:
        """Name, dataset, sources, type, times and port, as it was last served; nothing secret."""
        try:
            content = json.loads((self.path / _FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def is_served(self) -> bool:
        """True while a process serves it."""
        try:
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    @contextmanager
    def served(self, schedule: Schedule, port: int) -> Iterator[None]:
        """Hold the folder, and keep the facts of `schedule` in it. Raises ConfigurationError where it is served already."""
        make_private(self.path.parent)
        make_private(self.path)
        handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(
                    f"{schedule.name} of {schedule.parameters['out']} is served already, with its page at port "
                    f"{self.facts.get('port', '?')}; stop that one first, or give this one another name with --name"
                ) from None
            facts = {
                "name": schedule.name,
                **schedule.parameters,
                "cron": schedule.cron,
                "timezone": schedule.timezone,
                "port": port,
            }
            write_durably(self.path / _FACTS, json.dumps(facts, indent=1).encode())
            yield
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Remove the folder with the history of its runs. Raises ConfigurationError while it is served."""
        if self.is_served:
            raise ConfigurationError(f"{self.facts.get('name')} is being served; stop `pagemill serve` first")
        shutil.rmtree(self.path)


def folder_of(cache: Path, schedule: Schedule) -> ScheduleFolder:
    """The folder of `schedule` in the cache folder `cache`: of its name and its dataset."""
    digest = hashlib.sha256(f"{schedule.name}\n{schedule.parameters['out']}".encode()).hexdigest()[:12]
    return ScheduleFolder(cache / FOLDER / f"{schedule.name[:80]}-{digest}")


def schedule_folders(cache: Path) -> list[ScheduleFolder]:
    """The folders of all schedules that were served on this machine, by name."""
    found = [ScheduleFolder(path.parent) for path in (cache / FOLDER).glob(f"*/{_FACTS}")]
    return sorted(found, key=lambda folder: str(folder.facts.get("name")))
