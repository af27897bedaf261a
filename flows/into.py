"""`pagemill refresh OUT --into NEW`: a dataset's documents extracted into a new one, whose columns may be others.

Answers that OUT has stored are taken where the requests are equal, and stored in NEW as reused: they cost nothing again.
"""

from flows.consent import Confirm
from flows.engine import Engine
from flows.run import Outcome, RunRequest, run
from flows.storage.dataset import read_dataset
from flows.storage.store import Out
from flows.types import type_of
from schemas.document_type import DocumentType
from schemas.document_types import DOCUMENT_TYPES


def refresh_into(
    engine: Engine,
    out: Out,
    into: Out,
    document_type: DocumentType | None,
    budget_usd: float | None,
    confirm: Confirm | None,
) -> Outcome:
    """Extract the documents of the dataset at `out` into `into`, as `document_type` or as what the type is by now."""
    old = read_dataset(out)
    kind = document_type or DOCUMENT_TYPES.get(old.document_type) or type_of(old.document_type, old.schema, old.place)
    addresses = old.rows("documents", ["source_uri"]).column(0).to_pylist()
    request = RunRequest(addresses, kind, into, budget_usd, allow_empty=True, confirm=confirm, lender=old)
    return run(engine, request)
