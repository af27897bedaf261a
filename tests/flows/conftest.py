"""An S3-compatible store for the tests of sources: a server on loopback, in this process, that ends with the test session."""

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture(scope="session")
def object_server() -> Iterator[str]:
    """The store's URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(object_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """An empty bucket: call it with a key and bytes to put an object, which returns its etag."""
    import boto3

    from flows import objects

    for name, value in {
        "AWS_ENDPOINT_URL": object_server,
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
