"""Keys of a dataset's files, checked before a store uses them: a dataset may come from anywhere, and must lead nowhere else.

A key is a path below OUT with `/` between its steps. Each step is a plain name, so that no key is absolute or goes upwards. On
disk no link below OUT is followed for writing or deleting; OUT itself may be one.
"""

import os
import re
from pathlib import Path

from schemas.errors import DatasetError

_STEP = re.compile(r"[A-Za-z0-9_][\w. -]{0,254}")


def checked_key(key: str, location: str) -> str:
    """The key. Raises DatasetError unless each of its steps is a plain name."""
    if not all(_STEP.fullmatch(step) for step in key.split("/")):
        raise DatasetError(
            f"{location}: invalid name {key!r} of a file of the dataset: Pagemill writes names of letters, digits, `_`, `-` and "
            "`.`; move the file that has or states it away, and run again"
        )
    return key


def own_path(root: Path, key: str) -> Path:
    """The path of a key below `root`, to write or delete there. Raises DatasetError where a link would be followed."""
    path = root
    for step in checked_key(key, str(root)).split("/"):
        path /= step
        if path.is_symlink():
            raise _linked(path)
    return path


def own_name(root: Path, key: str) -> Path:
    """The path of a key whose last step is replaced or removed: that one may be a link, since it is not followed."""
    folder, _, name = checked_key(key, str(root)).rpartition("/")
    return (own_path(root, folder) if folder else root) / name


def refuse_linked_folders(root: Path, folders: list[str]) -> None:
    """Raise DatasetError where one of `folders`, or an entry directly in it, is a link to a folder."""
    for folder in folders:
        path = own_path(root, folder)
        try:
            with os.scandir(path) as entries:
                linked = next((entry for entry in entries if entry.is_symlink() and entry.is_dir()), None)
        except FileNotFoundError:
            continue
        if linked is not None:
            raise _linked(path / linked.name)


def _linked(path: Path) -> DatasetError:
    return DatasetError(
        f"{path} is a link: Pagemill writes and deletes in the dataset's own folders only; put the folder or file itself there, "
        "or remove the link, and run again"
    )
