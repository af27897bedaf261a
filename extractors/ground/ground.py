"""Grounding: each value of an answer is located among the words of the chunk's pages, by code without the model.

Of several places the best is the one whose neighbourhood (the words before it on its line, and above it) shares most words
with the field's name and description. List items are located in order: the item's longest text anchors its row, and its other
values are located nearest to that row.
"""

import datetime
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_symbol

from extractors.ground.page_index import PageIndex, Span, fuzzy_find, index
from extractors.values import fold_text, normalize, number_readings, printed
from schemas.fields import Field, escape
from schemas.step_data import Answer, Box, Evidence, Located, Match, Page, Word

_QUOTE_CONTEXT = 4  # words of a quote on each side of the value
_MOST_HITS = 2_000  # places of one value that are considered; a digit on every line of a ledger has more
_MOST_LABELLED = 50  # places whose neighbourhood is compared
_LABEL_WORDS = 40  # words before a value that may be beside or above it
_PLAIN_NUMBER = re.compile(r"[-+(]?\d[\d.,' ]*\)?\s*%?$")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}$")
_SAME_LINE = 0.4  # distance of words on one line, in heights of the line
_NAME_WEIGHT = 3  # weight of a word of the field's name; a word of its description weighs 1


@dataclass(frozen=True, slots=True)
class _Hit:
    page: int  # index into the chunk's pages
    first: int  # index of the first word
    last: int
    match: Match


def ground(answer: Answer, root: Field, chunk: int, pages: Sequence[Page]) -> Located:
    """Locate every non-null leaf of `answer`. Values without a place are `absent`, or `image` where a picture was sent."""
    search = _Search([index(page) for page in pages])
    evidence: dict[str, Evidence] = {}
    _locate(answer.value, root, "", search, None, set(), evidence)
    return Located(chunk, tuple(page.number for page in pages), answer, evidence)


def _locate(
    value: Any,
    field: Field,
    pointer: str,
    search: "_Search",
    row: _Hit | None,
    taken: set[tuple[int, int]],
    out: dict[str, Evidence],
) -> None:
    """Add evidence of `value` and its leaves to `out`; `row` is the place of the list item, `taken` are those of its values."""
    if value is None:
        return
    if field.kind == "object":
        for child in field.fields:
            _locate(value[child.name], child, f"{pointer}/{escape(child.name)}", search, row, taken, out)
    elif field.item is not None:
        cursor = row
        for index, item in enumerate(value):
            if field.item.kind == "object":
                cursor = search.anchor(item, field.item, cursor) or cursor
                _locate(item, field.item, f"{pointer}/{index}", search, cursor, set(), out)
            else:
                _locate(item, field.item, f"{pointer}/{index}", search, row, taken, out)
    elif field.evidence and field.kind not in {"json", "boolean"}:
        hit = search.chosen(search.hits(value), field, row, taken)
        if hit is not None:
            taken.add((hit.page, hit.first))
        out[pointer] = search.evidence(pointer, value, hit)


