"""Links in a source: a file that stands under a folder by name may lie somewhere else.

What was found under a folder or by a glob is read only where it lies within that folder, unless links are to be followed:
whoever may put a link into an archive could else have any file of this machine read. A path that the user has named (a
SOURCE that is a link itself, an address of a list) is taken as it is. A hard link looks like any other file.
"""

import functools
import os

from flows.sources.addresses import Address
from flows.sources.globbing import LEADS_OUT, fixed_part, lies_within
from schemas.errors import UnreadableDocumentError


@functools.lru_cache(maxsize=256)
def real_folder(folder: str) -> str:
    """The folder without links in its path."""
    return os.path.realpath(folder)


def source_folder(address: Address) -> str | None:
    """The folder under which `address` was found; None for one that the user has named, and for an object of a store."""
    if address.found_by is None or address.found_by.startswith("@") or "://" in address.uri:
        return None
    is_folder = address.uri.startswith(f"{address.found_by.rstrip('/')}/")
    below = address.found_by if is_folder else fixed_part(address.found_by)
    if address.path is None:
        return below
    steps = below.rstrip("/").count("/")  # of a name in invalid UTF-8 the tables hold another form
    return "/".join(address.path.split("/")[: steps + 1]) or "/"


def require_within(handle: int, address: Address) -> None:
    """Raises UnreadableDocumentError where the opened file lies outside of the folder that `address` was found under.

    The file that is open is looked at, not the path again: that may lead elsewhere by now.
    """
    folder = source_folder(address)
    if folder is not None and not lies_within(_opened(handle, address.opened_as), real_folder(folder)):
        raise UnreadableDocumentError(f"{address.uri}: {LEADS_OUT}")


def _opened(handle: int, path: str) -> str:
    """The path of an open file, without links."""
    try:
        return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115 - bytes of a name in invalid UTF-8 stay as they are
    except OSError:  # no such folder on this system
        real = os.path.realpath(path)
        return real if _is_same(real, handle) else ""


def _is_same(path: str, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(handle))  # noqa: PTH116
    except OSError:
        return False
