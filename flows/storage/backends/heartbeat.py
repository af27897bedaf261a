"""Locks and leases on an object store, where no process's end gives anything back: objects that are renewed or dead.

An object is created by a conditional PUT (`IfNoneMatch`) and renewed by another (`IfMatch`), so of two writers one is told
that it has lost. Who watches calls it dead when its etag has not changed for `dead_after` seconds of the watcher's own
monotonic clock; no time is ever compared between machines. Who holds it stops writing when it has not been able to renew for
`give_up_after` seconds: the difference is what a request that is under way may take.
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

_MOST_FAILURES = 5  # of the store itself, while the lock is asked for


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `group` is how long the journal gathers answers for one object, `say_after` what is waited without a word."""

    dead_after: float = 60.0
    give_up_after: float = 30.0
    renew_every: float = 10.0
    poll: float = 0.5
    group: float = 1.0
    say_after: float = 3.0


class Watcher:
    """For how long this process has seen an object unchanged."""

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
        """True when the object has been seen to change: its writer lives, or lived a moment ago."""
        return key in self._seen and self._seen[key][2]


class Wait:
    """One wait for somebody else, of which people are told once when it is long."""

    def __init__(self, location: str, timing: Timing) -> None:
        self._location = location
        self._timing = timing
        self._say_at = time.monotonic() + timing.say_after

    def tell(self, whom: str, unchanged: float) -> None:
        """Say whom it is for, and for how long at most if they are dead, after `unchanged` seconds without a sign of them."""
        if time.monotonic() < self._say_at:
            return
        self._say_at = float("inf")
        from flows.log import say  # with it the settings, which readers of a dataset do without

        left = math.ceil(max(1.0, self._timing.dead_after - unchanged))
        say(f"{self._location}: waiting for {whom}; if it was killed, this goes on by itself in {left} s at most")


class Heartbeat:
    """An object of ours, renewed by a thread of its own until `release`."""

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
        """Create the object, or take over the one with this etag. Raises ChangedError when another was quicker."""
        with self._mutex:
            self._put(self._body(), if_match)
        threading.Thread(target=self._beat, name=f"renews {self._key}", daemon=True).start()

    def renew(self) -> None:
        """Renew now. Raises DatasetError when the object is no longer ours, or could not be renewed for too long."""
        with suppress(ChangedError, OSError), self._mutex:
            if not self._is_lost and not self._ended.is_set():
                try:
                    self._put(self._body(), self._etag)
                except (ChangedError, FileNotFoundError):
                    self._is_lost = True
        self.check()

    def check(self) -> None:
        """Raises DatasetError unless the object was ours not long ago."""
        if self._is_lost or time.monotonic() - self._renewed_at > self._timing.give_up_after:
            raise DatasetError(
                f"{self._location}: {self._key} could not be renewed, so another process may work here by now; nothing more is "
                "written. Check the connection to the store, then run the same command again: answers that were kept are used"
            )

    def release(self, data: bytes | None = None) -> str | None:
        """Stop renewing. Leaves `data` in the object's place, or nothing; returns the etag, null if it was not ours."""
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
                pass  # it dies by itself
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
            # A request whose answer got lost may have been ours: the body has a number that nobody else writes.
            with suppress(FileNotFoundError):
                etag = self._client.etag(self._key)
                if self._client.get(self._key) == body:
                    self._etag, self._renewed_at = etag, began
                    return
            raise
        self._renewed_at = began


class RemoteLock:
    """The dataset's lock. The object stays when it is given back and says that it is free: nothing has to be deleted."""

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
        """Hold the lock, waiting for whoever holds it; a holder that has died is waited for until that is certain."""
        with self._mutex:
            heartbeat = self._acquired()
            self.heartbeat = heartbeat
            try:
                yield
            finally:
                self.heartbeat = None
                self._free_etag = heartbeat.release(json.dumps({"free_since": secrets.token_hex(8)}).encode())

    def peek(self) -> None:
        """Look at the lock, so that the time for which it has not changed counts from now."""
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
                continue  # somebody else was quicker
            except OSError:
                failures += 1
                if failures > _MOST_FAILURES:
                    raise
            time.sleep(self._timing.poll * random.uniform(0.5, 1.5))  # noqa: S311 - so that two do not march in step

    def _takeable(self, wait: Wait) -> str | None:
        """The etag of a lock that may be taken, "" where there is none yet, null while somebody holds it."""
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
    """Wait until each object of `states` (etags by key) has been seen to change, or unchanged for long enough to be dead."""
    wait = Wait(location, timing)
    while True:
        unchanged = {key: watcher.unchanged(key, etag) for key, etag in states().items()}
        waiting = [
            key for key, seconds in unchanged.items() if seconds <= timing.dead_after and not watcher.has_moved(key)
        ]
        if not waiting:
            return
        runs = " and ".join(sorted(key.rpartition("/")[2] for key in waiting))
        wait.tell(f"a sign of run {runs}", min(unchanged[key] for key in waiting))
        peek()
        time.sleep(timing.poll)


def _who(body: bytes) -> str:
    """The process that an object says it is of."""
    try:
        return str(json.loads(body)["who"])
    except (ValueError, TypeError, KeyError):  # it was free a moment ago, or is an older Pagemill's
        return "another process"
