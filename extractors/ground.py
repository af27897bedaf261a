"""Where each value of an answer stands: code looks for it in the words of the chunk's pages, never the model.

A page's words are indexed once (text by its squeezed letters and digits, numbers and dates by their readings), so that
looking up one value costs no scan over the page's words. List items are located in order: the item's longest text
anchors its row, and its other values are taken from the places nearest to that row.
"""

import bisect
import datetime
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_symbol

from extractors.values import date_readings, fold_text, is_month, number_readings
from schemas.fields import Field, escape
from schemas.pipeline import Answer, Box, Evidence, Located, Match, Page, Word

# words before and after a month: "14. März 2026", "March 3, 2026", "3rd of March, 2026"
_AROUND_A_MONTH = ((1, 1), (0, 2), (2, 1), (2, 2), (3, 1))
_NUMBER_WINDOW = 4  # words of a number grouped by spaces: "1 234 567,89"
_QUOTE_CONTEXT = 4  # words on each side of a value that its quote shows
_DIGIT = re.compile(r"\d")
_GROUP_BEFORE = re.compile(r"(?<!\d)\d{1,3}$")
_GROUP_AFTER = re.compile(r"\d{3}(?!\d)")
_DAY_DOT = re.compile(r"\d{1,2}[.]$")
_MOST_HITS = 2_000  # places of one value that are looked at; a digit on every line of a ledger has more


@dataclass(frozen=True, slots=True)
class _Hit:
    page: int  # index into the chunk's pages
    first: int  # index of the first word
    last: int
    match: Match


@dataclass(frozen=True, slots=True)
class _Indexed:
    """One page's words: `squeezed` is their letters and digits in a row, `starts` where each word begins in it."""

    page: Page
    squeezed: str
    starts: tuple[int, ...]
    numbers: Mapping[Decimal, list[tuple[int, int]]]
    dates: Mapping[datetime.date, list[tuple[int, int]]]


def ground(answer: Answer, root: Field, chunk: int, pages: Sequence[Page]) -> Located:
    """Locate every non-null leaf of `answer`. Values found nowhere are `absent`, or `image` where a picture was sent."""
    search = _Search([_index(page) for page in pages])
    evidence: dict[str, Evidence] = {}
    _locate(answer.value, root, "", search, None, evidence)
    return Located(chunk, tuple(page.number for page in pages), answer, evidence)


def _locate(
    value: Any, field: Field, pointer: str, search: "_Search", row: _Hit | None, out: dict[str, Evidence]
) -> None:
    if value is None:
        return
    if field.kind == "object":
        for child in field.fields:
            _locate(value[child.name], child, f"{pointer}/{escape(child.name)}", search, row, out)
    elif field.item is not None:
        cursor = row
        for index, item in enumerate(value):
            if field.item.kind == "object":
                cursor = search.anchor(item, field.item, cursor) or cursor
                _locate(item, field.item, f"{pointer}/{index}", search, cursor, out)
            else:
                _locate(item, field.item, f"{pointer}/{index}", search, row, out)
    elif field.evidence and field.kind not in {"json", "boolean"}:
        out[pointer] = search.evidence(pointer, value, search.nearest(search.hits(value), row))


