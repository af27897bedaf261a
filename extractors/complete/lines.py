"""Printed lines of a page and the numbers in them, among which the rows of a list are counted."""

import re
import statistics
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from extractors.values import fold_text
from schemas.step_data import Page, Word

_SCANNED_EDGE = 5.0  # points between aligned edges on a scan: boxes read from a picture vary


_PAGES = frozenset({"page", "seite", "blatt", "pagina"})  # words of lines that number pages


_THOUSANDS = 3  # digits before a space within a number, at most


# A word that is a number, with a sign, a currency or a per cent sign.
_AMOUNT = re.compile(r"[^\w\s]*\d[\d.,'\u2019]*[^\w\s]*")


_TOTALS = frozenset(  # first words of lines that sum up, in folded form
    (
        "opening", "closing", "starting", "beginning", "ending", "previous", "total", "totals", "subtotal", "sum", "carried",
        "brought", "balance", "b/f", "c/f", "summe", "zwischensumme", "gesamt", "gesamtbetrag", "nettobetrag", "bruttobetrag",
        "endbetrag", "rechnungsbetrag", "ubertrag", "kontostand", "saldo", "anfangssaldo", "endsaldo", "saldovortrag", "alter",
        "neuer", "totaal", "subtotaal", "totale", "somme", "report", "solde",
    )
)  # fmt: skip


_CHARGES = frozenset(  # first words of lines below a list that may be words of its rows as well
    (
        "amount", "discount", "shipping", "payment", "net", "gross", "vat", "tax", "page", "versand", "rabatt", "zzgl", "inkl",
        "mwst", "seite", "btw", "tva",
    )
)  # fmt: skip


_YEAR = re.compile(r"(?:19|20)\d\d")


_GROUP = re.compile(r"\d{3}(?:[.,]\d+)?\D*")  # the rest of a number whose thousands are set apart by a space


_GROUP_GAP = 0.6  # gap between the groups of one number, at most, in heights of the line


Sums = Literal["", "total", "charge"]


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """One line of a page: the left edge of its first word and the right edges of its numbers, in points.

    `likeness` is a checksum of its words without digits, `first` the same of its first word. `sums` is `total` for a line
    that begins like a sum, and `charge` for one that begins like a charge and may be a row as well. `heads` is true where
    all its numbers are years, as in the head of a table.
    """

    middle: float
    height: float
    start: float
    edges: tuple[float, ...]
    sums: Sums
    heads: bool
    first: int
    likeness: int


@dataclass(frozen=True, slots=True)
class PageLines:
    """Lines of a page from top to bottom, kept while its document is read; `is_blind` for a picture without words."""

    number: int
    lines: tuple[PrintedLine, ...]
    is_blind: bool


def page_lines(page: Page) -> PageLines:
    """Lines of a page, from which its rows are counted later."""
    lines = tuple(_lines(page.words))
    return PageLines(page.number, _snapped(lines) if page.is_scanned else lines, bool(page.images and not page.words))


def _lines(words: Sequence[Word]) -> Iterator[PrintedLine]:
    """Words at one height, as lines from top to bottom."""
    groups: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.y0 + word.y1, word.x0)):
        middle = (word.y0 + word.y1) / 2
        last = groups[-1][0] if groups else None
        if last is not None and abs((last.y0 + last.y1) / 2 - middle) < 0.4 * max(1.0, word.y1 - word.y0):
            groups[-1].append(word)
        else:
            groups.append([word])
    for group in groups:
        group.sort(key=lambda word: word.x0)
        edges = tuple(_edges(group))
        middle = statistics.median((word.y0 + word.y1) / 2 for word in group)
        folded = [fold_text(word.text).strip(".:") for word in group]
        sums: Sums = "total" if _TOTALS.intersection(folded[:2]) else ""
        if not sums and (_CHARGES.intersection(folded[:2]) or _PAGES.intersection(folded)):
            sums = "charge"
        numbers = [word.text for word in group if _AMOUNT.fullmatch(word.text)]
        heads = bool(numbers) and all(map(_YEAR.fullmatch, numbers))
        first, likeness = _likeness(folded[:1]), _likeness(folded)
        yield PrintedLine(middle, group[0].y1 - group[0].y0, group[0].x0, edges, sums, heads, first, likeness)


def _snapped(lines: Sequence[PrintedLine]) -> tuple[PrintedLine, ...]:
    """The lines of a scan, with nearly equal edges and starts made equal, so that columns are aligned."""
    edges = _nearly_one(edge for line in lines for edge in line.edges)
    starts = _nearly_one(line.start for line in lines)
    return tuple(
        replace(line, edges=tuple(edges[edge] for edge in line.edges), start=starts[line.start]) for line in lines
    )


def _nearly_one(places: Iterable[float]) -> dict[float, float]:
    """The median of the nearly equal positions, for each position."""
    runs: list[list[float]] = []
    for position in sorted(places):
        if runs and position - runs[-1][0] <= _SCANNED_EDGE:
            runs[-1].append(position)
        else:
            runs.append([position])
    return {index: statistics.median(run) for run in runs for index in run}


def _likeness(words: Sequence[str]) -> int:
    """Checksum of texts, the same for texts that differ in digits only."""
    return zlib.crc32(re.sub(r"\d+", "#", " ".join(words)).encode("utf-8", "replace"))


def _edges(words: Sequence[Word]) -> Iterator[float]:
    """Right edge of the last digit of each number of a line: a sign or a bracket after it overhangs the column."""
    for index, word in enumerate(words):
        if not _AMOUNT.fullmatch(word.text):
            continue
        after = words[index + 1] if index + 1 < len(words) else None
        is_near = after is not None and after.x0 - word.x1 < _GROUP_GAP * max(1.0, word.y1 - word.y0)
        if after is not None and is_near and len(word.text) <= _THOUSANDS and _GROUP.fullmatch(after.text):
            continue  # "1" of "1 234,56"
        hanging = len(word.text) - len(word.text.rstrip(")]*%-+\u2212\u20ac$\u00a3"))
        yield word.x1 - (word.x1 - word.x0) * hanging / len(word.text)
