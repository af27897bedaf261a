"""`pagemill refresh OUT --into NEW`: a dataset's documents extracted into a new one, whose columns may be others.

Answers that OUT has stored are taken where the requests are equal, and stored in NEW as reused: they cost nothing again. What
people have corrected in OUT is told in NEW, too, and put in there.
"""

from flows.log import say
from flows.review.corrections import carry_corrections
from flows.runs.cost_guard import AskConsent
from flows.runs.request import Outcome, RunRequest
from flows.runs.resources import Engine
from flows.runs.run import run
from flows.sources.locations import existing_locations, locations_of
from flows.storage.backends.store import Out
from flows.storage.dataset_spec import spec_of
from flows.storage.open import open_dataset, read_dataset
from flows.storage.run_ids import command_shard, new_run_id
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES
from schemas.errors import ConfigurationError

_MOST_NAMED = 10


def refresh_into(
    engine: Engine,
    out: Out,
    into: Out,
    document_type: DocumentType | None,
    budget_usd: float | None,
    confirm: AskConsent | None,
) -> Outcome:
    """Extract the documents of the dataset at `out` into `into`, as `document_type` or as today's built-in type of that name.

    A document that has moved is read where it stands now; those that stand nowhere are named on standard error. Raises
    ConfigurationError where the type is a file and not named: the dataset knows only what the file was.
    """
    old = read_dataset(out)
    kind = document_type or DOCUMENT_TYPES.get(old.document_type)
    if kind is None:
        raise ConfigurationError(
            f"--into makes a dataset with the columns of today's type, and {old.location} only knows what its type was: name the "
            "file with --type"
        )
    documents = old.rows("documents", ["document_id", "source_uri"]).to_pylist()
    locations = locations_of(old, [document["document_id"] for document in documents])
    left, addresses = [], []
    for document in documents:
        there = locations.get(document["document_id"], ())
        places = existing_locations(document["source_uri"], there)
        if not places:
            left.append(document["source_uri"])
            continue
        addresses.append(
            next((address for address in places if address in there), places[0])
        )  # another may stand where it was
    if left:
        named = ", ".join([*left[:_MOST_NAMED], *(["…"] if len(left) > _MOST_NAMED else [])])
        say(f"{len(left):,} documents stand nowhere any more, and are not in {into}: {named}")
    carry_corrections(old, open_dataset(into, spec_of(kind)), command_shard(new_run_id(), "correct"))
    return run(engine, RunRequest(addresses, kind, into, budget_usd, allow_empty=True, confirm=confirm, lender=old))
