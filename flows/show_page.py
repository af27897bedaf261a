"""`pagemill show --html`: one page for people that shows what would be sent of a document, and why.

The page stands alone: pictures are data URLs, nothing is loaded and no script runs. Whatever comes from the document is
escaped by the template, and a Content-Security-Policy forbids the rest. Only split renders pages, so a thumbnail is the
picture of the page where one is sent, else a drawing: its words where they stand, its figures in their boxes.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from extractors.chunk import answer_estimator, scalar_answer_tokens
from extractors.tabulate import usd
from extractors.tokens import count_image
from flows.storage.files import write_durably
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.pipeline import Box, Chunk, Image, Page, Request, Word

DRAWN_PAGES = 100  # of these the words are drawn; of later ones only where lines stand
MOST_PICTURES = 20_000_000  # bytes of data URLs: pictures beyond are named, not shown
MOST_PAGES = 8_000_000  # bytes of everything else about pages: with these a browser opens the file in seconds
_UNREAD_SIZE = (595.0, 842.0)  # A4: a page that could not be read has no size
_MEANING = {
    "text": "its text is enough: nothing but text is sent",
    "figures": "its text, and a picture of each figure in a numbered box",
    "image": "a picture of the whole page, beside whatever text can be trusted",
    "blank": "nothing to read: only its number is sent",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document as it would be sent: `requests` runs beside `chunks`. `cost_nusd` prices tokens in and out."""

    file_name: str
    document_id: str
    document_type: DocumentType
    chunks: Sequence[Chunk]
    requests: Sequence[Request]
    cost_nusd: Callable[[int, int], int | None]


def check_target(target: Path, document: Path) -> None:
    """Raise ConfigurationError, before any work, where the page cannot or must not be written."""
    try:
        fault = _fault(target, document)
    except OSError as error:
        fault = f"cannot be written ({error.strerror})"
    if fault:
        raise ConfigurationError(f"--html {target}: {fault}; name another file")


def write_show_page(target: Path, prepared: Prepared) -> None:
    """Write the page to `target`, whole or not at all. Raises ConfigurationError when it cannot be written."""
    data = show_page(prepared).encode("utf-8", "replace")  # a file name may hold bytes that are no text
    try:
        write_durably(target.resolve(), data)
    except OSError as error:
        raise ConfigurationError(f"--html {target}: cannot be written ({error.strerror}); name another file") from error


def show_page(prepared: Prepared) -> str:
    """The page as HTML."""
    templates = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates.filters["number"] = "{:,}".format
    sheets = list(_sheets(prepared))
    rendered = list(_within(MOST_PAGES, templates.from_string(_SHEET), sheets))
    first = prepared.requests[0]
    tokens_in = sum(request.prompt_tokens for request in prepared.requests)
    tokens_out = _answer_tokens(prepared)
    return templates.from_string(_PAGE).render(
        prepared=prepared,
        sheets=sheets,
        rendered=rendered,
        drawn_pages=DRAWN_PAGES,
        tallest=max((sheet.tokens for sheet in sheets), default=1) or 1,
        pages=len({sheet.page.number for sheet in sheets}),
        counts=Counter(sheet.page.sent_as for sheet in sheets),
        hidden=sum(sheet.page.hidden_text for sheet in sheets if sheet.part == 0),
        meaning=_MEANING,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=usd(prepared.cost_nusd(tokens_in, tokens_out)),
        prices=[usd(prepared.cost_nusd(1_000_000, 0)), usd(prepared.cost_nusd(0, 1_000_000))],
        costs=[usd(prepared.cost_nusd(request.prompt_tokens, 0)) for request in prepared.requests],
        spans=[_span(chunk) for chunk in prepared.chunks],
        model=first.model,
        system=first.messages[0]["content"],
        task=_parts(first)[-1]["text"].rpartition("</page>")[2].strip(),
        schema=json.dumps(first.schema, indent=2, ensure_ascii=False),
    )


