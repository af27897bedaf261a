"""Documents in S3-compatible object stores: listed and read through s3fs.

A page of a listing has size, time and etag of a thousand objects, so an object needs no request of its own until it is read.
Credentials, region and endpoint come from the same places as for the AWS tools (`AWS_*` variables, profiles, the machine's
role).
"""

import datetime
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

from flows.storage.backends.s3 import file_system
from schemas.errors import ConfigurationError

SCHEME = "s3://"
_BLOCK = 8 << 20  # bytes of one ranged read
_URL = re.compile(r"s3://(?:(?P<user>[^/@]*)@)?(?P<bucket>[^/@?]+)(?:/(?P<key>.*?))?(?:\?[\w.-]+=.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing shows it. `modified_us` counts microseconds since 1970 (UTC)."""

    key: str
    size: int
    modified_us: int
    etag: str


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """A bucket, a key or a prefix in it, and credentials: `user` is `key:secret`, empty for those of the environment."""

    bucket: str
    key: str
    user: str = ""

    @property
    def uri(self) -> str:
        """The URL without credentials, as in the tables."""
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def opened_as(self) -> str | None:
        """The URL with credentials; None where it has none."""
        return f"{SCHEME}{self.user}@{self.bucket}/{self.key}" if self.user else None


def object_url(url: str) -> ObjectUrl:
    """Bucket, key and user of an `s3://` URL, without its query. Raises ConfigurationError for anything else."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ConfigurationError(f"invalid address {url.rpartition('@')[2]}: expected s3://bucket/prefix/")
    return ObjectUrl(match["bucket"], match["key"] or "", match["user"] or "")


def list_objects(location: ObjectUrl) -> Iterator[StoredObject]:
    """The objects whose keys begin with `location.key`, by key. Raises ConfigurationError when the store refuses."""
    store = _store(location.user)
    token: dict[str, str] = {}
    while True:
        page = _page(store, location, token)
        for entry in page.get("Contents", ()):
            yield StoredObject(
                entry["Key"], int(entry["Size"]), microseconds(entry["LastModified"]), entry["ETag"].strip('"')
            )
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def find_objects(locations: Iterable[ObjectUrl]) -> dict[str, StoredObject]:
    """Facts of single objects by URL, from as few pages of a listing as possible; missing objects are left out."""
    by_folder: dict[tuple[str, str, str], set[str]] = {}
    for position in locations:
        by_folder.setdefault((position.user, position.bucket, position.key.rpartition("/")[0]), set()).add(position.key)
    objects: dict[str, StoredObject] = {}
    for (user, bucket, _), keys in by_folder.items():
        last = max(keys)
        prefix = os.path.commonprefix([min(keys), last])  # noqa: RUF071 - a store's prefix may end within a name
        for listed in list_objects(ObjectUrl(bucket, prefix, user)):
            if listed.key in keys:
                objects[ObjectUrl(bucket, listed.key).uri] = listed
            if listed.key >= last:
                break
    return objects


def open_object(url: str) -> tuple[IO[bytes], StoredObject]:
    """An opened object and its facts; all bytes read have its etag. Raises OSError, see `is_changed`."""
    location = object_url(url)
    store = _store(location.user)
    try:
        file = store.open(f"{location.bucket}/{location.key}", "rb", block_size=_BLOCK, cache_type="readahead")
    except OSError:
        raise
    except _refusals() as error:
        raise OSError(str(error)) from error
    facts = file.details
    stored = StoredObject(
        location.key, int(facts["size"]), microseconds(facts["LastModified"]), facts["ETag"].strip('"')
    )
    return file, stored


def microseconds(time: datetime.datetime) -> int:
    """Microseconds since 1970."""
    return (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


def _page(store: Any, location: ObjectUrl, token: dict[str, str]) -> Any:
    try:
        return store.call_s3("list_objects_v2", Bucket=location.bucket, Prefix=location.key, **token)
    except _refusals() as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"{location.uri} cannot be listed ({reason}); check the bucket's name, the AWS_* variables and the rights to list it"
        ) from error


def _refusals() -> tuple[type[Exception], ...]:
    """Errors of s3fs: OSError, and those of botocore that it does not translate."""
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError


@cache
def _store(user: str) -> Any:
    key, _, secret = user.partition(":")
    return file_system(SCHEME, **({"key": key, "secret": secret} if user else {}))
