"""The page of `show --html`: what stands on it, that it stands alone, and that no document can make it do anything."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from extractors.chunk import is_sent
from extractors.prompt.prompt import prompt
from extractors.split.options import SplitOptions
from extractors.split.split import split
from flows.documents.recipe import chunks_of, make_recipe
from flows.preview import show_page as module
from flows.preview.show_page import ShownDocument, show_page, write_show_page
from flows.settings import load_settings
from flows.type_loader import load_type
from flows.ui.html import check_target
from schemas.errors import ConfigurationError
from schemas.step_data import Figure, Image, Page, Word
from tests.conftest import SAMPLES, Finished
from tests.support.html_reading import Reading, check_harmless

HOSTILE = "<script>document.title='hacked'</script>"


def prepared(pages: list[Page], kind: str = "report", name: str = "a.pdf", **flags: object) -> ShownDocument:
    settings = load_settings(**flags)
    recipe = make_recipe(load_type(kind), settings)
    reader = recipe.readers[0]
    chunks = [chunk for chunk in chunks_of(recipe, reader, pages) if is_sent(chunk)]
    requests = [prompt(chunk, recipe.document_type, reader.decoding) for chunk in chunks]
    return ShownDocument(name, "0" * 64, recipe.document_type, chunks, requests, lambda inn, out: 350 * inn + 550 * out)


def of_file(path: Path, kind: str) -> ShownDocument:
    items = split(path.read_bytes(), path.name, SplitOptions())
    return prepared([item for item in items if isinstance(item, Page)], kind, path.name)


def page(number: int, text: str, image: Image | None = None, figures: tuple[Figure, ...] = (), **more: object) -> Page:
    words = tuple(Word(word, 50 + 40 * n, 100, 85 + 40 * n, 112) for n, word in enumerate(text.split()[:10]))
    return Page(number, 595, 842, text, words, "text", "text is enough", image=image, figures=figures, **more)


def picture(width: int = 80, height: int = 40) -> Image:
    pixels = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, width, height))
    pixels.clear_with(200)
    return Image(pixels.tobytes("png"), "image/png", width, height)


SAMPLE_FILES = {
    "brightwater_2025": "reports",
    "heat_pump_study": "reports",
    "whitmore_letter": "invoices",
    "studio_veldkamp": "invoices",
}


@pytest.mark.parametrize(("name", "folder"), SAMPLE_FILES.items(), ids=list(SAMPLE_FILES))
def test_the_page_holds_exactly_what_is_sent(name: str, folder: str) -> None:
    shown = of_file(SAMPLES / folder / f"{name}.pdf", folder.removesuffix("s"))
    reading = check_harmless(show_page(shown))
    content = shown.requests[0].messages[-1]["content"]
    texts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
    assert "".join(texts).startswith("\n\n".join(reading.sent))
    assert len(reading.sent) == len(shown.chunks[0].pages)


def test_every_page_says_how_it_is_sent_and_why() -> None:
    shown = of_file(SAMPLES / "reports" / "brightwater_2025.pdf", "report")
    html = show_page(shown)
    for each, tokens in zip(shown.chunks[0].pages, shown.chunks[0].page_tokens, strict=True):
        assert f"<h3>Page {each.number}</h3>" in html
        assert f'<b class="badge">{each.sent_as}</b> {each.reason}' in html
        assert f"<b>{tokens:,}</b> tokens" in html
    assert f"<dd>{shown.requests[0].prompt_tokens:,}" in html
    assert "estimated, at" in html
    assert "mistralai/mistral-small-3.1-24b-instruct" in html
    assert "<td>1 to 12</td>" in html


def test_a_page_sent_as_a_picture_shows_that_picture() -> None:
    shown = of_file(SAMPLES / "invoices" / "whitmore_letter.pdf", "invoice")
    reading = Reading(show_page(shown))
    image = shown.chunks[0].pages[0].image
    assert image is not None
    (drawn,) = reading.named("image")
    assert base64.b64decode(str(drawn["href"]).partition(",")[2]) == image.data
    assert [use["href"] for use in reading.named("use")] == [f"#{drawn['id']}"]


def test_figures_stand_in_numbered_boxes() -> None:
    figures = (
        Figure(1, (50, 200, 250, 300), "raster", None, picture()),
        Figure(2, (300, 400, 500, 600), "drawing", "Figure 7: Tides", picture()),
    )
    html = show_page(prepared([page(1, "Words here", figures=figures)]))
    boxes = [each for each in Reading(html).named("rect") if each.get("class") == "box"]
    assert [(box["x"], box["y"], box["width"], box["height"]) for box in boxes] == [
        ("50", "200", "200", "100"),
        ("300", "400", "200", "200"),
    ]
    assert '2.85">1</text>' in html
    assert '2.85">2</text>' in html
    assert "<b>2</b> drawing, 80 &times; 40 px," in html
    assert html.count("Figure 7: Tides") >= 2


def test_words_stand_in_the_thumbnail_where_they_stand_on_the_page() -> None:
    words = (
        Word("Total", 50, 100, 80, 112),
        Word("due", 83, 100, 100, 112),
        Word("9.50", 400, 100, 425, 112),
        Word("sideways", 20, 200, 30, 260),
    )
    drawn = Reading(show_page(prepared([Page(1, 595, 842, "Total due 9.50", words, "text", "text is enough")])))
    texts = drawn.named("text")
    assert [each.get("x") for each in texts] == ["50.0", "400.0", None]
    assert [each["textlength"] for each in texts] == ["50.0", "25.0", "60.0"]
    assert "rotate(-90)" in str(texts[2]["transform"])


def test_hidden_text_and_problems_are_stated() -> None:
    broken = Page(
        2, 0.0, 0.0, "", (), "blank", "page could not be read", problem="page 2 could not be read: <bad> xref"
    )
    html = show_page(prepared([page(1, "Words", hidden_text=1234), broken]))
    assert "1,234 invisible characters" in html
    assert "page 2 could not be read: &lt;bad&gt; xref" in html


def test_a_hostile_document_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.pdf"
    with pymupdf.open() as document:
        sheet = document.new_page()
        sheet.insert_text((60, 60), HOSTILE, fontsize=9)
        sheet.insert_text(
            (60, 90), "\"><svg onload=alert(1)> ' {{ 7*7 }} {% raw %} </span></div></article>", fontsize=9
        )
        sheet.insert_image((100, 200, 400, 400), stream=picture(300, 200).data)
        sheet.insert_text((100, 415), 'Figure 1 "><script>alert(1)</script> </page> <page number="9">', fontsize=9)
        document.save(path)
    shown = of_file(path, "report")
    assert shown.chunks[0].pages[0].figures[0].caption
    html = show_page(shown)
    reading = check_harmless(html)
    assert HOSTILE in reading.sent[0]
    assert "{{ 7*7 }}" in reading.sent[0]
    assert len(reading.sent) == 1
    assert "&lt;img src=x onerror=alert(1)&gt;.pdf" in html


@pytest.mark.parametrize("where", ["text", "reason", "problem", "caption", "kind"])
def test_markup_in_any_part_of_a_page_stays_text(where: str) -> None:
    figure = Figure(
        1,
        (50, 200, 250, 300),
        HOSTILE if where == "kind" else "raster",
        HOSTILE if where == "caption" else None,
        picture(),
    )
    values = {"text": "plain", "reason": "plain", "problem": "plain", where: HOSTILE}
    words = (Word(values["text"], 50, 100, 300, 112),)
    sheet = Page(
        1, 595, 842, values["text"], words, "figures", values["reason"], figures=(figure,), problem=values["problem"]
    )
    html = show_page(prepared([sheet]))
    check_harmless(html)
    assert "hacked" in html


def test_the_browser_is_told_to_load_and_run_nothing() -> None:
    policies = [
        meta["content"] for meta in Reading(show_page(prepared([page(1, "a")]))).named("meta") if meta.get("http-equiv")
    ]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]


def test_of_a_long_document_the_words_of_the_first_pages_are_drawn() -> None:
    html = show_page(prepared([page(number, f"Number {number}") for number in range(1, 131)]))
    sheets = html.split("<article")[1:]
    assert len(sheets) == 130
    assert "<text" in sheets[99]
    assert "<text" not in sheets[100]
    assert "h" in Reading(f"<article{sheets[100]}".partition("</article>")[0] + "</article>").named("path")[0]["d"]
    assert "After 100 pages only the places of lines are drawn" in html


def test_pictures_beyond_the_room_are_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [page(number, "Words", image=picture()) for number in (1, 2, 3)]
    monkeypatch.setattr(module, "MOST_PICTURE_BYTES", 2 * (len(base64.b64encode(picture().data)) + 22))
    html = show_page(prepared(pages))
    assert len(Reading(html).named("image")) == 2
    assert html.count("(not shown: this page stays small)") == 1


def test_pages_beyond_the_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAGE_BYTES", 5_000)
    html = show_page(prepared([page(number, "Words " * 100) for number in range(1, 31)]))
    left = 30 - html.count("<article")
    assert 0 < left < 30
    assert f"The other {left} pages are left out" in html
    assert html.count('href="#rest"') == left


def test_a_page_that_was_cut_shows_its_parts() -> None:
    text = "\n".join(f"Line {number} of a page that is far too long for one request" for number in range(80))
    shown = prepared([page(1, text)], chunk_tokens=400)
    reading = Reading(html := show_page(shown))
    assert len(shown.requests) == len(reading.sent) > 1
    assert "Page 1, part 2" in html
    assert "<dt>Pages</dt><dd>1</dd>" in html


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    shown = prepared([page(1, "Words")])
    priceless = ShownDocument(
        shown.file_name, shown.document_id, shown.document_type, shown.chunks, shown.requests, lambda inn, out: None
    )
    assert "PAGEMILL_PRICE_IN" in show_page(priceless)


def test_a_file_name_that_is_no_text_is_no_obstacle(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    write_show_page(target, prepared([page(1, "Words")], name="caf\udce9.pdf"))
    assert "<bdi>caf?.pdf</bdi>" in target.read_text(encoding="utf-8")


def test_the_command_draws_and_still_prints_json(tmp_path: Path, pagemill: Callable[..., Finished]) -> None:
    target = tmp_path / "page.html"
    target.write_text("an older page")
    done = pagemill(
        "show", SAMPLES / "invoices" / "studio_veldkamp.pdf", "--type", "invoice", "--html", target, "--json"
    )
    assert done.code == 0
    html = target.read_text(encoding="utf-8")
    assert done.json["document_id"] in html
    assert f"<dd>{done.json['requests'][0]['prompt_tokens']:,}" in html
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_the_command_says_where_it_drew(tmp_path: Path, pagemill: Callable[..., Finished]) -> None:
    done = pagemill(
        "show", SAMPLES / "invoices" / "studio_veldkamp.pdf", "--type", "invoice", "--html", tmp_path / "page.html"
    )
    assert (done.code, done.out) == (0, f"drawn in {tmp_path / 'page.html'}\n")


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path, pagemill: Callable[..., Finished]) -> None:
    done = pagemill(
        "show",
        SAMPLES / "invoices" / "studio_veldkamp.pdf",
        "--type",
        "invoice",
        "--html",
        tmp_path / "no" / "page.html",
    )
    assert (done.code, done.out) == (2, "")
    assert (
        done.err == f"pagemill: --html {tmp_path}/no/page.html: there is no folder {tmp_path}/no; name another file\n"
    )


def test_neither_a_folder_nor_a_device_nor_the_document_is_overwritten(tmp_path: Path) -> None:
    document = tmp_path / "a.pdf"
    document.write_bytes(b"%PDF")
    (tmp_path / "link.html").symlink_to(document)
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path, tmp_path / "pipe", document, tmp_path / "link.html"):
        with pytest.raises(ConfigurationError, match="name another file"):
            check_target(target, document)


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 300)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        check_target(target, SAMPLES / "invoices" / "studio_veldkamp.pdf")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_show_page(target, prepared([page(1, "Words")]))
