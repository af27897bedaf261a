"""The journal: what `append` has returned for is there, whatever a disk or a process did in between."""

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from flows.storage.backends import journal
from flows.storage.backends.journal import Segment, read_segment


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"document_id": "d", "request_id": f"r{number}", "response": "{}", **more}


def kept(path: Path) -> list[str]:
    return [each["request_id"] for each in read_segment(path)]


def test_a_full_disk_within_a_line_costs_that_line_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "segment"
    real = journal.os.write
    left = [1_000_000]

    def write(handle: int, data: bytes) -> int:
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        taken = real(handle, bytes(data[: left[0]]))
        left[0] -= taken
        return taken

    monkeypatch.setattr(journal.os, "write", write)

    async def check() -> None:
        segment = Segment(path)
        await segment.append(row(1))
        left[0] = 20
        with pytest.raises(OSError, match="No space"):
            await segment.append(row(2))
        left[0] = 1_000_000
        await segment.append(row(3))
        await segment.append(row(4))
        segment.close()

    asyncio.run(check())
    assert kept(path) == ["r1", "r3", "r4"]


@pytest.mark.parametrize("torn", [b"", b"zz", b"00000000 {}", b'12345678 {"document_id"', b"\xff\xfe\n", b"[]\n" * 3])
def test_a_torn_line_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "segment"

    async def check(number: int) -> None:
        segment = Segment(path)
        await segment.append(row(number))
        segment.close()

    asyncio.run(check(1))
    with path.open("ab") as file:
        file.write(torn + b"\n")
    asyncio.run(check(2))
    assert kept(path) == ["r1", "r2"]


def test_half_a_character_that_was_journaled_becomes_one_that_can_be_published(tmp_path: Path) -> None:
    body = json.dumps(row(1, model_returned="bad\ud800")).encode("ascii")
    (tmp_path / "segment").write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
    ((found),) = list(read_segment(tmp_path / "segment"))
    assert found["model_returned"] == "bad\ufffd"


def test_an_answer_journaled_twice_is_read_once(tmp_path: Path) -> None:
    async def check() -> None:
        segment = Segment(tmp_path / "segment")
        await asyncio.gather(*(segment.append(row(number % 3)) for number in range(9)))
        segment.close()

    asyncio.run(check())
    assert sorted(kept(tmp_path / "segment")) == ["r0", "r1", "r2"]


def test_another_process_appends_to_what_a_killed_one_has_torn(tmp_path: Path) -> None:
    rows = [{"document_id": "d", "request_id": str(number)} for number in range(3)]

    async def kept(*some: dict[str, str]) -> None:
        segment = Segment(tmp_path / "segment")
        for each in some:
            await segment.append(each)
        segment.close()

    asyncio.run(kept(rows[0]))
    with (tmp_path / "segment").open("ab") as file:
        file.write(b'0badc0de {"document_id": "d", "requ')
    asyncio.run(kept(*rows[1:]))
    assert list(read_segment(tmp_path / "segment")) == rows
