"""Locks and leases on an object store, where the end of a process releases nothing: objects that are renewed, or dead.

An object is created by a conditional PUT (`IfNoneMatch`) and renewed by another (`IfMatch`), so that one of two writers gets an
error. A watcher takes it for dead when its etag has not changed for `dead_after` seconds of the watcher's monotonic clock;
times of different machines are never compared. The holder stops writing when it could not renew it for `give_up_after`
seconds: the difference is the time for a request in flight.
"""

import json
import math
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flows.storage.backends.s3 import ChangedError, ObjectClient
from schemas.errors import DatasetError

_MOST_FAILURES = 5  # errors of the store while a lock is acquired


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds. `group`: the journal gathers answers for one object; `say_after`: a wait without a message."""

    dead_after: float = 60.0
    give_up_after: float = 30.0
    renew_every: float = 10.0
    poll: float = 0.5
    group: float = 1.0
    say_after: float = 3.0


class Watcher:
    """Times for which this process has seen objects unchanged."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float, bool]] = {}

    def unchanged(self, key: str, etag: str) -> float:
        """Seconds since `etag` was first seen at `key`."""
        now = time.monotonic()
        before = self._seen.get(key)
        if before is None or before[0] != etag:
            before = self._seen[key] = (etag, now, before is not None)
        return now - before[1]

    def has_moved(self, key: str) -> bool:
        """True where the object was seen to change: its writer lives, or lived recently."""
        return key in self._seen and self._seen[key][2]


class Wait:
    """One wait for another process, reported once when it is long."""

    def __init__(self, location: str, timing: Timing) -> None:
        self._location = location
        self._timing = timing
        self._say_at = time.monotonic() + timing.say_after

    def tell(self, whom: str, unchanged: float) -> None:
        """Report the awaited process `whom`, unchanged for so many seconds, and the longest wait if it is dead."""
        if time.monotonic() < self._say_at:
            return
        self._say_at = float("inf")
        from flows.log import say  # imports the settings, which readers of a dataset do not need

        left = math.ceil(max(1.0, self._timing.dead_after - unchanged))
        say(f"{self._location}: waiting for {whom}; if that was killed, this continues in {left} s at most")


class Heartbeat:
    """An object of this process, renewed by a thread until `release`."""

    def __init__(self, client: ObjectClient, key: str, location: str, timing: Timing) -> None:
        self._client = client
        self._key = key
        self._location = location
        self._timing = timing
        self._token = secrets.token_hex(8)
        self._count = 0
        self._etag = ""
        self._renewed_at = 0.0
        self._is_lost = False
        self._mutex = threading.Lock()
        self._ended = threading.Event()

    def begin(self, if_match: str | None = None) -> None:
        """Create the object, or take over the one with this etag. Raises ChangedError where another process was faster."""
        with self._mutex:
            self._put(self._body(), if_match)
        threading.Thread(target=self._beat, name=f"renews {self._key}", daemon=True).start()

    def renew(self) -> None:
        """Renew now. Raises DatasetError where the object is lost, or could not be renewed for `give_up_after` seconds."""
        with suppress(ChangedError, OSError), self._mutex:
            if not self._is_lost and not self._ended.is_set():
                try:
                    self._put(self._body(), self._etag)
                except (ChangedError, FileNotFoundError):
                    self._is_lost = True
        self.check()

    def check(self) -> None:
        """Raise DatasetError unless the object was renewed within `give_up_after` seconds."""
        if self._is_lost or time.monotonic() - self._renewed_at > self._timing.give_up_after:
            raise DatasetError(
                f"{self._location}: {self._key} could not be renewed, so another process may work here now; nothing more is "
                "written. Check the connection to the store, then run the same command again: it uses the kept answers"
            )

    def release(self, data: bytes | None = None) -> str | None:
        """Stop renewing, and write `data` or delete the object; returns the etag of `data`, None where it was not written."""
        self._ended.set()
        with self._mutex:
            if self._is_lost:
                return None
            try:
                if data is not None:
                    return self._client.put(self._key, data, if_match=self._etag)
                if self._client.etag(self._key) == self._etag:
                    self._client.delete([self._key])
            except OSError:
                pass  # without renewal it is dead soon
            return None

    def _beat(self) -> None:
        while not self._ended.wait(self._timing.renew_every):
            with suppress(DatasetError):
                self.renew()

    def _body(self) -> bytes:
        self._count += 1
        who = f"process {os.getpid()} on {socket.gethostname()}"
        return json.dumps({"held_by": self._token, "who": who, "beat": self._count}).encode()

    def _put(self, body: bytes, if_match: str | None) -> None:
        began = time.monotonic()
        try:
            self._etag = self._client.put(self._key, body, if_match=if_match, if_absent=if_match is None)
        except ChangedError:
            # The answer to an earlier attempt may have been lost: the body has a number that no other process writes.
            with suppress(FileNotFoundError):
                etag = self._client.etag(self._key)
                if self._client.get(self._key) == body:
                    self._etag, self._renewed_at = etag, began
                    return
            raise
        self._renewed_at = began