def _fault(target: Path, document: Path) -> str | None:
    if not target.parent.is_dir():
        return f"there is no folder {target.parent}"
    if not target.exists():
        return None
    if not target.is_file():
        return "is not a file that can be replaced"  # a rename would put a file in the place of a device
    if document.exists() and target.samefile(document):
        return "is the document itself"
    return None


class _Run(NamedTuple):
    """Words that stand side by side on one line, drawn as one; `turned` reads from bottom to top."""

    text: str
    box: Box
    turned: bool


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that is sent with a page; `url` is null when the page of ours would get too large with it."""

    name: str
    image: Image
    box: Box
    tokens: int
    url: str | None
    number: int = 0  # of the figure; 0 is the page as a whole
    kind: str = "the whole page"
    caption: str | None = None

    @property
    def width(self) -> float:
        return max(1.0, self.box[2] - self.box[0])

    @property
    def height(self) -> float:
        return max(1.0, self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A page, or `part` of a page that was cut, as the template draws it. `sent` are its pieces as in the request."""

    index: int
    page: Page
    part: int
    request: int
    tokens: int
    size: tuple[float, float]
    runs: list[_Run]
    pictures: list[_Picture]
    sent: list[str | _Picture] = field(default_factory=list)

    @property
    def image_tokens(self) -> int:
        return sum(picture.tokens for picture in self.pictures)

    @property
    def is_drawn(self) -> bool:
        return self.index < DRAWN_PAGES

    @property
    def shows_page(self) -> bool:
        return any(picture.number == 0 and picture.url for picture in self.pictures)


def _sheets(prepared: Prepared) -> Iterator[_Sheet]:
    index, room = 0, MOST_PICTURES
    for place, (chunk, request) in enumerate(zip(prepared.chunks, prepared.requests, strict=True)):
        urls = iter(_urls(request))
        blocks = _blocks(request)
        for page, tokens, block in zip(chunk.pages, chunk.page_tokens, blocks, strict=True):
            pictures = []
            for number, (image, box, about) in enumerate(_placed(page)):
                url = next(urls)
                shown = url if len(url) <= room else None
                room -= len(shown or "")
                cost = count_image(image.width, image.height)
                pictures.append(_Picture(f"p{index}-{number}", image, box, cost, shown, **about))
            waiting = iter(pictures)
            sent = [next(waiting) if piece is None else piece for piece in block]
            size = (page.width, page.height) if min(page.width, page.height) > 0 else _UNREAD_SIZE
            runs = [] if page.image is not None else list(_runs(page.words))
            yield _Sheet(index, page, chunk.part, place + 1, tokens, size, runs, pictures, sent)
            index += 1


def _placed(page: Page) -> Iterator[tuple[Image, Box, dict[str, Any]]]:
    """The pictures of a page in the order in which they are sent, each with its box."""
    if page.image is not None:
        yield page.image, (0.0, 0.0, page.width, page.height), {}
    for figure in page.figures:
        yield figure.image, figure.box, {"number": figure.number, "kind": figure.kind, "caption": figure.caption}


def _parts(request: Request) -> list[dict[str, Any]]:
    content = request.messages[-1]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _urls(request: Request) -> list[str]:
    return [part["image_url"]["url"] for part in _parts(request) if part["type"] != "text"]


def _blocks(request: Request) -> list[list[str | None]]:
    """What the request says of each page, exactly; null where a picture stands.

    A block can be told apart since `prompt` lets no page open or close one.
    """
    blocks: list[list[str | None]] = []
    for part in _parts(request):
        if part["type"] != "text":
            blocks[-1].append(None)
            continue
        for piece in re.split(r'^(?=<page number="\d+">$)', part["text"], flags=re.MULTILINE):
            if piece.startswith("<page"):
                blocks.append([piece])
            elif piece:
                blocks[-1].append(piece)
    last = blocks[-1][-1] or ""
    blocks[-1][-1] = last[: last.rindex("</page>")] + "</page>"  # what follows is the task
    return [[*block[:-1], block[-1].rstrip("\n") if block[-1] else None] for block in blocks]


