"""`pagemill show --html`: one page for people with the requests of a document, and the reasons for their content.

The page is self-contained: pictures are data URLs, nothing is loaded and no script runs. Texts of the document are escaped by
the template, and a Content-Security-Policy forbids the rest. Only split renders pages, so a thumbnail is the picture of the
page where one is sent, else a drawing of its words at their positions and of its figures.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from extractors.chunk import answer_estimator, scalar_answer_tokens
from extractors.tabulate.tabulate import usd
from extractors.tokens import count_image
from flows.ui.html import environment, write_page
from schemas.document_type import DocumentType
from schemas.step_data import Box, Chunk, Image, Page, Request, Word

DRAWN_PAGES = 100  # pages drawn with words; later ones with the boxes of lines only
MOST_PICTURE_BYTES = 20_000_000  # bytes of data URLs: further pictures are named, not shown
MOST_PAGE_BYTES = 8_000_000  # bytes of the other content: a browser opens such a file in seconds
_UNREAD_SIZE = (595.0, 842.0)  # A4: a page that could not be read has no size
_MEANING = {
    "text": "its text is enough: only text is sent",
    "figures": "its text, and a picture of each figure in a numbered box",
    "image": "a picture of the whole page, with the text that can be trusted",
    "blank": "nothing to read: only its number is sent",
}


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """A document as it would be sent: one of `requests` for each of `chunks`. `cost_nusd` is the price of tokens in and out."""

    file_name: str
    document_id: str
    document_type: DocumentType
    chunks: Sequence[Chunk]
    requests: Sequence[Request]
    cost_nusd: Callable[[int, int], int | None]


def write_show_page(target: Path, prepared: ShownDocument) -> None:
    """Write the page to `target`, whole or not at all. Raises ConfigurationError where it cannot be written."""
    write_page(target, show_page(prepared))


def show_page(prepared: ShownDocument) -> str:
    """The page as HTML."""
    templates = environment()
    sheets = list(_sheets(prepared))
    rendered = list(_within(MOST_PAGE_BYTES, templates.get_template("show_sheet.html").render, sheets))
    first = prepared.requests[0]
    tokens_in = sum(request.prompt_tokens for request in prepared.requests)
    tokens_out = _answer_tokens(prepared)
    return templates.get_template("show_page.html").render(
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


class _Run(NamedTuple):
    """Words side by side on one line, drawn as one element; `turned` for text from bottom to top."""

    text: str
    box: Box
    turned: bool


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that is sent with a page; `url` is None where it would make the HTML page too large."""

    name: str
    image: Image
    box: Box
    tokens: int
    url: str | None
    number: int = 0  # of the figure; 0 is the whole page
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
    """A page, or `part` of a divided page, for the template. `sent` are its pieces as in the request."""

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


def _sheets(prepared: ShownDocument) -> Iterator[_Sheet]:
    index, room = 0, MOST_PICTURE_BYTES
    for position, (chunk, request) in enumerate(zip(prepared.chunks, prepared.requests, strict=True)):
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
            yield _Sheet(index, page, chunk.part, position + 1, tokens, size, runs, pictures, sent)
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
    """Exact text of each page in the request, with None for pictures.

    Blocks are unambiguous, since `prompt` lets no page open or close one.
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
    blocks[-1][-1] = last[: last.rindex("</page>")] + "</page>"  # the task follows
    return [[*block[:-1], block[-1].rstrip("\n") if block[-1] else None] for block in blocks]


def _runs(words: Sequence[Word]) -> Iterator[_Run]:
    """Words joined to lines: a tenth of the elements, with no visible difference."""
    line: list[Word] = []
    for word in words:
        if line and not _goes_on(line[-1], word):
            yield _run(line)
            line = []
        line.append(word)
    if line:
        yield _run(line)


def _goes_on(left: Word, right: Word) -> bool:
    height = left.y1 - left.y0
    level = abs(left.y1 - right.y1) < 0.2 * height and abs(height - (right.y1 - right.y0)) < 0.2 * height
    return level and -0.2 * height < right.x0 - left.x1 < 0.6 * height  # 0.6 em: a wide space, no column gap


def _run(words: Sequence[Word]) -> _Run:
    x0, y0, x1, y1 = words[0].x0, words[0].y0, words[-1].x1, max(word.y1 for word in words)
    text = " ".join(word.text for word in words)
    return _Run(text, (x0, y0, x1, y1), len(text) > 2 and y1 - y0 > 1.5 * (x1 - x0))


def _within(most: int, draw: Callable[..., str], sheets: Sequence[_Sheet]) -> Iterator[str]:
    """The sheets as HTML, up to `most` characters without pictures."""
    room = most
    for sheet in sheets:
        text = draw(sheet=sheet, meaning=_MEANING)
        room -= len(text) - sum(len(picture.url or "") for picture in sheet.pictures)
        if room < 0:
            return
        yield text


def _answer_tokens(prepared: ShownDocument) -> int:
    root = prepared.document_type.root
    rows = answer_estimator(root)
    return sum(scalar_answer_tokens(root) + sum(map(rows, chunk.pages)) for chunk in prepared.chunks)


def _span(chunk: Chunk) -> str:
    first, last = chunk.pages[0].number, chunk.pages[-1].number
    if first != last:
        return f"{first} to {last}"
    return f"{first}, part {chunk.part + 1}" if chunk.part else str(first)
