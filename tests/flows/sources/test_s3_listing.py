"""Documents in an S3-compatible store: listed without asking for each, read whole and of one version."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from flows.sources.discover import discover
from flows.sources.s3_listing import ObjectUrl, list_objects, object_url, open_object
from flows.sources.spool import spool
from schemas.errors import ChangedWhileReadError, ConfigurationError, UnreadableDocumentError


def found(*sources: str, out: str = "/nowhere") -> list[str]:
    return [each.uri.removeprefix("s3://archive/") for each in discover(sources, out, [".pdf", ".txt"]).addresses]


def test_a_prefix_a_glob_and_an_object_are_found_with_their_listed_facts(bucket: Callable) -> None:
    etags = {
        key: bucket(key, key.encode()) for key in ("in/a.pdf", "in/sub/b.PDF", "in/c.xyz", "in/out/d.pdf", "inn.pdf")
    }
    assert found("s3://archive/in/") == ["in/a.pdf", "in/out/d.pdf", "in/sub/b.PDF"]
    assert found("s3://archive/in", out="s3://archive/in/out") == ["in/a.pdf", "in/sub/b.PDF"]
    assert found("s3://archive") == ["in/a.pdf", "in/out/d.pdf", "in/sub/b.PDF", "inn.pdf"]
    assert found("s3://archive/in/**/*.pdf") == ["in/a.pdf", "in/out/d.pdf"]
    assert found("s3://archive/in/?.pdf") == ["in/a.pdf"]
    assert found("s3://archive/in/c.xyz") == ["in/c.xyz"]  # named explicitly
    (address,) = discover(["s3://archive/in/a.pdf?versionId=7"], "/nowhere", [".pdf"]).addresses
    assert (address.uri, address.size, address.etag) == ("s3://archive/in/a.pdf", 8, etags["in/a.pdf"])


def test_a_listing_asks_for_a_page_at_a_time_and_for_no_object(
    bucket: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    for number in range(7):
        bucket(f"many/{number}.pdf", b"x")
    asked = []
    ask = s3fs.S3FileSystem.call_s3

    def counted(self: object, method: str, **options: object) -> object:
        asked.append(method)
        return ask(self, method, **options, MaxKeys=3)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", counted)
    assert [each.key for each in list_objects(ObjectUrl("archive", "many/"))] == [f"many/{n}.pdf" for n in range(7)]
    assert asked == ["list_objects_v2"] * 3


def test_a_list_of_objects_takes_their_facts_from_listings(bucket: Callable, tmp_path: Path) -> None:
    for key in ("x/1.pdf", "x/2.pdf", "x/3.pdf", "y/1.pdf"):
        bucket(key, b"content")
    path = tmp_path / "list.csv"
    path.write_text("uri,vendor\ns3://archive/y/1.pdf,A\ns3://archive/x/3.pdf,B\ns3://archive/x/none.pdf,C\n")
    facts = [(each.uri, each.size, each.attributes) for each in discover([f"@{path}"], "/nowhere", [".pdf"]).addresses]
    assert facts == [
        ("s3://archive/y/1.pdf", 7, '{"vendor": "A"}'),
        ("s3://archive/x/3.pdf", 7, '{"vendor": "B"}'),
        ("s3://archive/x/none.pdf", None, '{"vendor": "C"}'),
    ]


def test_credentials_of_a_url_are_used_and_shown_nowhere(bucket: Callable, tmp_path: Path) -> None:
    bucket("in/a.pdf", b"content")
    (address,) = discover(["s3://someone:canary@archive/in/"], "/nowhere", [".pdf"]).addresses
    assert address.uri == "s3://archive/in/a.pdf"
    assert "canary" not in f"{address.uri} {address.found_by} {address.attributes}"
    assert spool(address, tmp_path).document.source_uri == "s3://archive/in/a.pdf"
    assert object_url(address.opened_as).user == "someone:canary"


@pytest.mark.parametrize(
    "source", ["s3://nobody/in/", "s3://", "s3://u:canary@nobody/x", "gs://bucket/x", "s3://archive/none/"]
)
def test_what_cannot_be_listed_is_one_error_that_names_no_secret(bucket: Callable, source: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        discover([source], "/nowhere", [".pdf"])
    assert "canary" not in str(caught.value)


def test_without_the_extra_the_message_names_it(bucket: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(ConfigurationError, match=r"pagemill\[s3\]"):
        discover(["s3://archive/in/"], "/nowhere", [".pdf"])


def test_an_object_replaced_while_it_is_read_is_read_again_whole(
    bucket: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket("a.pdf", b"old" * 100)
    (address,) = discover(["s3://archive/a.pdf"], "/nowhere", [".pdf"]).addresses
    replaced = []

    def opened(url: str) -> tuple:
        file, facts = open_object(url)
        if len(replaced) < times:
            replaced.append(
                bucket("a.pdf", b"new%d" % len(replaced) * 100)
            )  # after it was looked at, before it is read
        return file, facts

    monkeypatch.setattr("flows.sources.spool.open_object", opened)
    times = 1
    taken = spool(address, tmp_path)
    assert taken.path.read_bytes() == b"new0" * 100
    assert (taken.address.etag, taken.is_settled) == (replaced[0], True)
    times = 3
    with pytest.raises(ChangedWhileReadError):
        spool(address, tmp_path)


def test_an_object_that_is_not_there_any_more_fails_alone(bucket: Callable, tmp_path: Path) -> None:
    bucket("a.pdf", b"x")
    (address,) = discover(["s3://archive/a.pdf"], "/nowhere", [".pdf"]).addresses
    bucket("a.pdf", None)
    with pytest.raises(UnreadableDocumentError, match=r"s3://archive/a\.pdf") as caught:
        spool(address, tmp_path)
    assert not caught.value.retryable


def test_a_run_reads_a_store_once_and_knows_a_new_version_by_its_etag(
    bucket: Callable, tmp_path: Path, extract: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket("in/a.txt", b"Invoice number: A-1")
    bucket("in/b.txt", b"Invoice number: B-1")
    opened: list[str] = []
    monkeypatch.setattr("flows.sources.spool.open_object", lambda url: (opened.append(url), open_object(url))[1])
    first = extract("s3://archive/in/", tmp_path / "out")
    again = extract("s3://archive/in/", tmp_path / "out")
    assert (first.summary["discovered"], first.summary["already_done"], len(opened)) == (2, 0, 2)
    assert (again.summary["already_done"], again.exit_code) == (2, 0)
    etag = bucket("in/a.txt", b"Invoice number: A-2")
    third = extract("s3://archive/in/", tmp_path / "out")
    assert (third.summary["already_done"], third.summary["ok"] + third.summary["partial"], len(opened)) == (1, 1, 3)
    rows = duckdb.sql(
        f"select source_uri, etag, bytes from '{tmp_path}/out/sources/*.parquet' order by seen_at"
    ).fetchall()
    assert rows[-1] == ("s3://archive/in/a.txt", etag, 19)
    assert len(rows) == 3