class _Search:
    """Lookups over the indexed pages of one chunk."""

    def __init__(self, pages: Sequence[_Indexed]) -> None:
        self.pages = pages

    def hits(self, value: Any) -> list[_Hit]:
        if isinstance(value, datetime.date):
            day = value.date() if isinstance(value, datetime.datetime) else value
            return [self._hit(at, place, value) for at, place in self._readings("dates", day)]
        if isinstance(value, int | float | Decimal):
            number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
            found = self._readings("numbers", number) or self._readings("numbers", -number)
            return [self._hit(at, place, value) for at, place in found]
        return self._text_hits(str(value))

    def anchor(self, item: Mapping[str, Any], field: Field, after: _Hit | None) -> _Hit | None:
        """The place of an item's row: its longest text (or any value) at or after the row before it."""
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

    def nearest(self, hits: list[_Hit], row: _Hit | None) -> _Hit | None:
        if not hits or row is None:
            return hits[0] if hits else None
        height = _middle(self.pages[row.page].page.words[row.first])

        def distance(hit: _Hit) -> tuple[int, float, int]:
            words = self.pages[hit.page].page.words
            return abs(hit.page - row.page), abs(_middle(words[hit.first]) - height), abs(hit.first - row.last)

        return min(hits, key=distance)

    def evidence(self, pointer: str, value: Any, hit: _Hit | None) -> Evidence:
        text = printed(value)
        if hit is not None:
            page = self.pages[hit.page].page
            words = page.words[hit.first : hit.last + 1]
            around = page.words[max(0, hit.first - _QUOTE_CONTEXT) : hit.last + 1 + _QUOTE_CONTEXT]
            return Evidence(pointer, text, page.number, _hull(words), " ".join(w.text for w in around), hit.match)
        seen = [each.page for each in self.pages if each.page.images]
        unread = [page for page in seen if page.sent_as == "image"] or seen
        if not unread:
            return Evidence(pointer, text, None, None, None, "absent")
        return Evidence(pointer, text, unread[0].number if len(unread) == 1 else None, None, None, "image")

    def _readings(self, which: str, key: Any) -> list[tuple[int, tuple[int, int]]]:
        return [
            (at, place)
            for at, each in enumerate(self.pages)
            for place in getattr(each, which).get(key, ())[:_MOST_HITS]
        ]

    def _hit(self, at: int, place: tuple[int, int], value: Any) -> _Hit:
        first, last = place
        shown = " ".join(word.text for word in self.pages[at].page.words[first : last + 1])
        same = shown in {printed(value), str(value)}
        return _Hit(at, first, last, "exact" if same else "normalized")

    def _text_hits(self, value: str) -> list[_Hit]:
        needles = [squeeze(value)]
        if len(value) == 3 and value.isupper():  # a currency may be printed as its sign
            needles.append(squeeze(get_currency_symbol(value, locale="en")))
        for needle in needles:
            if needle and (hits := list(self._find(needle, value))):
                return hits
        return []

    def _find(self, needle: str, value: str) -> Iterator[_Hit]:
        left = _MOST_HITS
        for at, each in enumerate(self.pages):
            place = each.squeezed.find(needle)
            while place >= 0 and left:
                first = bisect.bisect_right(each.starts, place) - 1
                last = bisect.bisect_right(each.starts, place + len(needle) - 1) - 1
                whole = each.starts[first] == place and place + len(needle) == _end(each, last)
                if whole or len(needle) >= 4:  # a short value inside a longer word is chance
                    shown = " ".join(word.text for word in each.page.words[first : last + 1])
                    yield _Hit(at, first, last, "exact" if " ".join(value.split()) in shown else "normalized")
                    left -= 1
                place = each.squeezed.find(needle, place + 1)


def squeeze(text: str) -> str:
    """Only the letters, digits and signs that carry meaning, folded: what is left when layout and punctuation are gone."""
    return "".join(character for character in fold_text(text) if _carries_meaning(character))


def printed(value: Any) -> str:
    """A value as text: decimals without trailing zeros, dates in ISO form."""
    if isinstance(value, Decimal):
        text = format(value.normalize(), "f")
        return "0" if text == "-0" else text
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _carries_meaning(character: str) -> bool:
    return character.isalnum() or character in "%‰°" or unicodedata.category(character) in {"Sc", "Mc", "Mn"}


def _index(page: Page) -> _Indexed:
    squeezed: list[str] = []
    starts: list[int] = []
    length = 0
    for word in page.words:
        starts.append(length)
        letters = squeeze(word.text)
        squeezed.append(letters)
        length += len(letters)
    texts = [word.text for word in page.words]
    return _Indexed(page, "".join(squeezed), tuple(starts), _numbers(texts), _dates(texts))


def _numbers(texts: Sequence[str]) -> dict[Decimal, list[tuple[int, int]]]:
    """Every reading of every printed number with its first and last word; digits grouped by spaces span several."""
    found: dict[Decimal, list[tuple[int, int]]] = {}
    for first, text in enumerate(texts):
        if not _DIGIT.search(text):
            continue
        for number in number_readings(text):
            found.setdefault(number, []).append((first, first))
        last = first
        while last + 1 < len(texts) and last - first < _NUMBER_WINDOW and _GROUP_AFTER.match(texts[last + 1]):
            if last == first and not _GROUP_BEFORE.search(text):
                break
            last += 1
            for number in number_readings(" ".join(texts[first : last + 1])):
                found.setdefault(number, []).append((first, last))
    return found


def _dates(texts: Sequence[str]) -> dict[datetime.date, list[tuple[int, int]]]:
    """Every reading of every printed date; the shortest run of words around a month's name that reads as one."""
    found: dict[datetime.date, list[tuple[int, int]]] = {}
    for at, text in enumerate(texts):
        spans: list[tuple[int, int]] = [(at, at)] if sum(map(str.isdigit, text)) >= 3 else []
        if _DAY_DOT.match(text):
            spans.append((at, at + 2))
        if is_month(text):
            spans += [(at - before, at + after) for before, after in _AROUND_A_MONTH]
        for first, last in spans:
            if first < 0 or last >= len(texts):
                continue
            if readings := date_readings(" ".join(texts[first : last + 1])):
                for date in readings:
                    found.setdefault(date, []).append((first, last))
                break
    return found


def _end(indexed: _Indexed, word: int) -> int:
    return indexed.starts[word + 1] if word + 1 < len(indexed.starts) else len(indexed.squeezed)


def _middle(word: Word) -> float:
    return (word.y0 + word.y1) / 2


def _hull(words: Sequence[Word]) -> Box:
    return (min(w.x0 for w in words), min(w.y0 for w in words), max(w.x1 for w in words), max(w.y1 for w in words))
