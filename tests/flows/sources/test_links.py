"""Links out of a source: neither a walk, nor a glob, nor a swap between listing and reading leads to another file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from extractors.split.options import SUFFIXES
from flows.sources.addresses import Addresses
from flows.sources.discover import Discovered, discover
from flows.sources.spool import spool
from schemas.errors import UnreadableDocumentError
from tests.conftest import Finished

SECRET = b"a text of somebody else"
Make = Callable[[Path, Path], None]


def chain(archive: Path, away: Path) -> None:
    (archive / "one.txt").symlink_to("two.txt")
    (archive / "two.txt").symlink_to("../away/secret.txt")


def relative(archive: Path, away: Path) -> None:
    del away
    (archive / "deep").mkdir()
    (archive / "deep" / "up.txt").symlink_to("../../away/secret.txt")


def through_a_folder(archive: Path, away: Path) -> None:
    (archive / "folder").symlink_to(away)
    (archive / "file.txt").symlink_to("folder/secret.txt")


KINDS: dict[str, Make] = {
    "file": lambda archive, away: (archive / "a.txt").symlink_to(away / "secret.txt"),
    "relative": relative,
    "chain": chain,
    "folder": lambda archive, away: (archive / "more").symlink_to(away),
    "folder named as a file": lambda archive, away: (archive / "more.txt").symlink_to(away),
    "through a folder": through_a_folder,
    "sibling of the same beginning": lambda archive, away: (archive / "b.txt").symlink_to(f"{archive}-2/secret.txt"),
}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """An archive with one document, and a folder beside it with a file of somebody else."""
    archive, away = tmp_path / "archive", tmp_path / "away"
    for folder in (archive, away, tmp_path / "archive-2"):
        folder.mkdir()
    (archive / "own.txt").write_text("own")
    for folder in (away, tmp_path / "archive-2"):
        (folder / "secret.txt").write_bytes(SECRET)
        (folder / "secret.txt").chmod(0o600)
    return archive, away


def texts(found: Discovered, folder: Path, *, follows_links: bool = False) -> set[bytes]:
    """What is read of the addresses."""
    folder.mkdir(exist_ok=True)
    read = set()
    for address in found.addresses:
        try:
            read.add(spool(address, folder, follows_links=follows_links).path.read_bytes())
        except UnreadableDocumentError:
            continue
    return read


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["{}", "{}/", "{}/**/*.txt", "{}/*", "{}/*/*.txt"])
def test_a_link_out_of_the_source_is_not_followed_but_named(
    kind: str, source: str, places: tuple[Path, Path], tmp_path: Path
) -> None:
    archive, _ = places
    KINDS[kind](*places)
    found = discover([source.format(archive)], tmp_path / "out", SUFFIXES, allow_empty=True)
    assert all(Path(each.uri).resolve().is_relative_to(archive) for each in found.addresses)
    assert texts(found, tmp_path / "spool") <= {b"own"}
    if source in {"{}", "{}/", "{}/**/*.txt"}:
        assert found.ignored.count >= 1
        assert all("leads out of the source; --follow-links" in entry for entry in found.ignored.first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["{}", "{}/**/*.txt"])
def test_on_demand_it_is_followed(kind: str, source: str, places: tuple[Path, Path], tmp_path: Path) -> None:
    archive, _ = places
    KINDS[kind](*places)
    found = discover([source.format(archive)], tmp_path / "out", SUFFIXES, follows_links=True)
    assert texts(found, tmp_path / "spool", follows_links=True) == {b"own", SECRET}


def test_followed_links_that_lead_round_and_round_end(places: tuple[Path, Path], tmp_path: Path) -> None:
    archive, away = places
    (archive / "there").symlink_to(away)
    (archive / "again").symlink_to(away)
    (away / "back").symlink_to(archive)
    (away / "self").symlink_to(".")
    for source in (f"{archive}", f"{archive}/**/*.txt"):
        found = discover([source], tmp_path / "out", SUFFIXES, follows_links=True)
        assert len([each for each in found.addresses if each.file_name == "secret.txt"]) == 1
        assert found.ignored.count >= 2
        assert found.troubles == ()


def test_what_the_user_names_is_taken_as_it_is(places: tuple[Path, Path], tmp_path: Path) -> None:
    archive, away = places
    (tmp_path / "mine").symlink_to(away)
    (archive / "a.txt").symlink_to(away / "secret.txt")
    (tmp_path / "list.txt").write_text(f"{archive / 'a.txt'}\n")
    for source in (f"{tmp_path}/mine", f"{tmp_path}/mine/*.txt", f"{archive / 'a.txt'}", f"@{tmp_path}/list.txt"):
        found = discover([source], tmp_path / "out", SUFFIXES)
        assert texts(found, tmp_path / "spool") == {SECRET}, source


def test_a_link_within_the_source_is_a_file_of_it(places: tuple[Path, Path], tmp_path: Path) -> None:
    archive, _ = places
    (archive / "deep").mkdir()
    (archive / "deep" / "same.txt").symlink_to("../own.txt")
    found = discover([str(archive)], tmp_path / "out", SUFFIXES)
    assert (len(found.addresses), found.ignored.count) == (2, 0)
    assert texts(found, tmp_path / "spool") == {b"own"}


def swap_file(archive: Path, away: Path) -> None:
    (archive / "deep" / "x.txt").unlink()
    (archive / "deep" / "x.txt").symlink_to(away / "secret.txt")


def swap_folder(archive: Path, away: Path) -> None:
    (archive / "deep").rename(archive / "aside")
    (archive / "deep").symlink_to(away)
    (away / "x.txt").write_bytes(SECRET)


@pytest.mark.parametrize("swap", [swap_file, swap_folder])
@pytest.mark.parametrize(
    ("name", "source"),
    [("archive", "{}"), ("archive", "{}/*/*.txt"), ("arch\udcffive", "{}/*/*.txt"), ("arch\udcff*ive", "{}")],
)
def test_a_file_that_becomes_a_link_after_the_listing_is_not_read(
    swap: Make, source: str, name: str, places: tuple[Path, Path], tmp_path: Path
) -> None:
    archive, away = places
    if name != archive.name:
        archive = archive.rename(tmp_path / name)
    (archive / "deep").mkdir()
    (archive / "deep" / "x.txt").write_text("innocent")
    (archive / "own.txt").unlink()
    found = discover([source.format(archive)], tmp_path / "out", SUFFIXES)
    assert texts(found, tmp_path / "spool") == {b"innocent"}
    swap(archive, away)
    moved = Addresses(found.addresses.table)  # as a shard on another machine gets them
    with pytest.raises(UnreadableDocumentError, match="leads out of the source"):
        spool(moved[0], tmp_path / "spool")


def test_a_name_in_no_utf8_is_read_at_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "b\udcff"
    (folder / "c\udcfe").mkdir(parents=True)
    (folder / "c\udcfe" / "d\udcfd.txt").write_text("own")
    for source in (str(folder), f"{folder}/*/*.txt"):
        assert texts(discover([source], tmp_path / "out", SUFFIXES), tmp_path / "spool") == {b"own"}


def test_what_is_left_out_is_counted_by_kind_and_ten_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    for number in range(25):
        (tmp_path / f"{number:02}.docx").touch()
    for number in range(300):
        (tmp_path / f"scan.{number:03}").touch()
    for name in (".pdf", "scan.pdf ", "README"):
        (tmp_path / name).touch()
    (tmp_path / "out.pdf").symlink_to("/etc/hostname")
    ignored = discover([str(tmp_path)], tmp_path / "out", SUFFIXES).ignored
    assert ignored.count == 25 + 300 + 3 + 1
    assert ignored.kinds[".docx"] == 25
    assert (len(ignored.first), len(ignored.kinds) <= 102) == (10, True)
    assert sum(ignored.kinds.values()) == ignored.count


def test_a_run_and_the_status_say_what_was_left_out(
    places: tuple[Path, Path], tmp_path: Path, pagemill: Callable[..., Finished]
) -> None:
    archive, away = places
    (archive / "a.txt").symlink_to(away / "secret.txt")
    (archive / "b.docx").touch()
    words = ("run", archive, "--type", "invoice", "--model", "offline", "--out", tmp_path / "out")
    told = pagemill(*words, "--json").json
    assert (told["discovered"], told["ignored"], told["ignored_kinds"]) == (1, 2, {".docx": 1, "links": 1})
    assert pagemill("status", tmp_path / "out", "--json").json["ignored"] == 2
    lines = pagemill(*words).out.splitlines()
    assert lines[-3].startswith("2 files of the sources were left out (")
    assert sorted(lines[-2:]) == [
        f"  {archive}/a.txt: a link that leads out of the source; --follow-links follows it",
        f"  {archive}/b.docx: .docx is no format that is read",
    ]
    followed = pagemill(*words, "--follow-links", "--json").json
    assert (followed["discovered"], followed["ignored"]) == (2, 1)
    assert not pagemill("run", archive, *words[2:], "--json", PAGEMILL_FOLLOW_LINKS="true").json["ignored"] > 1


def test_links_alone_are_no_source_and_the_message_says_why(
    places: tuple[Path, Path], tmp_path: Path, pagemill: Callable[..., Finished]
) -> None:
    archive, away = places
    (archive / "own.txt").unlink()
    (archive / "a.txt").symlink_to(away / "secret.txt")
    done = pagemill("run", archive, "--type", "invoice", "--model", "offline", "--out", tmp_path / "out")
    assert done.code == 2
    assert f"{archive}/a.txt: a link that leads out of the source" in done.err
