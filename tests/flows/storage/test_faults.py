"""What disks, people and clocks do to a dataset: a clear error each time, and nothing lost or doubled."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flows.storage.document_claims import claim
from flows.storage.open import open_dataset, read_dataset
from flows.storage.publish import publish
from flows.storage.recover import recover
from schemas.errors import ConfigurationError, DatasetError
from tests.flows.storage.places import Place, names
from tests.support.shards import SHARD, SPEC, document, journal, rows_of

LARGE = 900_000  # bytes that do not compress


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes: a tmpfs where one may be mounted, else a limit of this process on each file's size."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        yield folder
        subprocess.run(["umount", "-l", folder], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, limits[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def with_image(dataset, number: int, size: int) -> dict[str, list[pa.RecordBatch]]:
    figure = {"document_id": f"{number:064d}", "page": 1, "figure": 1, "image": os.urandom(size)}
    figures = pa.RecordBatch.from_pylist([figure], schema=dataset.tables["figures"])
    return {**document(number, shard(number)), "figures": [figures]}


def shard(number: int) -> str:
    return f"20260101T000000-aaaaaa-{number:05d}"


def test_a_full_disk_stops_with_its_name_and_room_is_all_it_takes(small_disk: Path) -> None:
    dataset = open_dataset(small_disk / "out", SPEC)
    with pytest.raises(DatasetError, match="make room") as caught:
        for number in range(1, 10):
            journal(dataset, shard(number), number)
            publish(dataset, shard(number), with_image(dataset, number, LARGE))
    assert str(small_disk) in str(caught.value)
    done = len(dataset.published_ids())
    assert dataset.rows("figures", ["document_id"]).num_rows == done
    assert names(small_disk / "out", "staged") == []
    journal(dataset, shard(done + 1), done + 1)
    publish(dataset, shard(done + 1), document(done + 1, shard(done + 1)))  # without the picture there is room
    assert len(dataset.published_ids()) == done + 1
    assert dataset.rows("calls", ["document_id"]).num_rows == done + 1


def test_a_disk_that_became_read_only_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path / "out", SPEC)
    publish(dataset, shard(1), document(1, shard(1)))
    code = f"""
from pathlib import Path
from flows.storage.open import open_dataset, read_dataset
from flows.storage.publish import publish
from schemas.errors import ConfigurationError, DatasetError
from tests.support.shards import SPEC, document
import os, subprocess
root = Path({str(tmp_path / "out")!r})
if os.geteuid():
    for folder, _, files in os.walk(root):
        for name in [folder, *(os.path.join(folder, each) for each in files)]:
            os.chmod(name, os.stat(name).st_mode & 0o555)
else:  # whom no rights bind: a mount of this process's own
    os.unshare(os.CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", root, root], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)
try:
    open_dataset(root, SPEC)
except ConfigurationError as error:
    print(error)
try:
    publish(read_dataset(root), {shard(2)!r}, document(2, {shard(2)!r}))
except DatasetError as error:
    print(error)
print(len(read_dataset(root).published_ids()))
"""
    if sys.version_info < (3, 12) and not os.geteuid():
        code = code.replace(
            "os.unshare(os.CLONE_NEWNS)", "import ctypes; assert not ctypes.CDLL(None).unshare(0x20000)"
        )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    opened, published, count = done.stdout.splitlines() or [done.stderr] * 3
    assert str(tmp_path / "out") in opened
    assert "choose another --out" in opened
    assert str(tmp_path / "out") in published
    assert "check its rights" in published
    assert count == "1"


def test_a_damaged_shard_moved_away_as_told_is_extracted_anew_and_doubles_nothing(place: Place) -> None:
    dataset = place.open(SPEC)
    publish(dataset, SHARD, rows_of(dataset, (1, 2), "old", "20250101T000000-000000"))
    place.put(f"documents/{SHARD}.parquet", b"PAR1 is not enough")
    found = place.read()
    with pytest.raises(DatasetError, match=rf"documents/{SHARD}\.parquet cannot be read") as caught:
        found.published_ids()
    assert f"/*/{SHARD}.parquet away except those of calls, failures and changes" in str(caught.value)
    found.store.unlink(f"documents/{SHARD}.parquet")  # only the one that was named
    with pytest.raises(DatasetError, match=rf"documents/{SHARD}\.parquet is missing"), found.locked():
        recover(found)
    for table in found.tables:
        if table not in {"calls", "failures", "changes"}:
            found.store.unlink(f"{table}/{SHARD}.parquet")
    again = rows_of(found, (1, 2), "old", "20260101T000000-aaaaaa")
    del again["calls"]  # the stored ones are used
    with found.locked():
        recover(found)
        assert len(claim(found, "20260101T000000-aaaaaa", [f"{1:064d}", f"{2:064d}"])) == 2
    publish(found, shard(1), again)
    for table in ("documents", "invoice", "evidence", "calls"):
        assert found.rows(table, ["document_id"]).num_rows == 2, table
    ids = found.rows("changes", ["change_id"]).column(0).to_pylist()
    assert sorted(ids) == [1, 2, 3, 4]


@pytest.mark.parametrize(("table", "advice"), [("calls", "paid for again"), ("changes", "only its rows are lost")])
def test_a_damaged_file_of_one_table_can_go_alone(place: Place, table: str, advice: str) -> None:
    dataset = place.open(SPEC)
    publish(dataset, SHARD, rows_of(dataset, (1,), "old", "20250101T000000-000000"))
    place.put(f"{table}/{SHARD}.parquet", b"")
    with pytest.raises(DatasetError, match=advice):
        place.read().rows(table, ["document_id"])


@pytest.mark.parametrize("folder", ["staged", "journal", "claims"])
def test_a_foreign_file_in_work_is_named_and_left_alone(place: Place, folder: str) -> None:
    dataset = place.open(SPEC)
    place.put(f"_work/{folder}/notes of mine.txt", b"mine")
    with pytest.raises(DatasetError, match=rf"{folder}/notes of mine\.txt was not made by Pagemill"):
        publish(dataset, SHARD, document(1, SHARD))
    assert dataset.store.read(f"_work/{folder}/notes of mine.txt") == b"mine"
    assert dataset.published_ids() == set()
    dataset.store.unlink(f"_work/{folder}/notes of mine.txt")
    publish(dataset, SHARD, document(1, SHARD))
    assert len(dataset.published_ids()) == 1


def test_a_list_that_was_damaged_is_named(place: Place) -> None:
    dataset = place.open(SPEC)
    place.put(f"_work/staged/{SHARD}/READY", b"[{")
    with pytest.raises(DatasetError, match="READY cannot be read"):
        publish(dataset, SHARD, document(1, SHARD))


def test_a_dataset_deleted_while_a_run_works_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path / "out", SPEC)
    with dataset.lease("20260101T000000-aaaaaa"):
        shutil.rmtree(tmp_path / "out")
        with pytest.raises(DatasetError, match="has disappeared"):
            publish(dataset, shard(1), document(1, shard(1)))
        assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigurationError, match="no Pagemill dataset"):
        read_dataset(tmp_path / "out")


def test_a_file_replaced_within_one_tick_of_the_clock_is_read_again(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path / "out", SPEC)
    publish(dataset, SHARD, document(1, SHARD))
    path = tmp_path / "out" / "documents" / f"{SHARD}.parquet"
    before = path.stat()
    assert dataset.published_ids() == {f"{1:064d}"}
    other = document(2, SHARD)["documents"]
    dataset.store.publish_parquet(f"documents/{SHARD}.parquet", dataset.tables["documents"], other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert dataset.published_ids() == {f"{2:064d}"}