def _runs(words: Sequence[Word]) -> Iterator[_Run]:
    """Words joined to lines: a tenth of the elements, and nothing that an eye would miss."""
    held: list[Word] = []
    for word in words:
        if held and not _goes_on(held[-1], word):
            yield _run(held)
            held = []
        held.append(word)
    if held:
        yield _run(held)


def _goes_on(left: Word, right: Word) -> bool:
    height = left.y1 - left.y0
    level = abs(left.y1 - right.y1) < 0.2 * height and abs(height - (right.y1 - right.y0)) < 0.2 * height
    return level and -0.2 * height < right.x0 - left.x1 < 0.6 * height  # 0.6 em: a wide space, no column gap


def _run(words: Sequence[Word]) -> _Run:
    x0, y0, x1, y1 = words[0].x0, words[0].y0, words[-1].x1, max(word.y1 for word in words)
    text = " ".join(word.text for word in words)
    return _Run(text, (x0, y0, x1, y1), len(text) > 2 and y1 - y0 > 1.5 * (x1 - x0))


def _within(most: int, template: Template, sheets: Sequence[_Sheet]) -> Iterator[str]:
    """The sheets as HTML, as far as they find room."""
    room = most
    for sheet in sheets:
        text = template.render(sheet=sheet, meaning=_MEANING)
        room -= len(text) - sum(len(picture.url or "") for picture in sheet.pictures)
        if room < 0:
            return
        yield text


def _answer_tokens(prepared: Prepared) -> int:
    root = prepared.document_type.root
    rows = answer_estimator(root)
    return sum(scalar_answer_tokens(root) + sum(map(rows, chunk.pages)) for chunk in prepared.chunks)


def _span(chunk: Chunk) -> str:
    first, last = chunk.pages[0].number, chunk.pages[-1].number
    if first != last:
        return f"{first} to {last}"
    return f"{first}, part {chunk.part + 1}" if chunk.part else str(first)


