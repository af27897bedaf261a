"""`pagemill schedules` over the folders of schedules that were served: listed, paused, resumed, removed, and refused while served."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.schedules.schedule import schedule_of
from flows.schedules.schedule_folder import ScheduleFolder, folder_of
from schemas.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScheduleFolder:
    monkeypatch.setenv("PAGEMILL_CACHE_DIR", str(tmp_path / "cache"))
    schedule = schedule_of([str(tmp_path)], "invoice", str(tmp_path / "bills"), "0 2 * * *", "UTC", {}, "https://x")
    made = folder_of(tmp_path / "cache", schedule)
    with made.served(schedule, 4321):
        made.login()
    return made


def test_a_schedule_is_listed_paused_resumed_and_removed(
    folder: ScheduleFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedules", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["schedules"]
    assert (listed["name"], listed["state"], listed["cron"]) == ("bills", "stopped", "0 2 * * *")
    assert main(["schedules", "pause", "bills"]) == 0
    assert folder.is_paused
    assert main(["schedules"]) == 0
    assert "bills: stopped, paused" in capsys.readouterr().out
    assert main(["schedules", "resume", "bills"]) == 0
    assert not folder.is_paused
    assert main(["schedules", "remove", "bills"]) == 0
    assert not folder.path.exists()
    capsys.readouterr()
    assert main(["schedules"]) == 0
    assert capsys.readouterr().out == "no schedules; `pagemill serve` and `pagemill deploy` make them\n"


def test_what_cannot_be_done_says_what_to_do(folder: ScheduleFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedules", "remove", "other"]) == 2
    assert "known on this machine: bills" in capsys.readouterr().err
    assert main(["schedules", "pause"]) == 2
    assert "needs the NAME" in capsys.readouterr().err


def test_a_schedule_is_served_once_and_not_removed_meanwhile(folder: ScheduleFolder, tmp_path: Path) -> None:
    schedule = schedule_of([str(tmp_path)], "invoice", str(tmp_path / "bills"), "0 2 * * *", "UTC", {}, "https://x")
    with folder.served(schedule, 4321):
        assert folder.is_served
        with (
            pytest.raises(ConfigurationError, match="is served already, with its page at port 4321"),
            folder.served(schedule, 1),
        ):
            pass
        with pytest.raises(ConfigurationError, match="stop `pagemill serve` first"):
            folder.remove()
    assert not folder.is_served


def test_folder_and_login_are_nobody_elses_and_the_login_stays(folder: ScheduleFolder) -> None:
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.login_file.stat().st_mode & 0o777 == 0o600
    assert folder.login() == folder.login()
    assert len(folder.login()) > 30


def test_a_name_of_another_dataset_has_another_folder(tmp_path: Path) -> None:
    def path(out: str, name: str) -> Path:
        schedule = schedule_of([str(tmp_path)], "invoice", out, "0 2 * * *", "UTC", {}, "https://x", name)
        return folder_of(tmp_path, schedule).path

    places = [path(str(tmp_path / out / "bills"), name) for out in "ab" for name in ("early", "late")]
    assert len(set(places)) == 4
