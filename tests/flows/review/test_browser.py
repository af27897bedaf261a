"""The page in a real browser: reading, choosing, correcting by mouse and by keys, as one file, and with nothing in it that acts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.review.export import export
from flows.runs.resources import Engine
from flows.settings import load_settings
from flows.storage.open import read_dataset
from tests.support.browser import Browser, browser
from tests.support.painted import Studio, studio
from tests.support.reviewing import reviewing

pytestmark = pytest.mark.real_browser

HOSTILE = "<img src=x onerror=window.hacked=1></script><script>window.hacked=1</script>{{7*7}}<!--\u202e"
HOSTILE_NAME = "<img src=x onerror=window.hacked=1>{{7*7}}"
REFUSED = (
    "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"  # how Chromium tells it
)
CONTRAST = """(() => {
    const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
            .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const color = getComputedStyle(each).backgroundColor;
            if (!/, 0\\)$|transparent/.test(color)) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.matches("script, :disabled, :disabled *")) continue;
        const [one, two] = [light(getComputedStyle(element).color), light(ground(element))];
        const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        if (ratio < 4.5) poor.push(`${element.outerHTML.slice(0, 80)} ${ratio.toFixed(2)}`);
    }
    return poor;
})()"""


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


def enter(page: Browser, url: str, width: int = 1280, *, is_dark: bool = False) -> None:
    page.open(url, width, is_dark=is_dark)
    is_drawn(page)


def is_drawn(page: Browser) -> None:
    page.wait("document.querySelector('#sheet img')?.complete && document.querySelector('#sheet img').naturalWidth > 0")


def open_named(page: Browser, name: str) -> None:
    page.wait(f"[...document.querySelectorAll('.doc-name')].some((each) => each.textContent === {name!r})")
    place = page.tell(f"[...document.querySelectorAll('.doc-name')].findIndex((each) => each.textContent === {name!r})")
    page.click(f"#documents li:nth-child({place + 1}) button")
    page.wait(f"document.querySelector('#record h2')?.textContent === {name!r}")
    is_drawn(page)


def text(page: Browser, selector: str) -> str:
    return str(page.wait(f"document.querySelector({selector!r})?.innerText"))


def label_of_focus(page: Browser) -> str:
    return str(page.tell("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))


def value(label: str) -> str:
    """The selector of the field that is called so."""
    return f'#record .value[aria-label^="{label}:"]'


def box(label: str) -> str:
    return f'#sheet .box[aria-label^="{label}:"]'


def in_sight(selector: str, inside: str) -> str:
    """The script that tells whether an element is in sight inside another."""
    return f"""(() => {{
        const [inner, outer] = [{selector!r}, {inside!r}].map((each) => document.querySelector(each).getBoundingClientRect());
        return inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1 && inner.height > 0;
    }})()"""


def names(page: Browser) -> list[str]:
    return page.tell("[...document.querySelectorAll('.doc-name')].map((each) => each.textContent)")


def test_a_document_is_found_read_and_corrected_by_mouse(page: Browser, out: Path, tmp_path: Path) -> None:
    with reviewing(out) as server:
        enter(page, server.url)
        assert page.tell("location.search") == ""
        assert names(page)[0] == "whitmore_letter.pdf"
        assert len(names(page)) == 5
        page.click("#mark-partial")
        page.wait("document.querySelectorAll('.doc').length === 1")
        assert text(page, "#total") == "1 of 5 documents, worst first"
        page.click("#mark-partial")
        page.wait("document.querySelectorAll('.doc').length === 5")
        page.click("#search")
        page.write("calder")
        page.wait("document.querySelector('#record h2')?.textContent === 'calder_point.pdf'")
        page.tell("document.querySelector('#search').value = ''")
        page.write(" ")
        page.wait("document.querySelectorAll('.doc').length === 5")
        is_drawn(page)
        page.click("#larger")
        page.click("#larger")
        page.click(value("gross total"))  # it stands at the foot of the third page
        page.wait("document.querySelector('#page-number').textContent === 'page 3 of 3'")
        page.wait(f"document.querySelector({box('gross total')!r})?.getAttribute('aria-current') === 'true'")
        page.wait("document.querySelectorAll('.box.chosen').length === 1")
        page.wait(in_sight(box("gross total"), "#scroll"))
        assert "89,847.84" in text(page, "#details")

        page.click(box("line items 64, description"))
        page.wait(
            f"document.querySelector({value('line items 64, description')!r}).getAttribute('aria-current') === 'true'"
        )
        page.wait(in_sight(value("line items 64, description"), "#record"))
        assert page.tell("document.querySelectorAll('#record .value.chosen').length") == 1

        page.click(".told .link")
        page.wait(f"document.querySelector({box('net total')!r})?.classList.contains('chosen')")
        page.click("#details .small")
        page.write("a lot")
        page.click("#details form button")
        refused = text(page, "#edit-refused:not([hidden])")
        assert "/net_total: a lot: no number" in refused
        assert page.tell("document.activeElement.getAttribute('aria-invalid')") == "true"
        assert page.tell("document.querySelector('#edit-value').value") == "a lot"
        assert page.troubles == [REFUSED]
        page.troubles.clear()
        page.tell("document.querySelector('#edit-value').select()")
        page.write("82,504.90")
        page.click("#note")
        page.write("as printed")
        page.click("#details form button")
        page.wait("!!document.querySelector('.history')")
        assert text(page, value("net total")) == "82504.90"
        assert text(page, "#live") == "saved: net total is 82,504.90"
        assert page.tell(f"document.querySelector({box('net total')!r}).classList.contains('corrected')")
        assert label_of_focus(page) == "net total: 82504.90, corrected"

        page.reload()
        is_drawn(page)
        assert text(page, "#record h2") == "calder_point.pdf"
        assert text(page, value("net total")) == "82504.90"
        page.click(".history summary")
        assert re.search(
            r"net total: .* 82504.9\s+.?as printed.?\s+Ada, 20", text(page, ".history li").replace("\u201c", "")
        )
        assert page.troubles == []
    (row,) = read_dataset(out).rows("corrections", ["by", "field", "note", "page"]).to_pylist()
    assert row == {"by": "Ada", "field": "/net_total", "note": "as printed", "page": 3}


def test_everything_is_done_with_keys_alone(page: Browser, out: Path) -> None:
    with reviewing(out) as server:
        enter(page, server.url)
        page.press("j")
        page.wait("document.querySelector('#record h2')?.textContent === 'calder_point.pdf'")
        page.press("k")
        page.wait("document.querySelector('#record h2')?.textContent === 'whitmore_letter.pdf'")
        page.press("k")
        page.wait("document.querySelector('#live').textContent === 'this is the first document'")
        page.press("?")
        page.wait("document.querySelector('#keys').open")
        page.press("j", "Escape")
        page.wait("!document.querySelector('#keys').open")
        assert text(page, "#record h2") == "whitmore_letter.pdf"

        page.press("ArrowDown", "ArrowDown")
        page.wait("document.activeElement.getAttribute('aria-label') === 'issue date: null'")
        page.press("ArrowUp", "Enter")
        page.wait("document.activeElement.id === 'edit-value'")
        page.write("w 56")
        page.press("1", "Escape")
        page.wait("document.activeElement.getAttribute('aria-label') === 'number: null'")
        page.press("e")
        page.write("W 561")
        page.press("Enter")
        page.wait("document.activeElement.getAttribute('aria-label') === 'number: W 561, corrected'")
        page.press("ArrowDown", "e")
        page.write("9.1.2026")
        page.press("Enter")
        page.wait("document.activeElement.getAttribute('aria-label') === 'issue date: 2026-01-09, corrected'")
        page.press("/")
        assert page.tell("document.activeElement.id") == "search"
        page.press("n", "a")  # in it these are letters
        page.wait("document.querySelectorAll('.doc').length === 0")
        page.press("Escape")
        page.wait("document.querySelectorAll('.doc').length === 5")
        page.press("a")
        page.wait("document.querySelector('#record h2').textContent === 'calder_point.pdf'")
        page.press("n", "n")
        page.wait("document.querySelector('#page-number').textContent === 'page 3 of 3'")
        page.press("p")
        page.wait("document.querySelector('#page-number').textContent === 'page 2 of 3'")
        page.press("k")
        page.wait("document.querySelector('#record h2').textContent === 'whitmore_letter.pdf'")
        assert "accepted" in text(page, "#record .signs")
        assert page.troubles == []
    rows = read_dataset(out).rows("corrections", ["field", "new"]).to_pylist()
    assert [row["field"] for row in rows] == ["/number", "/issue_date", ""]
    assert [row["new"] for row in rows[:2]] == ["W 561", "2026-01-09"]


def test_rows_are_added_and_removed_and_words_of_the_page_are_taken_over(page: Browser, out: Path) -> None:
    with reviewing(out) as server:
        enter(page, server.url)
        open_named(page, "nordlicht.pdf")
        count = page.tell("document.querySelectorAll('tbody tr').length")
        page.click(".adding button")
        page.write("Kabel")
        page.click(".add form button, form.add button")
        page.wait(f"document.querySelectorAll('tbody tr').length === {count + 1}")
        page.click(value(f"line items {count + 1}, description"))
        page.click("#details .small:nth-child(2)")
        assert page.tell("document.querySelectorAll('tbody tr:not(.details)').length") == count + 1
        assert text(page, "#details .small:nth-child(2)") == f"Remove line items {count + 1} for sure"
        page.click("#details .small:nth-child(2)")
        page.wait(f"document.querySelectorAll('tbody tr').length === {count}")

        page.click(value("number"), times=2)
        page.wait("document.activeElement.id === 'edit-value'")
        page.click('.word[aria-label="take over Nordlicht"]')
        page.click('.word[aria-label="take over Elektrotechnik"]', shift=True)
        assert page.tell("document.activeElement.value") == "Nordlicht Elektrotechnik"
        page.press("Escape")
        assert page.tell("document.querySelectorAll('.word').length") == 0
        assert page.troubles == []


def check_is_accessible(page: Browser) -> None:
    """Every control has a name, no two elements one id, every text stands out from its ground."""
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = {"button", "textbox", "searchbox", "combobox", "checkbox", "link", "dialog", "region", "img", "group"}
    shown = [each for each in nodes if not each.get("ignored") and each.get("role", {}).get("value") in controls]
    assert len(shown) > 30
    assert [each for each in shown if not each.get("name", {}).get("value")] == []
    ids = page.tell("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    assert page.tell("document.querySelector('#live').getAttribute('aria-live')") == "polite"
    assert page.tell(CONTRAST) == []


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_it_fits_and_can_be_read_at_every_width(
    page: Browser, out: Path, tmp_path: Path, width: int, is_dark: bool
) -> None:
    with reviewing(out) as server:
        enter(page, server.url, width, is_dark=is_dark)
        open_named(page, "calder_point.pdf")
        page.wait("document.querySelectorAll('#sheet .box').length > 20")
        assert page.tell("document.documentElement.scrollWidth") <= width
        check_is_accessible(page)
        page.click(value("line items 1, quantity"))
        page.press("e")
        page.write("many")
        page.press("Enter")
        text(page, "#edit-refused:not([hidden])")
        assert page.tell("document.documentElement.scrollWidth") <= width
        page.wait(in_sight("#edit-refused", "#details"))
        check_is_accessible(page)
        page.screen(tmp_path / "screen.png")
        assert (tmp_path / "screen.png").stat().st_size > 20_000


def hostile(place: Studio) -> None:
    """Documents whose text, file name and answers are markup, in every field that there is."""
    (place.root / "in").mkdir()
    (place.root / "in" / f"{HOSTILE_NAME}.txt").write_text(f"Paint a0\n{HOSTILE}\n", encoding="utf-8")
    place.model.tells = lambda body: {
        "name": HOSTILE, "colour": f"{HOSTILE}{{}}", "layers": [{"made_of": HOSTILE}, {"made_of": "javascript:window.hacked=1"}],
    }  # fmt: skip
    place.run()


@pytest.fixture
def painted(tmp_path: Path, offline_engine: Engine) -> Any:
    with studio(tmp_path, offline_engine) as place:
        yield place


def check_harmless(page: Browser, address: str) -> None:
    """Nothing ran, nothing was made, nothing was asked for, and what was said is there to be read."""
    assert page.tell("window.hacked") is None
    assert page.tell("document.querySelectorAll('img').length") == 1
    assert page.tell("document.querySelectorAll('script').length") == 2
    assert page.tell("document.querySelectorAll('[onerror], [onclick], [onload]').length") == 0
    assert page.tell("document.querySelector('#record h2').textContent") == f"{HOSTILE_NAME}.txt"
    values = page.tell("[...document.querySelectorAll('#record .value bdi')].map((each) => each.textContent)")
    assert values[0] == HOSTILE
    assert page.troubles == []
    assert [each for each in page.requested if not each.startswith((address, "data:image/"))] == []


def test_what_a_document_a_model_or_a_person_says_is_text(page: Browser, painted: Studio, tmp_path: Path) -> None:
    hostile(painted)
    with reviewing(painted.out) as server:
        enter(page, server.url)
        page.click(value("name"))
        page.click("#note")
        page.write(HOSTILE)
        page.press("Escape", "e")
        page.write(f"{HOSTILE}2")
        page.press("Enter")
        page.wait("!!document.querySelector('.history')")
        page.press("e")
        page.tell("document.querySelector('#edit-value').select()")
        page.write(HOSTILE)
        page.press("Enter")
        page.wait("document.querySelectorAll('.history li').length === 2")
        page.click(".history summary")
        assert HOSTILE in page.tell("document.querySelector('.history').textContent")
        check_harmless(page, f"http://{server.host}/")
    (painted.root / "in" / f"{HOSTILE_NAME}.txt").rename(painted.root / "gone")
    with reviewing(painted.out) as server:  # the reason why there is no picture names the file, and its text is shown
        page.open(server.url, 1280)
        page.wait("!document.querySelector('#page-note').hidden")
        assert HOSTILE_NAME in text(page, "#page-note")
        assert "window.hacked" in text(page, "#page-text")
        assert page.tell("document.querySelectorAll('#sheet .box').length") > 0
        assert page.tell("window.hacked") is None
        assert page.troubles == []


def test_the_file_opens_without_a_server_and_asks_for_nothing(
    page: Browser, samples_out: dict[str, Path], painted: Studio, tmp_path: Path
) -> None:
    target = tmp_path / "review.html"
    export(samples_out["invoices"], None, load_settings(), target, 4)
    for width in (400, 1280):
        enter(page, target.as_uri(), width, is_dark=width == 400)
        assert page.tell("document.documentElement.scrollWidth") <= width
        assert "This file has the 4 worst of 5 documents." in text(page, "#left-out")
        open_named(page, "calder_point.pdf")
        page.click(value("gross total"))
        page.wait(f"document.querySelector({box('gross total')!r})?.classList.contains('chosen')")
        page.press("e", "a")
        assert page.tell("document.querySelectorAll('form.edit, #note, .adding').length") == 0
        check_is_accessible(page)
        page.click("#mark-partial")
        page.wait("document.querySelectorAll('.doc').length === 1")
        assert page.troubles == []
        assert {each for each in page.requested if not each.startswith("data:image/")} == {target.as_uri()}
    hostile(painted)
    export(painted.out, None, load_settings(), target, 4)
    enter(page, target.as_uri())
    page.click(value("name"))
    check_harmless(page, target.as_uri())


def test_a_problem_of_a_page_brings_that_page(page: Browser, samples_out: dict[str, Path], tmp_path: Path) -> None:
    export(samples_out["reports"], None, load_settings(), tmp_path / "review.html", 1)
    enter(page, (tmp_path / "review.html").as_uri())
    assert "page 2: 1 of 8 rows of key_figures" in text(page, ".told")
    assert text(page, "#page-number") == "page 1 of 12"
    page.click(".told .link")
    page.wait("document.querySelector('#page-number').textContent === 'page 2 of 12'")
    assert page.troubles == []


def test_a_run_that_goes_on_meanwhile_is_seen_at_the_next_look(page: Browser, painted: Studio) -> None:
    painted.write("a0", "b0")
    painted.run()
    with reviewing(painted.out) as server:
        enter(page, server.url)
        assert sorted(names(page)) == ["a0.txt", "b0.txt"]
        painted.write("c0")
        painted.run()
        page.click("#mark-partial")
        page.wait("document.querySelectorAll('.doc').length === 0")
        page.click("#mark-partial")
        page.wait("document.querySelectorAll('.doc').length === 3")
        assert page.troubles == []
