"""Requests to an S3-compatible store: the only import of s3fs. Each call is one attempt; callers decide on retries.

s3fs and botocore read endpoint, region and credentials from the environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
profiles, instance roles). Keys are relative to the prefix of a client.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from schemas.errors import ConfigurationError

_ATTEMPT_SECONDS = 15  # of one attempt: less than the time after which a lock counts as dead
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_BLOCK = 8 << 20
_MOST_DELETED = 1000  # keys in one request

_Result = TypeVar("_Result")


class ChangedError(OSError):
    """A conditional write failed, since the object is in another state than expected."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object below a prefix, `size` in bytes; `etag` is empty for a prefix."""

    name: str
    etag: str
    size: int


class ObjectClient(Protocol):
    """Operations of an object store that a dataset needs. Raises FileNotFoundError, ChangedError, else OSError."""

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write an object, on a condition if given; returns its etag."""

    def put_file(self, key: str, path: Path) -> None:
        """Upload a file of any size."""

    def get(self, key: str) -> bytes:
        """The bytes of an object."""

    def open(self, key: str) -> BinaryIO:
        """An opened object, for reads of pieces."""

    def etag(self, key: str) -> str:
        """The etag of an object."""

    def listed(self, folder: str) -> list[ListedObject]:
        """Objects directly below `folder/`."""

    def below(self, folder: str) -> list[str]:
        """The keys of all objects below `folder/`."""

    def copy(self, source: str, target: str, etag: str) -> None:
        """Copy an object within the store, if it still has this etag."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; missing ones are no error."""


def file_system(url: str, **options: Any) -> Any:
    """s3fs's file system for `url`. Raises ConfigurationError where the extra is not installed."""
    try:
        from s3fs import S3FileSystem
    except ImportError as error:
        raise ConfigurationError(
            f"{url}: object stores need the extra `s3`: pip install 'pagemill[s3]'; or name a folder"
        ) from error
    # its cache of listings would keep a dictionary per object, and return old listings
    return S3FileSystem(**options, skip_instance_cache=True, use_listings_cache=False)


def is_changed(error: OSError) -> bool:
    """True where a read failed since the object has changed."""
    from s3fs.utils import FileExpired

    return isinstance(error, FileExpired)


class S3Client:
    """The objects below `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self._bucket, _, prefix = url.removeprefix("s3://").strip("/").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        timeouts = {"connect_timeout": 5, "read_timeout": _ATTEMPT_SECONDS, "retries": {"total_max_attempts": 1}}
        self._fs = file_system(url, config_kwargs=timeouts)
        self._fs.retries = 1

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write an object, on a condition if given; returns its etag."""
        condition = {"IfNoneMatch": "*"} if if_absent else {"IfMatch": if_match} if if_match is not None else {}
        return str(self._call("put_object", Key=self._prefix + key, Body=data, **condition)["ETag"])

    def put_file(self, key: str, path: Path) -> None:
        """Upload a file of any size."""
        _translated(lambda: self._fs.put_file(str(path), self._path(key)))

    def get(self, key: str) -> bytes:
        """The bytes of an object."""
        return _translated(lambda: self._fs.cat_file(self._path(key)))  # type: ignore[no-any-return]

    def open(self, key: str) -> BinaryIO:
        """An opened object, for reads of pieces."""
        return _translated(lambda: self._fs.open(self._path(key), "rb", block_size=_BLOCK))  # type: ignore[no-any-return]

    def etag(self, key: str) -> str:
        """The etag of an object."""
        return str(self._call("head_object", Key=self._prefix + key)["ETag"])

    def listed(self, folder: str) -> list[ListedObject]:
        """Objects directly below `folder/`."""
        prefix = self._below(folder)
        entries: list[ListedObject] = []
        for page in self._pages(prefix, "/"):
            objects, folders = page.get("Contents", ()), page.get("CommonPrefixes", ())
            entries += [
                ListedObject(entry["Key"].removeprefix(prefix), entry["ETag"], entry["Size"]) for entry in objects
            ]
            entries += [ListedObject(entry["Prefix"].removeprefix(prefix).rstrip("/"), "", 0) for entry in folders]
        return [entry for entry in entries if entry.name]  # AWS's console makes an empty object for a folder

    def below(self, folder: str) -> list[str]:
        """The keys of all objects below `folder/`."""
        pages = self._pages(self._below(folder), "")
        return [entry["Key"].removeprefix(self._prefix) for page in pages for entry in page.get("Contents", ())]

    def copy(self, source: str, target: str, etag: str) -> None:
        """Copy an object within the store, if it still has this etag."""
        origin = {"Bucket": self._bucket, "Key": self._prefix + source}
        try:
            self._call("copy_object", Key=self._prefix + target, CopySource=origin, CopySourceIfMatch=etag)
        except OSError as error:
            if "larger than" not in str(error):  # the limit of one copy request, 5 GB
                raise
            _translated(lambda: self._fs.cp_file(self._path(source), self._path(target), CopySourceIfMatch=etag))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; missing ones are no error."""
        for start in range(0, len(keys), _MOST_DELETED):
            objects = [{"Key": self._prefix + key} for key in keys[start : start + _MOST_DELETED]]
            answer = self._call("delete_objects", Delete={"Objects": objects, "Quiet": True})
            for failed in answer.get("Errors", ()):
                raise OSError(f"{failed['Key']} cannot be deleted: {failed.get('Message', failed.get('Code'))}")

    def _below(self, folder: str) -> str:
        return f"{self._prefix}{folder}/" if folder else self._prefix

    def _path(self, key: str) -> str:
        return f"{self._bucket}/{self._prefix}{key}"

    def _pages(self, prefix: str, delimiter: str) -> Iterable[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=prefix, Delimiter=delimiter, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        return _translated(lambda: self._fs.call_s3(method, Bucket=self._bucket, **arguments))


def _translated(call: Callable[[], _Result]) -> _Result:
    """The call's result. Raises ChangedError or another OSError for an error of the store."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except (OSError, BotoCoreError, ClientError) as error:
        cause = error if isinstance(error, ClientError) else error.__cause__
        response = getattr(cause, "response", None) or {}
        if response.get("Error", {}).get("Code") in _CHANGED:
            raise ChangedError(str(error)) from error
        if isinstance(error, OSError):
            raise
        raise OSError(str(error)) from error
