"""Pages to chunks: consecutive pages that share one request, packed on both sides.

A chunk's pages must fit the input window, and the answer expected for them must fit the model's output limit. A page is cut
only when it alone does not fit the window, and then at a line.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from extractors.tokens import count_text
from schemas.errors import OversizedPageError
from schemas.fields import Field, walk_fields
from schemas.step_data import Chunk, Figure, Image, Page

JOIN_TOKENS = (
    2  # tokens that joining two texts may cost beyond their sum: the merge of two tokens is undone at the seam
)
_LEAF_SYNTAX = 6  # tokens of quotes, colon, comma and null around one leaf of a JSON answer
_SCALAR_VALUE = 24  # tokens of a scalar's value at most, measured on the sample documents


@dataclass(frozen=True, slots=True)
class Room:
    """Limits of one request: `pages` and `answer` in tokens, number of images, and their bytes in base64."""

    pages: int
    answer: int
    images: int
    image_bytes: int


def chunk(
    pages: Iterable[Page], room: Room, page_tokens: Callable[[Page], int], answer_tokens: Callable[[Page], int]
) -> Iterator[Chunk]:
    """Pack `pages` in order, lazily. `page_tokens` is the exact cost of a page in a prompt, `answer_tokens` that of its answer.

    Raises OversizedPageError when the images of one page do not fit.
    """
    index = 0
    pending: list[Page] = []
    costs: list[int] = []
    answers = images = size = 0
    for page in pages:
        limited = _within_images(page, room)
        cost, answer = page_tokens(limited) + JOIN_TOKENS, answer_tokens(limited)
        full = sum(costs) + cost > room.pages or images + len(limited.images) > room.images
        full = full or size + _sent_bytes(limited.images) > room.image_bytes
        if pending and (full or answers + answer > room.answer):
            yield Chunk(index, 0, tuple(pending), tuple(costs))
            index, pending, costs, answers, images, size = index + 1, [], [], 0, 0, 0
        if cost > room.pages:
            for part, piece in enumerate(_parts(limited, room.pages, page_tokens)):
                yield Chunk(index, part, (piece,), (page_tokens(piece) + JOIN_TOKENS,))
            index += 1
            continue
        pending.append(limited)
        costs.append(cost)
        answers += answer
        images += len(limited.images)
        size += _sent_bytes(limited.images)
    if pending:
        yield Chunk(index, 0, tuple(pending), tuple(costs))


def halves(whole: Chunk) -> tuple[Chunk, Chunk] | None:
    """The chunk cut in two by pages, or a single page by lines; None when there is nothing left to cut."""
    if len(whole.pages) > 1:
        middle = len(whole.pages) // 2
        first, second = slice(None, middle), slice(middle, None)
        return (
            replace(whole, part=2 * whole.part + 1, pages=whole.pages[first], page_tokens=whole.page_tokens[first]),
            replace(whole, part=2 * whole.part + 2, pages=whole.pages[second], page_tokens=whole.page_tokens[second]),
        )
    page = whole.pages[0]
    lines = page.text.splitlines()
    if len(lines) < 2:
        return None
    middle = _block_boundary(lines, len(lines) // 2)
    texts = "\n".join(lines[:middle]), "\n".join([*_table_head(lines, middle), *lines[middle:]])
    cost = whole.page_tokens[0] // 2
    first_page = replace(page, text=texts[0])
    second_page = replace(page, text=texts[1], image=None, figures=())
    return (
        replace(whole, part=2 * whole.part + 1, pages=(first_page,), page_tokens=(cost,)),
        replace(whole, part=2 * whole.part + 2, pages=(second_page,), page_tokens=(cost,)),
    )


def _block_boundary(lines: Sequence[str], line_index: int) -> int:
    """The line before which to cut: after the blank line nearest to `line_index`, where one is near, else at `line_index`."""
    reach = len(lines) // 4
    blanks = [at + 1 for at, line in enumerate(lines[:-1]) if not line.strip() and abs(at + 1 - line_index) <= reach]
    return min(blanks, key=lambda at: abs(at - line_index), default=max(1, line_index))


def _table_head(lines: Sequence[str], line_index: int) -> Sequence[str]:
    """The head of the table that a cut before `line_index` divides: its rows mean nothing without it."""
    if not (lines[line_index].startswith("|") and lines[line_index - 1].startswith("|")):
        return ()
    first = line_index
    while first > 0 and lines[first - 1].startswith("|"):
        first -= 1
    return lines[first : first + 2] if line_index >= first + 2 and lines[first + 1].startswith("| ---") else ()


def answer_estimator(root: Field) -> Callable[[Page], int]:
    """Function from a page to the answer tokens that its rows may cost under this schema; 0 without lists."""
    lists = [path for path, _ in walk_fields(root) if "/*" in path]
    item = sum(count_text(path.rpartition("/")[2]) + _LEAF_SYNTAX for path in lists)

    def estimate(page: Page) -> int:
        if not lists:
            return 0
        rows = [line for line in page.text.splitlines() if _is_row(line)]
        return len(rows) * item + count_text("\n".join(rows))

    return estimate


def scalar_answer_tokens(root: Field) -> int:
    """Answer tokens that the fields outside of lists may cost."""
    scalars = [path for path, _ in walk_fields(root) if "/*" not in path]
    return sum(count_text(path.rpartition("/")[2]) + _LEAF_SYNTAX + _SCALAR_VALUE for path in scalars)


def _is_row(line: str) -> bool:
    if line.startswith("|"):
        return not line.startswith("| ---")
    return sum(word[-1:].isdigit() for word in line.split()) >= 2


def _sent_bytes(images: Iterable[Image]) -> int:
    """Bytes of pictures in base64, four for every three."""
    return sum(len(image.data) * 4 // 3 + 4 for image in images)


def _within_images(page: Page, room: Room) -> Page:
    """The page with as many figures as one request takes, the largest first; the image of the whole page is always kept."""
    own = (page.image,) if page.image is not None else ()
    kept: list[Figure] = []
    for figure in sorted(page.figures, key=lambda figure: -figure.image.width * figure.image.height):
        images = (*own, *(entry.image for entry in (*kept, figure)))
        if len(images) <= room.images and _sent_bytes(images) <= room.image_bytes:
            kept.append(figure)
    if len(kept) == len(page.figures):
        return page
    figures = tuple(figure for figure in page.figures if figure in kept)
    return replace(
        page, figures=figures, reason=f"{page.reason}; the {len(kept)} largest of {len(page.figures)} figures"
    )


def _parts(page: Page, room: int, page_tokens: Callable[[Page], int]) -> Iterator[Page]:
    if page_tokens(replace(page, text="")) + JOIN_TOKENS > room:
        raise OversizedPageError(
            f"page {page.number}: its pictures alone take more than the {room:,} tokens that a request has for pages; use "
            "--images never, a larger PAGEMILL_CHUNK_TOKENS where it is set, or a model with a larger window"
        )
    lines = [piece for line in page.text.splitlines() for piece in _pieces(line, room // 2)]
    rest = page
    pending: list[str] = []
    cost = fixed = page_tokens(replace(rest, text="")) + JOIN_TOKENS
    for line in lines:
        more = count_text(line) + JOIN_TOKENS
        if pending and cost + more > room:
            cut = _block_boundary(pending, len(pending)) if "" in pending[len(pending) * 3 // 4 :] else len(pending)
            yield replace(rest, text="\n".join(pending[:cut]))
            rest = replace(page, image=None, figures=())  # pictures go with the first part only
            pending = pending[cut:]
            cost = fixed + sum(count_text(row) + JOIN_TOKENS for row in pending)
        pending.append(line)
        cost += more
    yield replace(rest, text="\n".join(pending))


def _pieces(line: str, room: int) -> Iterator[str]:
    """A line cut into pieces that fit for certain, where it is too long: a token has at least one byte."""
    size = max(1, room // 4)  # a character has at most four bytes
    if len(line) <= size:
        yield line
        return
    yield from (line[start : start + size] for start in range(0, len(line), size))


def is_sent(chunk: Chunk) -> bool:
    """False for a chunk of blank pages, for which no request is made."""
    return any(page.text or page.images for page in chunk.pages)
