"""Two datasets with two endpoints and two keys, two schedules each, one user and one cache: each request reaches its own endpoint."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.storage.open import read_dataset
from flows.storage.verify import verify
from tests.support.model_server import ModelServer, serving
from tests.support.night import Night, night

pytestmark = [pytest.mark.whole_machine, pytest.mark.through_prefect]

DOCUMENTS = 6
NAMES = ("early", "late")


@dataclass(frozen=True)
class Owner:
    """A dataset with its endpoint, key and two schedules."""

    letter: str
    folder: Path
    server: ModelServer
    machines: list[Night]

    @property
    def key(self) -> str:
        """The key that its requests carry."""
        return f"key-of-{self.letter}"

    def strays(self) -> list[str]:
        """Requests at its endpoint that are not of its documents, or carry another key."""
        other = "b" if self.letter == "a" else "a"
        found = self.server.entries("asked")
        return [
            entry["authorization"]
            for entry in found
            if entry["authorization"] != f"Bearer {self.key}" or f"Of-{other}-" in str(entry["body"]["messages"])
        ]

    def write(self, first: int) -> None:
        """More documents, whose texts name their owner."""
        for number in range(first, first + DOCUMENTS):
            (self.folder / "in" / f"{number}.txt").write_text(f"Invoice Of-{self.letter}-{number}\nTotal 12.00\n")

    def published(self) -> int:
        """How many documents its dataset holds."""
        folder = self.folder / "out"
        return read_dataset(folder).rows("documents", ["document_id"]).num_rows if folder.is_dir() else 0


@pytest.fixture
def owners(tmp_path: Path) -> Iterator[list[Owner]]:
    with ExitStack() as stack:
        made = []
        for letter in "ab":
            folder = tmp_path / letter
            (folder / "in").mkdir(parents=True)
            server = stack.enter_context(serving(tmp_path / f"{letter}.jsonl", "--delay", "0.3"))
            environment = {
                **server.environment, "PAGEMILL_API_KEY": f"key-of-{letter}", "PAGEMILL_CONCURRENCY": "2",
                "PAGEMILL_WORKERS": "1",
            }  # fmt: skip
            machines = [
                stack.enter_context(night(folder, environment, cache=tmp_path / "cache", name=f"{letter}-{name}"))
                for name in NAMES
            ]
            made.append(Owner(letter, folder, server, machines))
        yield made


@pytest.mark.parametrize("seed", range(2))
def test_each_request_reaches_its_own_endpoint_with_its_own_key_in_whatever_order_they_start_stop_and_die(
    owners: list[Owner], seed: int
) -> None:
    chance = random.Random(seed)
    machines = [machine for owner in owners for machine in owner.machines]
    for owner in owners:
        owner.write(0)
    for machine in chance.sample(machines, len(machines)):
        machine.start()
    for owner in owners:
        owner.machines[0].wait(lambda owner=owner: owner.published() == DOCUMENTS, 240)
    for harm in (("serve",), ("worker", "flow"), ("server",)):
        victim = chance.choice(machines)
        for owner in owners:
            owner.write(owner.published())
        victim.kill(*harm)
        if "serve" in harm:
            victim.start()
        for owner in owners:
            wanted = len(list((owner.folder / "in").iterdir()))
            owner.machines[0].wait(lambda owner=owner, wanted=wanted: owner.published() == wanted, 300)
    for machine in chance.sample(machines, len(machines)):
        assert machine.stop() == 0
    for owner in owners:
        assert owner.strays() == []
        assert len(owner.server.entries("asked")) >= owner.published() == 4 * DOCUMENTS
        assert verify(owner.folder / "out") == []
