"""The places that datasets are tested in, and a bucket of documents: a folder, a folder that keeps the conditions of an object
store, and an S3-compatible server on loopback, which only tests marked `s3_contract` use in `make test`."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.storage import places


@pytest.fixture(params=["disk", "folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> places.Place:
    """OUT on disk, on an object store without a server, and on an S3-compatible one."""
    if request.param != "s3":
        return places.Place(request.param, tmp_path / "out")
    return places.Place("s3", tmp_path, places.bucket(request.getfixturevalue("s3_server")))


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill leaves there what it leaves on a disk, some hundred kills are quicker."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory, prefix="pagemill-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """An empty bucket: call it with a key and bytes to put an object, which returns its etag."""
    import boto3

    from flows.sources import s3_listing as objects

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    objects._store.cache_clear()
    client = boto3.client("s3")
    client.create_bucket(Bucket="archive")

    def put(key: str, content: bytes | None) -> str:
        if content is None:
            client.delete_object(Bucket="archive", Key=key)
            return ""
        return client.put_object(Bucket="archive", Key=key, Body=content)["ETag"].strip('"')

    yield put
    for each in client.list_objects_v2(Bucket="archive").get("Contents", ()):
        client.delete_object(Bucket="archive", Key=each["Key"])
    client.delete_bucket(Bucket="archive")
    client.close()
    objects._store.cache_clear()
