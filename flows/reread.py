"""A published document read from its source again."""

from collections.abc import Sequence
from pathlib import Path

from flows.addresses import Address
from flows.held import standing
from flows.spool import Spooled, spool


def reread(document_id: str, uri: str, held: Sequence[str], folder: Path) -> Spooled | None:
    """The document as it stands at `uri`, or where it has moved to (`held`); null where something else stands there now.

    Raises UnreadableDocumentError where nothing can be read. What stands elsewhere stays spooled in `folder`.
    """
    for place in standing(uri, held) or [uri]:
        taken = spool(Address(place, None, None), folder)
        if taken.document.document_id == document_id:
            return taken
    return None
