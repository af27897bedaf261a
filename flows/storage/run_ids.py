"""Names of runs and shards: `<UTC start>-<letters>` and `<run>-<number or word>`.

Shards of documents have numbers. Shards that a command makes beside them have a word, so that no number of shards collides
with them.
"""

import datetime
import re
import secrets

_OURS = re.compile(r"\d{8}T\d{6}-\w+(-\w+)?")


def new_run_id() -> str:
    """A name for a run: its start in UTC, and six random hexadecimal digits."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def shard_name(run_id: str, number: int) -> str:
    """Name of the shard of documents `number` of a run."""
    return f"{run_id}-{number:05d}"


def command_shard(run_id: str, word: str) -> str:
    """Name of the shard that a command makes: `supersede`, `expire`, `forget`, `correct`."""
    return f"{run_id}-{word}"


def run_of(name: str) -> str:
    """The run in the name of a shard (or of a run)."""
    return "-".join(name.split("-")[:2])


def is_our_name(name: str) -> bool:
    """True for a name that Pagemill gives to a run or a shard."""
    return _OURS.fullmatch(name) is not None
