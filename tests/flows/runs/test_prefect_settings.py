"""Prefect's settings: the environment and the user's profile count, files of the folder of a command do not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, start

FOREIGN = "http://127.0.0.1:9/api"
PROFILES = f'active = "theirs"\n[profiles.theirs]\nPREFECT_API_URL = "{FOREIGN}"\n'
FILES = {
    "prefect.toml": f'[api]\nurl = "{FOREIGN}"\n[logging]\nconfig_path = "theirs.yml"\n[server.database]\nconnection_url = "theirs"\n',
    ".prefect.toml": f'[api]\nurl = "{FOREIGN}"\n',
    "pyproject.toml": f'[tool.prefect.api]\nurl = "{FOREIGN}"\n[tool.prefect.logging]\nconfig_path = "theirs.yml"\n',
    ".env": f"PREFECT_API_URL={FOREIGN}\nPREFECT_LOGGING_CONFIG_PATH=theirs.yml\n",
}
BY_PROFILE = {
    "prefect.toml": 'profiles_path = "theirs.toml"\n',
    "pyproject.toml": '[tool.prefect]\nprofiles_path = "theirs.toml"\n',
    ".env": "PREFECT_PROFILES_PATH=theirs.toml\n",
}
BROKEN = {"prefect.toml": "[[[", "pyproject.toml": "[[["}
SHOWN = """
from flows.cli import main
{first}
from prefect.settings import get_current_settings as now
print(now().api.url, now().logging.config_path, "theirs" in str(now().to_environment_variables(include_secrets=True)), now().profiles_path)
"""
CLOSED = "from flows.runs.prefect_settings import ignore_files_of_folder; ignore_files_of_folder()"
ENTRANCES = {
    "command": "main(['types'])",
    "cluster": "import flows.runs.dask.cluster",
    "server": f"import sys; sys.argv = ['', '0']; {CLOSED}",
}


def shown(folder: Path, first: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", SHOWN.format(first=first)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_no_file_of_the_folder_sets_anything_of_prefect(entrance: str, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    said = shown(tmp_path, ENTRANCES[entrance])
    assert said == f"None {tmp_path}/.prefect/logging.yml False {tmp_path}/.prefect/profiles.toml"


@pytest.mark.parametrize("files", [BY_PROFILE, BROKEN], ids=["profiles", "broken"])
def test_nor_by_a_way_round(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "theirs.toml").write_text(PROFILES)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert shown(tmp_path, CLOSED).startswith("None ")


def test_the_users_own_environment_and_profile_count(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PROFILES)
    assert shown(tmp_path, CLOSED, PREFECT_PROFILES_PATH=str(tmp_path / "own.toml")).startswith(FOREIGN)
    assert shown(tmp_path, CLOSED, PREFECT_API_URL="http://ours/api").startswith("http://ours/api")
    (tmp_path / "home").mkdir()
    (tmp_path / "own.toml").rename(tmp_path / "home" / "profiles.toml")
    assert shown(tmp_path, CLOSED, PREFECT_HOME=str(tmp_path / "home")).startswith(FOREIGN)


def test_a_schedule_is_not_deployed_to_the_server_of_a_file(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    words = ("deploy", tmp_path, "--type", "invoice", "--out", tmp_path / "out", "--model", "offline")
    process = start(*words, cwd=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "no Prefect server is configured" in err


def test_every_process_of_ours_that_imports_prefect_closes_the_files_first() -> None:
    for path in (
        "flows/cli.py",
        "flows/schedules/serve.py",
        "flows/runs/prefect_server.py",
        "flows/runs/dask/cluster.py",
    ):
        text = (ROOT / path).read_text()
        assert "ignore_files_of_folder()" in text, path
    for path in (ROOT / "flows").rglob("*.py"):
        if '__name__ == "__main__"' in path.read_text():
            assert path.relative_to(ROOT / "flows").as_posix() in {
                "cli.py", "schedules/serve.py", "runs/prefect_server.py", "runs/prefect_database.py",
            }  # fmt: skip
