"""The server through real HTTP: what it tells, what a change does to the tables, what it refuses, and how it ends."""

import re
import shutil
import signal
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pandas as pd
import pytest
from PIL import Image as Pixels

from flows.review.correct import correct, open_with_type
from flows.storage.open import read_dataset
from tests.conftest import SAMPLES, Finished
from tests.flows.storage.places import Place
from tests.support.reviewing import Reviewing, reviewing
from tests.support.waiting import wait_until


def ids(server: Reviewing) -> dict[str, str]:
    return {row["name"]: row["id"] for row in server.get("/api/documents")["rows"]}


def field(told: dict[str, Any], *names: str) -> Any:
    nodes = told["fields"]
    for name in names[:-1]:
        nodes = next(node for node in nodes if node["name"] == name)["fields"]
    return next(node for node in nodes if node["name"] == names[-1])


def test_the_list_is_filtered_by_the_server(server: Reviewing) -> None:
    everything = server.get("/api/documents")
    assert (everything["total"], everything["documents"], everything["rows"][0]["name"]) == (
        5,
        5,
        "whitmore_letter.pdf",
    )
    assert [row["name"] for row in server.get("/api/documents?marks=partial")["rows"]] == ["whitmore_letter.pdf"]
    assert [row["name"] for row in server.get("/api/documents?search=VELD")["rows"]] == ["studio_veldkamp.pdf"]
    group = quote("Nordlicht Elektrotechnik GmbH")
    assert [row["name"] for row in server.get(f"/api/documents?group={group}")["rows"]] == ["nordlicht.pdf"]
    assert server.get("/api/documents?start=4")["rows"] == everything["rows"][4:]


def test_a_page_is_told_with_its_words_and_its_picture(server: Reviewing) -> None:
    calder = ids(server)["calder_point.pdf"]
    told = server.get(f"/api/documents/{calder}/pages/2")
    assert (told["width"], told["height"]) == (612, 792)
    assert [word[0] for word in told["words"][:2]] == ["Calder", "Point"]
    picture = server.ask(told["picture"])
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert Pixels.open(BytesIO(picture.body)).size == (1190, 1540)


def test_a_page_without_a_picture_has_its_text_and_the_reason(out: Path, tmp_path: Path, extract: Callable) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "invoices" / "nordlicht.pdf", tmp_path / "in" / "here.pdf")
    extract(tmp_path / "in", tmp_path / "other")
    (tmp_path / "in" / "here.pdf").unlink()
    with reviewing(tmp_path / "other") as server:
        server.enter()
        told = server.get(f"/api/documents/{ids(server)['here.pdf']}/pages/1")
        assert "here.pdf: cannot be read (No such file or directory)" in told["note"]
        assert "Nordlicht Elektrotechnik GmbH" in told["text"]
        picture = server.ask(f"/api/documents/{ids(server)['here.pdf']}/pages/1/picture")
        assert (picture.status, picture.json["error"]) == (404, told["note"])


def test_a_change_is_published_with_who_why_and_where(out: Path) -> None:
    with reviewing(out) as server:
        server.enter()
        calder = ids(server)["calder_point.pdf"]
        told = server.get(f"/api/documents/{calder}")
        wrong = {"field": "/net_total", "value": "a lot", "version": told["version"], "page": 3}
        refused = server.change(calder, **wrong)
        assert refused.status == 422
        assert "/net_total: a lot: no number" in refused.json["error"]
        assert server.get(f"/api/documents/{calder}") == told

        done = server.change(calder, **{**wrong, "value": "82,504.90"}, note=" as printed ")
        assert done.status == 200
        after = done.json["document"]
        assert field(after, "net_total")["value"] == "82504.90"
        place = after["places"]["/net_total"]
        assert (place["match"], place["page"]) == ("corrected", 3)
        assert place["box"] is not None
        (row,) = read_dataset(out).rows("corrections", ["by", "field", "new", "note", "page", "quote"]).to_pylist()
        assert (row["by"], row["field"], row["note"], row["page"]) == ("Ada", "/net_total", "as printed", 3)
        assert "82,504.90" in row["quote"]

        late = server.change(calder, field="/number", value="X", version=told["version"])
        assert late.status == 409
        assert "changed meanwhile" in late.json["error"]
        assert late.json["document"]["version"] == after["version"]

        items = field(after, "line_items")
        assert len(items["rows"]) == 84
        removed = server.change(calder, field="/line_items/0", value=None, version=after["version"]).json["document"]
        rows = field(removed, "line_items")["rows"]
        assert [row["cells"] for row in rows] == [row["cells"] for row in items["rows"][1:]]
        more = server.change(
            calder, field="/line_items/-", value='{"description": "Rope", "amount": "1,234.50"}', version=removed["version"]
        ).json["document"]  # fmt: skip
        assert field(more, "line_items")["rows"][-1]["cells"][:1] == ["Rope"]
        accepted = server.change(calder, field="", value=None, version=more["version"]).json["document"]
        assert (accepted["accepted"], accepted["review"]) == (True, False)
        row = next(row for row in server.get("/api/documents")["rows"] if row["id"] == calder)
        assert (row["accepted"], row["corrected"]) == (True, True)
    table = pd.read_parquet(out / "invoice", dtype_backend="pyarrow").set_index("document_id").loc[calder]
    assert table["net_total"] == Decimal("82504.9")
    amounts = pd.read_parquet(out / "invoice_line_items", dtype_backend="pyarrow")
    assert Decimal("1234.5") in amounts[amounts["document_id"] == calder]["amount"].to_list()


