"""Answers kept before they are used: one segment per shard, one line an answer, committed in groups.

On disk a segment is one file and a group is what came while the last one was synced; on an object store a segment is several
objects, each of which gathers answers for a moment.

A line is `crc32 json`. A line that is torn, which only the last one of a killed run can be, is passed over.
"""

import asyncio
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.errors import RunStoppedError

_SURROGATE = re.compile("[\ud800-\udfff]")


class Segment:
    """The journal of one shard, appended to by one process. `append` returns when the row is on disk."""

    def __init__(self, path: Path, group_seconds: float = 0.0) -> None:
        self.path = path
        self._group_seconds = group_seconds
        self.rows: list[dict[str, Any]] = []
        self._handle: int | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._commit: asyncio.Task[None] | None = None

    async def append(self, row: Mapping[str, Any]) -> None:
        """Keep `row` (a row of `calls`); it is durable when this returns."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((_line(row), done))
        self.rows.append(dict(row))
        if self._commit is None or self._commit.done():
            self._commit = asyncio.create_task(self._commit_group())
        await done

    def close(self) -> None:
        """Close the file; the segment stays until its shard is published."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    async def _commit_group(self) -> None:
        while self._waiting:
            if self._group_seconds:
                await asyncio.sleep(self._group_seconds)
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._write, b"".join(line for line, _ in group))
            except (OSError, RunStoppedError) as error:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
                continue
            for _, done in group:
                if not done.done():
                    done.set_result(None)

    def _write(self, data: bytes) -> None:
        if self._handle is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._handle = os.open(self.path, flags, 0o644)
            if os.fstat(self._handle).st_size:  # of a process that was killed: its last line may be torn
                data = b"\n" + data
        whole = os.fstat(self._handle).st_size
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._handle, view) :]
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, whole)  # half a line would swallow the next
            raise


def read_segment(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole row of a segment on disk, each (document, request) once."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    yield from rows_in(data)


def rows_in(data: bytes) -> Iterator[dict[str, Any]]:
    """Every whole row of a segment's bytes, each (document, request) once."""
    seen: set[tuple[str, str]] = set()
    for line in data.split(b"\n"):
        checksum, _, body = line.partition(b" ")
        try:
            if int(checksum, 16) != zlib.crc32(body):
                continue
            row = {name: _clean(value) for name, value in json.loads(body).items()}
        except ValueError:
            continue  # torn: the line that was being written when its process was killed
        key = (row["document_id"], row["request_id"])
        if key not in seen:
            seen.add(key)
            yield row


def segment_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A segment that holds exactly `rows`."""
    return b"".join(map(_line, rows))


def _clean(value: Any) -> Any:
    """Text that every writer takes: a lone surrogate, which JSON can spell, becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _line(row: Mapping[str, Any]) -> bytes:
    body = json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)
