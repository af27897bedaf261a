"""Walks and globs: as the shell and Python have them, and honest about what they could not list."""

import glob
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.globbing import Sweep, fixed_part, glob_pattern
from schemas.errors import ConfigurationError
from tests.support.examples import examples

NAMES = st.sampled_from(
    ["a.pdf", "b.pdf", ".a.pdf", "[x].pdf", "ab.PDF", "d/a.pdf", "d/e/b.pdf", ".h/a.pdf", "d/.h/b.pdf"]
)
STEPS = [
    "*",
    "**",
    "?.pdf",
    "*.pdf",
    "[ab].pdf",
    "[!a].pdf",
    "d",
    "d*",
    ".*",
    "[[]x].pdf",
    "*.PDF",
    "a*",
    "[a",
    "{a,b}.pdf",
]


@settings(max_examples=examples(60))
@given(st.sets(NAMES, min_size=1), st.lists(st.sampled_from(STEPS), min_size=1, max_size=3))
def test_a_glob_matches_what_pythons_does(names: set[str], steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        pattern = f"{place}/{'/'.join(steps)}"
        python = {hit for hit in glob.glob(pattern, recursive=True) if Path(hit).is_file()}  # noqa: PTH207 - the oracle
        assert [path for path, _ in Sweep({".pdf"}).glob(pattern)] == sorted(python)


def test_a_pattern_of_a_store_has_no_hidden_names_and_a_wrong_range_is_refused() -> None:
    assert glob_pattern("s3://b/**/*.pdf", hides_dots=False).fullmatch("s3://b/.x/.y.pdf")
    assert not glob_pattern("/b/*.pdf").fullmatch("/b/x/y.pdf")
    assert fixed_part("/a/b/*/c.pdf") == "/a/b"
    with pytest.raises(ConfigurationError, match=r"\[z-a\]"):
        glob_pattern("/a/[z-a].pdf")


def test_links_that_lead_back_end_and_links_to_folders_are_for_globs_only(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "other").mkdir()
    (tmp_path / "in" / "other" / "x.pdf").touch()
    (tmp_path / "in" / "sub" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self.pdf").symlink_to(tmp_path / "in" / "self.pdf")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "in" / "other")
    walk, glob = Sweep({".pdf"}), Sweep({".pdf"})
    walked = [Path(path).name for path, _ in walk.folder(str(tmp_path / "in"))]
    found = [os.path.relpath(path, tmp_path / "in") for path, _ in glob.glob(f"{tmp_path}/in/**/*.pdf")]
    assert (walked, found) == (["self.pdf", "x.pdf"], ["link/x.pdf", "other/x.pdf", "self.pdf"])
    assert (walk.troubles, glob.troubles) == ([], [])
    assert walk.ignored.first == [
        f"{tmp_path}/in/link: a link to a folder that is read at its own place",
        f"{tmp_path}/in/sub/up: a link to a folder above it",
    ]
    assert glob.ignored.first == [f"{tmp_path}/in/sub/up: a link to a folder above it"]


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/1.pdf", "b/2.pdf"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    sweep = Sweep({".pdf"})
    assert [Path(path).name for path, _ in sweep.folder(str(tmp_path))] == ["2.pdf"]
    assert sweep.troubles == [f"{tmp_path}/a: cannot be listed (Permission denied)"]


def test_a_very_deep_tree_is_walked(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    deep = 300
    for _ in range(deep):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("x.pdf", os.O_CREAT, dir_fd=here))
    os.close(here)
    assert len(list(Sweep({".pdf"}).folder(str(tmp_path)))) == 1