def test_what_others_change_meanwhile_is_seen(out: Path) -> None:
    with reviewing(out) as server:
        server.enter()
        calder = ids(server)["calder_point.pdf"]
        before = server.get(f"/api/documents/{calder}")
        dataset, document_type = open_with_type(out)
        correct(dataset, document_type, calder, "/number", "Z-9", by="Bo")
        after = server.get(f"/api/documents/{calder}")
        assert (field(after, "number")["value"], after["history"][0]["by"]) == ("Z-9", "Bo")
        assert server.change(calder, field="/number", value="X", version=before["version"]).status == 409
        assert server.get("/api/documents?marks=corrected")["total"] == 1


def test_a_document_that_is_not_published_is_told_so(server: Reviewing) -> None:
    answer = server.ask(f"/api/documents/{'0' * 64}")
    assert answer.status == 422
    assert "is not published" in answer.json["error"]


@pytest.mark.parametrize("place", ["disk", "s3"], indirect=True)
def test_a_dataset_in_a_store_is_reviewed(extract: Callable, place: Place) -> None:
    target = place.url or place.root
    extract(SAMPLES / "invoices", target)
    with reviewing(target) as server:
        server.enter()
        nordlicht = ids(server)["nordlicht.pdf"]
        told = server.get(f"/api/documents/{nordlicht}")
        assert server.ask(server.get(f"/api/documents/{nordlicht}/pages/1")["picture"]).status == 200
        assert server.change(nordlicht, field="/number", value="N-1", version=told["version"]).status == 200
        assert server.get("/api/documents?marks=corrected")["total"] == 1


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_well_when_it_is_told_to(out: Path, by: signal.Signals) -> None:
    with reviewing(out) as server:
        server.enter()
        assert server.get("/api/documents")["total"] == 5
        assert server.end(by) == 0
        _, told = server.process.communicate()
        assert "Traceback" not in told
        assert len(told.splitlines()) == 1, told


def test_a_port_that_is_taken_and_a_folder_that_is_no_dataset_are_refused(
    out: Path, tmp_path: Path, pagemill: Callable[..., Finished]
) -> None:
    with reviewing(out) as server:
        port = server.host.rpartition(":")[2]
        done = pagemill("review", out, "--port", port)
        assert done.code == 2
        assert f"--port {port}: Address already in use; choose another port" in done.err
    done = pagemill("review", tmp_path)
    assert (done.code, "is no Pagemill dataset" in done.err) == (2, True)


def test_two_servers_each_have_their_own_cookie(out: Path) -> None:
    with reviewing(out) as one, reviewing(out) as two:
        one.enter()
        two.enter()
        both = f"{one.cookie}; {two.cookie}"
        assert one.ask("/api/documents", cookie=both).status == two.ask("/api/documents", cookie=both).status == 200
        assert one.ask("/api/documents", cookie=two.cookie).status == 403


def test_the_browser_is_given_a_file_of_ours_with_a_ticket_that_lets_in_once(out: Path, tmp_path: Path) -> None:
    script = tmp_path / "browser"
    script.write_text(
        f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened.aside && mv {tmp_path}/opened.aside {tmp_path}/opened\n'
    )
    script.chmod(0o700)
    with reviewing(out, "--open", BROWSER=f"{script} %s") as server:
        wait_until((tmp_path / "opened").exists)
        words = (tmp_path / "opened").read_text()  # what everybody on the machine can see
        door = Path(urlsplit(words).path)
        assert words.startswith("file://")
        assert (door.stat().st_mode & 0o777, door.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        address = re.search(r"url=([^\"]+)", door.read_text())[1]
        assert address.startswith(f"http://{server.host}{server.place}?ticket=")
        assert server.url.partition("token=")[2] not in words + address
        ticket = f"/?{urlsplit(address).query}"
        first, second = server.ask(ticket), server.ask(ticket)
        assert (first.status, second.status, "set-cookie" in second.headers) == (200, 403, False)
        assert b'content="0; url=./"' in first.body
        server.cookie = first.headers["set-cookie"].partition(";")[0]
        assert server.ask("/").status == 200
    assert not door.exists()


def test_it_dies_with_nothing_left_behind(out: Path) -> None:
    import psutil

    with reviewing(out) as server:
        server.enter()
        assert server.ask(server.get(f"/api/documents/{ids(server)['nordlicht.pdf']}/pages/1")["picture"]).status == 200
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert children
        server.process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == []


def test_the_help_says_what_it_does(pagemill: Callable[..., Finished]) -> None:
    said = pagemill("review", "--help").out
    for option in ("--html", "--limit", "--by", "--port", "--open", "--type"):
        assert option in said
