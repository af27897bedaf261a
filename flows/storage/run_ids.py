"""Names of runs and shards: `<UTC start>-<letters>` and `<run>-<number or word>`."""

import datetime
import secrets


def run_of(name: str) -> str:
    """The run that a shard's name tells."""
    return "-".join(name.split("-")[:2])


def new_run_id() -> str:
    """The name of a run: its start in UTC, and a few letters."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
