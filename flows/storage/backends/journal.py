"""Answers kept before they are used: one segment per shard, one line per answer, committed in groups.

On disk a segment is one file, and a group is the answers that came during the last sync; on an object store a segment is several
objects, each with the answers of about a second.

A line is `crc32 json`. A half-written line, which only the last one of a killed run can be, is skipped.
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
    """The journal of one shard, appended to by one process. `append` returns once the row is durable."""

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
            if os.fstat(self._handle).st_size:  # from a killed process: its last line may be incomplete
                data = b"\n" + data
        whole = os.fstat(self._handle).st_size
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._handle, view) :]
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, whole)  # the next line would be appended to half a line
            raise


def read_segment(path: Path) -> Iterator[dict[str, Any]]:
    """The complete rows of a segment on disk, each (document, request) once."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    yield from rows_in(data)


def rows_in(data: bytes) -> Iterator[dict[str, Any]]:
    """The complete rows in a segment's bytes, each (document, request) once."""
    yielded: set[tuple[str, str]] = set()
    for line in data.split(b"\n"):
        checksum, _, body = line.partition(b" ")
        try:
            if int(checksum, 16) != zlib.crc32(body):
                continue
            row = {name: _clean(value) for name, value in json.loads(body).items()}
        except ValueError:
            continue  # incomplete: its process was killed during the write
        key = (row["document_id"], row["request_id"])
        if key not in yielded:
            yielded.add(key)
            yield row


def segment_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The bytes of a segment of `rows`."""
    return b"".join(map(_line, rows))


def _clean(value: Any) -> Any:
    """The value with U+FFFD for lone surrogates, which JSON may contain and no writer accepts."""
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _line(row: Mapping[str, Any]) -> bytes:
    body = json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)