class _Search:
    """Lookups over the indexed pages of one chunk."""

    def __init__(self, pages: Sequence[PageIndex]) -> None:
        self.pages = pages

    def hits(self, value: Any) -> list[_Hit]:
        if isinstance(value, datetime.date):
            day = value.date() if isinstance(value, datetime.datetime) else value
            return [self._hit(at, span, value) for at, span in self._readings("dates", day)]
        if isinstance(value, int | float | Decimal):
            number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
            places = self._readings("numbers", number) or self._readings("numbers", -number)
            return [self._hit(at, span, value) for at, span in places]
        return self._text_hits(str(value))

    def anchor(self, item: Mapping[str, Any], field: Field, after: _Hit | None) -> _Hit | None:
        """The place of an item's row, at or after the row before it: that of its longest text, else of any value."""
        leaves = [(item[child.name], child) for child in field.fields if child.is_leaf and item[child.name] is not None]
        leaves.sort(key=lambda leaf: (isinstance(leaf[0], str), len(str(leaf[0]))), reverse=True)
        for value, child in leaves:
            if not child.evidence:
                continue
            hits = self.hits(value)
            following = [hit for hit in hits if after is None or (hit.page, hit.first) > (after.page, after.last)]
            if following or hits:
                return following[0] if following else hits[0]
        return None

    def chosen(
        self, hits: list[_Hit], field: Field, row: _Hit | None, taken: Container[tuple[int, int]]
    ) -> _Hit | None:
        """The hit nearest to the item's row; without a row, the hit whose neighbourhood names the field.

        Where a row prints one number twice, as a price and as an amount, the two values get different places.
        """
        if len(hits) < 2:
            return hits[0] if hits else None
        if row is None:
            label = _label(field)
            return max(hits[:_MOST_LABELLED], key=lambda hit: self._named(hit, label))  # the first of equals
        anchor = self.pages[row.page].page.words[row.first]
        line = max(1.0, anchor.y1 - anchor.y0) * _SAME_LINE

        def distance(hit: _Hit) -> tuple[int, float, bool, float, int]:
            off = abs(_middle(self.pages[hit.page].page.words[hit.first]) - _middle(anchor))
            is_taken = (hit.page, hit.first) in taken
            return abs(hit.page - row.page), off // line, is_taken, off, abs(hit.first - row.last)

        return min(hits, key=distance)

    def _named(self, hit: _Hit, label: Mapping[str, int]) -> int:
        """Weight of the label's words that are printed beside or above a hit."""
        words = self.pages[hit.page].page.words
        here = words[hit.first]
        near = {
            part
            for word in words[max(0, hit.first - _LABEL_WORDS) : hit.first]
            if _is_beside(word, here) or _is_above(word, here)
            for part in _parts(word.text)
        }
        return sum(weight for part, weight in label.items() if part in near)

    def evidence(self, pointer: str, value: Any, hit: _Hit | None) -> Evidence:
        text = printed(value)
        if hit is not None:
            page = self.pages[hit.page].page
            words = page.words[hit.first : hit.last + 1]
            around = page.words[max(0, hit.first - _QUOTE_CONTEXT) : hit.last + 1 + _QUOTE_CONTEXT]
            return Evidence(pointer, text, page.number, _hull(words), " ".join(w.text for w in around), hit.match)
        pictured = [entry.page for entry in self.pages if entry.page.images]
        unread = [page for page in pictured if page.sent_as == "image"] or pictured
        if not unread:
            return Evidence(pointer, text, None, None, None, "absent")
        return Evidence(pointer, text, unread[0].number if len(unread) == 1 else None, None, None, "image")

    def _readings(self, column: str, key: Any) -> list[tuple[int, Span]]:
        return [
            (at, span) for at, page in enumerate(self.pages) for span in getattr(page, column).get(key, ())[:_MOST_HITS]
        ]

    def _hit(self, at: int, span: Span, value: Any) -> _Hit:
        first, last = span
        shown = " ".join(word.text for word in self.pages[at].page.words[first : last + 1])
        same = shown in {printed(value), str(value)}
        return _Hit(at, first, last, "exact" if same else "normalized")

    def _text_hits(self, value: str) -> list[_Hit]:
        needles = [normalize(value)]
        if len(value) == 3 and value.isupper():  # a currency code may be printed as its sign
            needles.append(normalize(get_currency_symbol(value, locale="en")))
        hits = next((matches for needle in needles if needle and (matches := list(self._find(needle, value)))), [])
        if _PLAIN_NUMBER.match(value):  # without punctuation, 10 and 1.0 are the same
            hits = [hit for hit in hits if hit.match == "exact"] or self._number_hits(value) or hits
        if hits:
            return hits
        if _ISO_DAY.match(value):  # a schema may have dates as text
            try:
                return self.hits(datetime.date.fromisoformat(value))
            except ValueError:
                return []
        span = fuzzy_find(needles[0], self.pages)
        return [] if span is None else [_Hit(*span, "fuzzy")]

    def _number_hits(self, value: str) -> list[_Hit]:
        """Places of a number whose field is text."""
        for number in number_readings(value):
            if places := self._readings("numbers", number) or self._readings("numbers", -number):
                return [self._hit(at, span, value) for at, span in places]
        return []

    def _find(self, needle: str, value: str) -> Iterator[_Hit]:
        left = _MOST_HITS
        for at, page in enumerate(self.pages):
            for first, last, is_whole in page.find(needle):
                if not left:
                    return
                if is_whole or len(needle) >= 4:  # a short value occurs inside longer words by chance
                    shown = " ".join(word.text for word in page.page.words[first : last + 1])
                    yield _Hit(at, first, last, "exact" if " ".join(value.split()) in shown else "normalized")
                    left -= 1


def _label(field: Field) -> dict[str, int]:
    """The words of a field's name and description, with their weights."""
    described = dict.fromkeys(_parts(field.description), 1)
    return {**described, **dict.fromkeys(_parts(field.name.replace("_", " ")), _NAME_WEIGHT)}


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"\W+", fold_text(text)) if len(part) > 2]


def _is_beside(word: Word, here: Word) -> bool:
    return abs(_middle(word) - _middle(here)) < (here.y1 - here.y0) * 0.6 and word.x0 < here.x0


def _is_above(word: Word, here: Word) -> bool:
    return 0 < here.y0 - word.y0 < 3 * (here.y1 - here.y0) and word.x0 < here.x1 and word.x1 > here.x0


def _middle(word: Word) -> float:
    return (word.y0 + word.y1) / 2


def _hull(words: Sequence[Word]) -> Box:
    return (min(w.x0 for w in words), min(w.y0 for w in words), max(w.x1 for w in words), max(w.y1 for w in words))
