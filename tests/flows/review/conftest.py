"""A dataset of the sample invoices that a test may change, and the review server over it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.reviewing import Reviewing, reviewing


@pytest.fixture
def out(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the invoices' dataset."""
    return Path(shutil.copytree(samples_out["invoices"], tmp_path / "invoices"))


@pytest.fixture(scope="module")
def server(samples_out: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewing]:
    """The server over a copy of its own, for the tests of a module, entered."""
    copy = shutil.copytree(samples_out["invoices"], tmp_path_factory.mktemp("reviewed") / "invoices")
    with reviewing(copy) as found:
        found.enter()
        yield found