_SHEET = """\
{% macro about(picture) %}{{ picture.kind }}, {{ picture.image.width }} &times; {{ picture.image.height }} px,
  {{- " " }}{{ picture.tokens|number }} tokens{{ "" if picture.url else " (not shown: this page stays small)" }}
{%- endmacro %}
{% macro close_up(picture, most) %}<svg class="crop" viewBox="{{ "%g %g %g %g"|format(picture.box[0], picture.box[1],
  picture.width, picture.height) }}" style="max-width:{{ "%.1f"|format(most * picture.width / picture.height) }}rem"
  role="img" aria-label="{{ picture.caption or picture.kind }}"><use href="#{{ picture.name }}"/></svg>{% endmacro %}
<article class="sheet {{ sheet.page.sent_as }}" id="sheet-{{ sheet.index }}">
  <header>
    <h3>Page {{ sheet.page.number }}{% if sheet.part %}, part {{ sheet.part + 1 }}{% endif %}</h3>
    <p class="why"><b class="badge">{{ sheet.page.sent_as }}</b> {{ sheet.page.reason }}</p>
    <p class="cost"><b>{{ sheet.tokens|number }}</b> tokens{% if sheet.image_tokens %}:
      {{ (sheet.tokens - sheet.image_tokens)|number }} text, {{ sheet.image_tokens|number }} pictures{% endif %}</p>
  </header>
  {% if sheet.page.problem %}
  <p class="note bad"><b>Problem</b> {{ sheet.page.problem }}</p>
  {% endif %}
  {% if sheet.page.hidden_text %}
  <p class="note"><b>Hidden text</b> {{ sheet.page.hidden_text|number }} characters that no eye sees are left out.</p>
  {% endif %}
  <div class="sides">
    <figure class="thumb">
      <svg viewBox="0 0 {{ "%g %g"|format(*sheet.size) }}" role="img" aria-label="Page {{ sheet.page.number }} as
      {%- if sheet.shows_page %} the picture that is sent{% else %} a drawing of its words{% endif %}
      {%- for picture in sheet.pictures if picture.number %}, box {{ picture.number }}:
      {{- " " ~ (picture.caption or picture.kind) }}{% endfor %}">
        {% set unit = (sheet.size[0] + sheet.size[1]) / 100 %}
        {% if not sheet.is_drawn %}
        <path d="{% for run in sheet.runs if not run.turned %}M{{ "%.0f %.0fh%.0f"|format(run.box[0],
          (run.box[1] + run.box[3]) / 2, run.box[2] - run.box[0]) }}{% endfor %}" class="greek"/>
        {% else %}
        {% for run in sheet.runs %}
        {% set x0, y0, x1, y1 = run.box %}
        {% if run.turned and x1 > x0 %}
        <text transform="translate({{ "%.1f %.1f"|format(x0 + (x1 - x0) * 0.78, y1) }})rotate(-90)" font-size="
          {{- "%.1f"|format((x1 - x0) * 0.75) }}" textLength="{{ "%.1f"|format(y1 - y0) }}" lengthAdjust="
          {{- "spacingAndGlyphs" }}">{{ run.text }}</text>
        {% elif x1 > x0 and y1 > y0 %}
        <text x="{{ "%.1f"|format(x0) }}" y="{{ "%.1f"|format(y0 + (y1 - y0) * 0.78) }}" font-size="
          {{- "%.1f"|format((y1 - y0) * 0.75) }}" textLength="{{ "%.1f"|format(x1 - x0) }}" lengthAdjust="
          {{- "spacingAndGlyphs" }}">{{ run.text }}</text>
        {% endif %}
        {% endfor %}
        {% endif %}
        {% for picture in sheet.pictures %}
        {% set x0, y0 = picture.box[:2] %}
        {% if picture.url %}
        <image id="{{ picture.name }}" x="{{ "%g"|format(x0) }}" y="{{ "%g"|format(y0) }}" width="
          {{- "%g"|format(picture.width) }}" height="{{ "%g"|format(picture.height) }}" preserveAspectRatio="none" href="
          {{- picture.url }}"/>
        {% elif picture.number == 0 %}
        <text x="{{ unit * 4 }}" y="{{ unit * 8 }}" font-size="{{ unit * 3 }}">picture not shown</text>
        {% endif %}
        {% endfor %}
        {% for picture in sheet.pictures if picture.number %}
        {% set x0, y0 = picture.box[:2] %}
        <rect class="box" x="{{ "%g"|format(x0) }}" y="{{ "%g"|format(y0) }}" width="
          {{- "%g"|format(picture.width) }}" height="{{ "%g"|format(picture.height) }}"/>
        {% set wide = 3 + 0.8 * (picture.number|string|length) %}
        <g class="tag" transform="translate({{ "%g %g"|format([x0 - 0.6 * unit * wide, 0]|max, y0) }})scale({{
          "%.3f"|format(0.6 * unit) }})">
          <rect width="{{ wide }}" height="3.8"/><text x="{{ wide / 2 }}" y="2.85">{{ picture.number }}</text></g>
        {% endfor %}
      </svg>
      {% for picture in sheet.pictures if picture.number %}
      <div class="crop">
        {% if picture.url %}{{ close_up(picture, 14) }}{% endif %}
        <p><b>{{ picture.number }}</b> {{ about(picture) }}{% if picture.caption %}<br>{{ picture.caption }}{% endif %}</p>
      </div>
      {% endfor %}
    </figure>
    <div class="sent" role="region" tabindex="0" aria-label="What is sent of page {{ sheet.page.number }}">
      {%- for piece in sheet.sent -%}
      {% if piece is string %}<span>{{ piece }}</span>
      {%- else %}<i>{{ "picture %d"|format(piece.number) if piece.number else about(piece) }}</i>
      {%- if piece.number == 0 and piece.url %}{{ close_up(piece, 38) }}{% endif %}{% endif -%}
      {% endfor -%}
    </div>
  </div>
</article>
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ prepared.file_name }}: what is sent</title>
<style>
:root { --ground: #f4f5f7; --card: #fff; --ink: #1b2430; --soft: #566272; --line: #d8dde4; --code: #f8f9fb;
  --text: #2f6fb0; --picture: #d9822b; --box: #c02672; --bad: #a4161a; --bad-ground: #fdecec; --note-ground: #fff6e0;
  --blank: #77808c; --badge: #fff; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1b2129; --ink: #e7ebf0; --soft: #a3aebb;
  --line: #333c47; --code: #151a21; --text: #6aa9e6; --picture: #eda353; --box: #c02672; --bad: #ff9c9c;
  --bad-ground: #3a1c1f; --note-ground: #352c17; --blank: #a3aebb; --badge: #12161c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 0; white-space: nowrap; }
p { margin: 0; }
code, pre, .sent { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
.lead { color: var(--soft); overflow-wrap: anywhere; }
.lead code { font-size: .8rem; }
.facts { display: flex; flex-wrap: wrap; gap: 1px; margin: 1.5rem 0 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.facts div { flex: 1 1 9rem; background: var(--card); padding: .75rem 1rem; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; overflow-wrap: anywhere; }
.panel, .sheet { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.panel { padding: 1rem 1.25rem; }
.bars { list-style: none; display: flex; gap: 2px; margin: 0; padding: 0 .6rem .25rem 0;
  overflow-x: auto; }
.bars li { flex: 1 0 6px; min-width: 0; max-width: 3rem; font-size: .7rem; text-align: center; color: var(--soft); }
.bars a { display: flex; flex-direction: column; justify-content: flex-end; height: 6.5rem;
  border-bottom: 1px solid var(--line); border-radius: 3px 3px 0 0; overflow: hidden; }
.bars a:hover { background: var(--ground); }
.bars span { display: block; min-height: 0; }
.bars .t, .key .t { background: var(--text); }
.bars .p, .key .p { background: var(--picture); }
.bars .n { display: flex; justify-content: center; height: 1.1rem; }
.bars.many { gap: 1px; }
.bars.many li { flex-basis: 2px; }
.bars.many a { border-radius: 0; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0 0; padding: 0; list-style: none;
  color: var(--soft); font-size: .85rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem;
  vertical-align: -1px; }
.key i.b { border: 2px solid var(--box); }
.ways { display: grid; grid-template-columns: auto auto 1fr; gap: .4rem .75rem; align-items: baseline;
  margin: 1rem 0 0; padding: 1rem 0 0; border-top: 1px solid var(--line); list-style: none; font-size: .9rem; }
.ways li { display: contents; }
.ways .n { text-align: right; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.ways .m { color: var(--soft); }
.badge { display: inline-block; padding: 0 .55rem; border-radius: 1rem; color: var(--badge); font-size: .8rem;
  font-weight: 600; line-height: 1.5rem; background: var(--way); justify-self: start; }
.text { --way: #2f6fb0; } .figures { --way: #9d1c5c; } .image { --way: #9a5410; } .blank { --way: #5f6875; }
@media (prefers-color-scheme: dark) { .text { --way: #6aa9e6; } .figures { --way: #f08bbd; }
  .image { --way: #eda353; } .blank { --way: #a3aebb; } }
.sheet { margin: 0 0 1rem; overflow: hidden; content-visibility: auto; contain-intrinsic-size: auto 36rem; }
.sheet:target { outline: 3px solid var(--text); }
.sheet header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .9rem; padding: .7rem 1rem;
  border-bottom: 1px solid var(--line); border-left: 5px solid var(--way); }
.why { flex: 1 1 14rem; overflow-wrap: anywhere; }
.why .badge { margin-right: .4rem; }
.cost { color: var(--soft); font-size: .9rem; font-variant-numeric: tabular-nums; }
.cost b { color: var(--ink); }
.note { padding: .5rem 1rem; background: var(--note-ground); border-bottom: 1px solid var(--line); font-size: .9rem;
  overflow-wrap: anywhere; }
.note.bad { background: var(--bad-ground); color: var(--bad); }
.note b { margin-right: .4rem; }
.sides { display: grid; grid-template-columns: minmax(0, 22rem) minmax(0, 1fr); background: var(--code); }
.thumb { margin: 0; padding: 1rem; background: var(--ground); border-right: 1px solid var(--line); }
.thumb svg { display: block; width: 100%; max-height: 36rem; margin: 0 auto; background: #fff;
  border: 1px solid var(--line); user-select: none; }
.thumb text { fill: #262f3b; font-family: "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
.greek { stroke: #aab3be; stroke-width: 5; }
.box { fill: none; stroke: #c02672; stroke-width: 2.5; vector-effect: non-scaling-stroke; }
.tag rect { fill: #c02672; }
.tag text { fill: #fff; font-size: 2.7px; font-weight: 700; text-anchor: middle; }
.sent { min-width: 0; max-height: 64rem; overflow: auto; padding: 1rem; background: var(--code); font-size: .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.sent i { display: inline-block; padding: 0 .5rem; border: 1px solid var(--picture); border-radius: 4px;
  font-style: normal; font-family: system-ui, sans-serif; margin-bottom: .35rem; }
.sent svg.crop { display: block; width: 100%; background: #fff; border: 1px solid var(--line); }
div.crop { margin-top: 1rem; font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; }
div.crop b { display: inline-block; min-width: 1.3rem; padding: 0 .3rem; background: var(--box); color: #fff;
  text-align: center; }
div.crop svg { margin: 0 0 .35rem; border: 2px solid var(--box); }
a { color: var(--text); }
:focus-visible { outline: 3px solid var(--text); outline-offset: -3px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .75rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
details { margin-top: .75rem; }
summary { cursor: pointer; font-weight: 600; }
pre { margin: .5rem 0 0; padding: 1rem; max-height: 36rem; overflow: auto; border: 1px solid var(--line);
  border-radius: 6px; background: var(--code); font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 46rem) { main { padding: 1.25rem .75rem 3rem; } h1 { font-size: 1.4rem; }
  .sides { grid-template-columns: minmax(0, 1fr); }
  .sent { max-height: 30rem; } .thumb { border-right: 0; border-bottom: 1px solid var(--line); }
  .ways { grid-template-columns: auto 1fr; } .ways .m { grid-column: 1 / -1; margin-bottom: .4rem; } .panel { padding: .9rem; } }
@media print { .sheet { content-visibility: visible; } .sent, pre { max-height: none; } }
</style>
</head>
<body>
<main>
<header>
  <h1><bdi>{{ prepared.file_name }}</bdi></h1>
  <p class="lead">What would be sent of this document as <b>{{ prepared.document_type.name }}</b>, and why. Nothing has
  been sent.</p>
  <p class="lead"><code>{{ prepared.document_id }}</code></p>
  <dl class="facts">
    <div><dt>Pages</dt><dd>{{ pages|number }}</dd></div>
    <div><dt>Requests</dt><dd>{{ prepared.requests|length|number }}<small>{{ model }}</small></dd></div>
    <div><dt>Tokens in</dt><dd>{{ tokens_in|number }}<small>exact</small></dd></div>
    <div><dt>Tokens out</dt><dd>{{ tokens_out|number }}<small>expected</small></dd></div>
    <div><dt>Cost</dt>{% if cost is none %}<dd>unknown<small>set PAGEMILL_PRICE_IN and
      PAGEMILL_PRICE_OUT</small></dd>{% else %}<dd>${{ "%.4f"|format(cost) }}<small>estimated, at
      ${{ "%.2f"|format(prices[0]) }} in and ${{ "%.2f"|format(prices[1]) }} out a million</small></dd>{% endif %}</div>
  </dl>
</header>
<section aria-labelledby="glance">
  <h2 id="glance">Where the tokens go</h2>
  <div class="panel">
    <ol class="bars{{ " many" if sheets|length > 60 }}" aria-label="Tokens by page">
      {% for sheet in sheets %}
      {% set about = "Page %d, %s: %s"|format(sheet.page.number, sheet.page.sent_as, sheet.page.reason) %}
      <li><a href="#{% if loop.index0 < rendered|length %}sheet-{{ sheet.index }}{% else %}rest{% endif %}" title="
        {{- about }}" aria-label="{{ about }}; {{ sheet.tokens|number }} tokens"><span class="p" style="height:
        {{- "%.1f"|format(100 * sheet.image_tokens / tallest) }}%"></span><span class="t" style="height:
        {{- "%.1f"|format(100 * (sheet.tokens - sheet.image_tokens) / tallest) }}%"></span></a>
        {% if sheets|length <= 31 or sheet.page.number % 10 == 0 %}<span class="n">{{ sheet.page.number }}</span>{% endif %}
      </li>
      {% endfor %}
    </ol>
    <ul class="key">
      <li><i class="t"></i>text</li>
      <li><i class="p"></i>pictures</li>
      <li><i class="b"></i>a figure that is sent as a picture of its own</li>
      <li>tallest bar: {{ tallest|number }} tokens</li>
    </ul>
    <ul class="ways">
      {% for way, says in meaning.items() if counts[way] %}
      <li class="{{ way }}"><span class="badge {{ way }}">{{ way }}</span><span class="n">{{ counts[way]|number }} page
        {{- "" if counts[way] == 1 else "s" }}</span><span class="m">{{ says }}</span></li>
      {% endfor %}
    </ul>
  </div>
</section>
<section aria-labelledby="pages">
  <h2 id="pages">Pages: as they stand, and as they are sent</h2>
  {% for sheet in rendered %}
  {{ sheet|safe }}{# rendered with escaping, above #}
  {% endfor %}
  {% if rendered|length < sheets|length %}
  <p class="panel" id="rest">The other {{ (sheets|length - rendered|length)|number }} pages are left out, so that this
  page opens quickly; <code>pagemill show --json</code> has them.</p>
  {% endif %}
</section>
<section aria-labelledby="requests">
  <h2 id="requests">Requests</h2>
  <div class="panel">
    <div class="wide" role="region" tabindex="0" aria-label="Requests"><table>
      <thead><tr><th scope="col">Request</th><th scope="col">Pages</th><th scope="col">Tokens in</th><th scope="col">
        Most tokens out</th><th scope="col">USD in</th><th scope="col">Model</th></tr></thead>
      <tbody>
        {% for request in prepared.requests %}
        <tr><td>{{ loop.index }}</td><td>{{ spans[loop.index0] }}</td><td>{{ request.prompt_tokens|number }}</td><td>
          {{- request.max_tokens|number }}</td><td>{% if costs[loop.index0] is none %}unknown{% else %}
          {{- "%.4f"|format(costs[loop.index0]) }}{% endif %}</td><td>{{ request.model }}</td></tr>
        {% endfor %}
      </tbody>
    </table></div>
    <details><summary>What every request begins and ends with</summary>
<pre tabindex="0">{{ system }}</pre>
<pre tabindex="0">{{ task }}</pre></details>
    <details><summary>Response schema: the shape that the answer must have</summary>
<pre tabindex="0">{{ schema }}</pre></details>
  </div>
</section>
<footer>
  <p>Drawn by <code>pagemill show --html</code>. A thumbnail is the picture of the page where one is sent, else a drawing
  from its words: rules and colours are missing, and so are logos and pictures that are not sent.
  {% if sheets|length > drawn_pages %}After {{ drawn_pages }} pages only the places of lines are drawn.{% endif %}</p>
</footer>
</main>
</body>
</html>
"""
