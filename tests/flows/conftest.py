"""The places that a dataset is tested in."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.storage.places import Place, bucket


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """OUT on disk, and on an S3-compatible store."""
    if request.param == "disk":
        return Place("disk", tmp_path / "out")
    return Place("s3", tmp_path, bucket(request.getfixturevalue("s3_server")))


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill leaves there what it leaves on a disk, some hundred kills are quicker."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory, prefix="pagemill-test-"))
    yield folder
    shutil.rmtree(folder)
