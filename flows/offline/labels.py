"""Labels in cells, each with its possible texts: behind it, in the next cell, or below it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from flows.offline.layout import TextRow
from flows.offline.lexicon import BLOCKS, CONCEPTS, WORD, Phrase, fold_word, words

CROWDED = 3  # beside the label, with other numbers
ASKEW = 4  # the only cell of the row below a row of several cells
_MAX_WORDS = 7


class Meaning(NamedTuple):
    """Meaning of a label: the concept, and its tier (0 is the most certain)."""

    concept: str
    tier: int


class Spot(NamedTuple):
    """A label in a cell: offset of its start, offset where its value may start, possible meanings."""

    start: int
    end: int
    meanings: tuple[Meaning, ...]
    opens: bool  # at the start of its cell or of a new pair, or with a colon
    colon: bool


class Pair(NamedTuple):
    """A label's meaning with one text that may be its value.

    `far` is 0 behind the label, 1 beside, 2 below; CROWDED and ASKEW are less certain.
    """

    meaning: Meaning
    text: str
    far: int
    row: int
    opens: bool
    colon: bool


class Labels:
    """The phrases that are labels for this request, looked up word by word."""

    def __init__(self, extra: Mapping[str, Iterable[str]]) -> None:
        self._phrases: dict[Phrase, list[Meaning]] = {}
        for concept, (_, tiers, _) in CONCEPTS.items():
            for tier, labels in enumerate(tiers):
                self._add(concept, tier, labels)
        for block, names in BLOCKS.items():
            if block != "carry_over":
                self._add(block, 0, names)
        for concept, phrases in extra.items():
            self._add(concept, 0, map(words, phrases))
        self._starts = {phrase[0] for phrase in self._phrases}

    def spots(self, cell: str) -> list[Spot]:
        """The labels in `cell`, not overlapping, the longest at each word."""
        spots: list[Spot] = []
        tokens = [(match.start(), match.end(), fold_word(match[0])) for match in WORD.finditer(cell)]
        index = 0
        while index < len(tokens):
            spot = self._at(cell, tokens, index) if tokens[index][2] in self._starts else None
            if spot is None:
                index += 1
                continue
            spots.append(spot[0])
            index += spot[1]
        return spots

    def is_label(self, cell: str) -> bool:
        """True when `cell` is nothing but a label, with or without a colon."""
        return tuple(words(cell)) in self._phrases or (cell.endswith(":") and len(cell) < 40)

    def _add(self, concept: str, tier: int, phrases: Iterable[Phrase]) -> None:
        for phrase in phrases:
            key = phrase[:_MAX_WORDS]
            if key:
                meanings = self._phrases.setdefault(key, [])
                if all(meaning.concept != concept for meaning in meanings):
                    meanings.append(Meaning(concept, tier))

    def _at(self, cell: str, tokens: Sequence[tuple[int, int, str]], index: int) -> tuple[Spot, int] | None:
        for length in range(min(_MAX_WORDS, len(tokens) - index), 0, -1):
            phrase = tuple(word for _, _, word in tokens[index : index + length])
            meanings = self._phrases.get(phrase)
            if meanings:
                start, end = tokens[index][0], tokens[index + length - 1][1]
                colon = cell[end : end + 3].lstrip(" .)°").startswith((":", "#"))
                opens = index == 0 or colon or cell[:start].rstrip()[-1:] in {"|", "·", ";", "(", "-"}
                return Spot(start, end, tuple(meanings), opens, colon), length
        return None


def pairs(rows: Sequence[TextRow], labels: Labels) -> Iterator[Pair]:
    """Every label with every text that may belong to it, in the order of the pages."""
    for index, row in enumerate(rows):
        spots = [labels.spots(cell) for cell in row.cells]
        for column, cell in enumerate(row.cells):
            for number, spot in enumerate(spots[column]):
                stop = next((later.start for later in spots[column][number + 1 :] if later.opens), len(cell))
                behind = cell[spot.end : stop].strip(" :=\u2022°º")
                for text, far in _texts(rows, (index, column), behind, spots, last=stop == len(cell)):
                    for meaning in spot.meanings:
                        yield Pair(meaning, text, far, index, spot.opens, spot.colon)


def _texts(
    rows: Sequence[TextRow], spot: tuple[int, int], behind: str, spots: Sequence[list[Spot]], *, last: bool
) -> Iterator[tuple[str, int]]:
    """Texts that may belong to a label in the cell at `spot`, with their distance `far`: behind it, beside, below."""
    index, column = spot
    if behind:
        yield behind, 0
    if not last or (behind and not _is_filler(behind)):
        return
    row = rows[index]
    beside = _beside(row, column, spots)
    if beside:
        lead = row.cells[column + 1]
        if lead not in {"", beside[0]}:
            yield lead, 1
        yield beside[0], CROWDED if sum(any(map(str.isdigit, text)) for text in beside) > 1 else 1
    below = rows[index + 1] if index + 1 < len(rows) else None
    if below is None or below.page != row.page or _ends_block(rows, index):
        return
    if len(below.cells) == len(row.cells) and (below.table == row.table) and below.cells[column]:
        yield below.cells[column], 2
    elif len(row.cells) == 1 or (column == 0 and not row.table):
        yield below.cells[0], 2
    elif len(below.cells) == 1:
        yield below.cells[0], ASKEW


def _ends_block(rows: Sequence[TextRow], index: int) -> bool:
    """True for the last line of a block of several: its value is in the block, not below the gap."""
    row, above, below = rows[index], rows[index - 1] if index else None, rows[index + 1]
    return not row.table and above is not None and above.block == row.block and below.block != row.block


def _beside(row: TextRow, column: int, spots: Sequence[list[Spot]]) -> list[str]:
    """The cells after `column` up to the next label, without leading rates and currencies."""
    cells: list[str] = []
    for index in range(column + 1, len(row.cells)):
        text = row.cells[index]
        if spots[index] and spots[index][0].start == 0:
            break
        if text.strip(" :") and (cells or not _is_filler(text) or index == len(row.cells) - 1):
            cells.append(text)
    return cells


def _is_filler(text: str) -> bool:
    """True for text that may be between a label and its value: a rate, a currency, brackets."""
    if len(text) >= 24:
        return False
    bare = text.strip(" ().:*#°º")
    return (
        not bare
        or bare.endswith("%")
        or bare.upper() in {"IN", "EUR", "USD", "GBP", "CHF", "€", "$", "£"}
        or (text.startswith("(") and text.endswith((")", "):")))
    )
