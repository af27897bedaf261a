"""Names of runs and shards: `<UTC start>-<letters>` and `<run>-<number or word>`.

Shards of documents have numbers. Shards of commands have a word instead, so that they never collide with a number.
"""

import datetime
import re
import secrets

_REPEATED = 100_000  # more than a run has shards
_OURS = re.compile(r"\d{8}T\d{6}-\w+(-\w+)?")


def new_run_id() -> str:
    """Name of a new run: its start in UTC, and six random hexadecimal digits."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def shard_name(run_id: str, number: int) -> str:
    """Name of the shard of documents `number` of a run."""
    return f"{run_id}-{number:05d}"


def repeated_shard(name: str, times: int) -> str:
    """Name of a shard of documents that was published `times` times before, by attempts of a cluster that were killed."""
    return f"{run_of(name)}-{int(name.rpartition('-')[2]) + times * _REPEATED:06d}"


def command_shard(run_id: str, word: str) -> str:
    """Name of the shard of a command (`word`): `supersede`, `expire`, `forget`, `correct`."""
    return f"{run_id}-{word}"


def run_of(name: str) -> str:
    """The run's name within the name of a shard or run."""
    return "-".join(name.split("-")[:2])


def is_our_name(name: str) -> bool:
    """True for a name in the form of a run's or shard's name."""
    return _OURS.fullmatch(name) is not None
