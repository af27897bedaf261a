"""`why`: the page, the quote, the answer, the recipe, the checks and the corrections of one value."""

import json
import re
import shutil
from pathlib import Path

import pytest

from flows.cli import main


@pytest.fixture
def out(samples_out: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(samples_out["invoices"], tmp_path / "out"))


def test_it_tells_the_page_the_quote_the_check_and_the_answer(out: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["why", str(out), "nordlicht.pdf", "/gross_total"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("nordlicht.pdf /gross_total = 8407.89\n")
    assert re.search(r"normalized: page 1, box \d+ \d+ \d+ \d+ points", said)
    assert "8.407,89" in said
    assert "check gross: holds" in said
    assert re.search(r"answer [0-9a-f]{12} \(chunk 0\) of offline: [\d,]+ tokens in, [\d,]+ out, \$0\.0000", said)
    assert "the model read" not in said


def test_it_tells_who_corrected_it_and_what_was_read_before(out: Path, capsys: pytest.CaptureFixture) -> None:
    main(["correct", str(out), "nordlicht.pdf", "seller_name", "Ada & Co", "--by", "ada", "--note", "stamp"])
    main(["correct", str(out), "nordlicht.pdf", "/number", "7", "--by", "bob"])
    capsys.readouterr()
    assert main(["why", str(out), "nordlicht.pdf", "seller_name", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["field"], told["value"], told["extracted"]) == (
        "/seller/name",
        "Ada & Co",
        "Nordlicht Elektrotechnik GmbH",
    )
    assert [(each["by"], each["field"], each["new"], each["note"]) for each in told["corrections"]] == [
        ("ada", "/seller/name", "Ada & Co", "stamp")
    ]
    main(["why", str(out), "nordlicht.pdf", "/line_items/0/amount"])
    said = capsys.readouterr().out
    assert "/line_items/0/amount = 978" in said
    assert "check sum of items" in said or "check net" in said


def test_a_conflict_tells_what_is_stated_elsewhere(out: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["why", str(out), "calder_point.pdf", "net_total"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"stated otherwise on page \d: 30", said)
    assert "problem: conflict" in said


def test_a_value_cannot_command_the_terminal(out: Path, capsys: pytest.CaptureFixture) -> None:
    main(
        [
            "correct",
            str(out),
            "nordlicht.pdf",
            "/buyer/name",
            "a\x1b[31mb\u202ec",
            "--by",
            "ada\x07",
            "--note",
            "\x9b2J",
        ]
    )
    main(["why", str(out), "nordlicht.pdf", "/buyer/name"])
    said = capsys.readouterr().out
    assert "a\ufffd[31mb\ufffdc" in said
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)


def test_the_picture_shows_the_place_and_stays_there_without_the_source(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    page = tmp_path / "why.html"
    assert main(["why", str(out), "nordlicht.pdf", "/gross_total", "--html", str(page)]) == 0
    html = page.read_text()
    assert html.count("data:image/") == 1
    assert html.count('<rect class="box"') == 1
    assert "http" not in html.replace("http-equiv", "")
    assert main(["why", str(out), "whitmore_letter.pdf", "/number", "--html", str(page)]) == 0
    assert "The value has no page" in page.read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        ("nordlicht.pdf", "nope", "nordlicht.pdf has no /nope: expected one of /number"),
        ("nordlicht.pdf", "/line_items/99", "has no /line_items/99"),
        ("nobody.pdf", "/number", "nobody.pdf is no document"),
    ],
)
def test_what_is_not_there_is_said(
    out: Path, capsys: pytest.CaptureFixture, document: str, field: str, message: str
) -> None:
    assert main(["why", str(out), document, field]) == 2
    assert message in capsys.readouterr().err