class RemoteLock:
    """The dataset's lock. A released lock is an object marked as free, so that nothing has to be deleted."""

    def __init__(self, client: ObjectClient, key: str, location: str, timing: Timing, watcher: Watcher) -> None:
        self._client = client
        self._key = key
        self._location = location
        self._timing = timing
        self._watcher = watcher
        self._free_etag: str | None = None
        self._mutex = threading.Lock()
        self.heartbeat: Heartbeat | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock, waiting for its holder, or until a dead holder is known to be dead."""
        with self._mutex:
            heartbeat = self._acquired()
            self.heartbeat = heartbeat
            try:
                yield
            finally:
                self.heartbeat = None
                self._free_etag = heartbeat.release(json.dumps({"free_since": secrets.token_hex(8)}).encode())

    def peek(self) -> None:
        """Read the lock's etag, so that the time for which it is unchanged counts from now."""
        with suppress(OSError):
            self._watcher.unchanged(self._key, self._client.etag(self._key))

    def _acquired(self) -> Heartbeat:
        failures = 0
        wait = Wait(self._location, self._timing)
        while True:
            heartbeat = Heartbeat(self._client, self._key, self._location, self._timing)
            try:
                etag = self._free_etag or self._takeable(wait)
                self._free_etag = None
                if etag is not None:
                    heartbeat.begin(etag or None)
                    return heartbeat
            except ChangedError:
                continue  # another process was faster
            except OSError:
                failures += 1
                if failures > _MOST_FAILURES:
                    raise
            time.sleep(self._timing.poll * random.uniform(0.5, 1.5))  # noqa: S311 - keeps two processes from polling in step

    def _takeable(self, wait: Wait) -> str | None:
        """The etag of a free or dead lock, "" where there is none yet, None while another process holds it."""
        try:
            etag = self._client.etag(self._key)
            body = self._client.get(self._key)
        except FileNotFoundError:
            return ""
        unchanged = self._watcher.unchanged(self._key, etag)
        if b"free_since" in body or unchanged > self._timing.dead_after:
            return etag
        wait.tell(f"{_who(body)}, which holds the lock", unchanged)
        return None


def wait_until_known(
    states: Callable[[], dict[str, str]], watcher: Watcher, timing: Timing, peek: Callable[[], None], location: str
) -> None:
    """Wait until each object of `states` (etags by key) was seen to change, or is dead."""
    wait = Wait(location, timing)
    while True:
        unchanged = {key: watcher.unchanged(key, etag) for key, etag in states().items()}
        waiting = [
            key for key, seconds in unchanged.items() if seconds <= timing.dead_after and not watcher.has_moved(key)
        ]
        if not waiting:
            return
        runs = " and ".join(sorted(key.rpartition("/")[2] for key in waiting))
        wait.tell(f"a sign of life of run {runs}", min(unchanged[key] for key in waiting))
        peek()
        time.sleep(timing.poll)


def _who(body: bytes) -> str:
    """The process named in an object, in words."""
    try:
        return str(json.loads(body)["who"])
    except (ValueError, TypeError, KeyError):  # a lock just released, or of an older version
        return "another process"
