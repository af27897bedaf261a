"""One page's words, indexed once, so that the look-up of a value needs no scan.

Text is searched for in the page's letters and digits without spaces and punctuation, numbers and dates by every reading of
the print. Text with small differences (a typing error, a misread character, a missing word) is found by alignment, on the few
pages that share most of its groups of four letters.
"""

import bisect
import datetime
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rapidfuzz import fuzz

from extractors.values import date_readings, is_month, normalize, number_readings
from schemas.step_data import Page

Span = tuple[int, int]  # index of the first and of the last word

# words before and after a month: "14. März 2026", "March 3, 2026", "3rd of March, 2026", "March 3 , 2026", "3rd day of March 26"
_AROUND_A_MONTH = ((1, 1), (0, 2), (2, 1), (2, 2), (3, 1), (0, 3), (4, 1))
_NUMBER_WINDOW = 4  # words of a number grouped by spaces: "1 234 567,89"
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d+")
_GROUP_BEFORE = re.compile(r"(?<!\d)\d{1,3}$")
_GROUP_AFTER = re.compile(r"\d{3}(?!\d)")
_DAY_DOT = re.compile(r"\d{1,2}[.]$")
_PRINTED_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{2,4}(?!\d)")  # a word with two of them is a period
_DATE_THEN_TIME = re.compile(  # in one word, as OCR reads them
    r"(?:\d{1,2}([-/.])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([-/.])\d{1,2}\2\d{1,2}?)(?=\d{1,2}:\d\d)"
)
_DAY_OF = re.compile(r"\b(?:day|jour|tag)\s+(?=(?:of|de|des)\b)", re.IGNORECASE)
_SPACED_ORDINAL = re.compile(r"(?<=\d)\s+(?=(?:st|nd|rd|th)\b)", re.IGNORECASE)
_GRAM = 4
_FUZZY_LETTERS = 8  # shorter text is nearly equal by chance
_FUZZY_SCORE = 88.0  # per cent of letters that agree; one in eight may differ
_FUZZY_PAGES = 3  # pages that are aligned with


@dataclass(frozen=True)
class PageIndex:
    """Index of one page: `squeezed` are its letters and digits in a row, `starts` the offset of each word in them."""

    page: Page
    squeezed: str
    starts: tuple[int, ...]
    numbers: Mapping[Decimal, list[Span]]
    dates: Mapping[datetime.date, list[Span]]

    def find(self, needle: str) -> Iterator[tuple[int, int, bool]]:
        """Every place of squeezed text: first and last word, and whether it covers them whole. Parts of numbers are left out."""
        start = self.squeezed.find(needle)
        while start >= 0:
            first, last, is_whole = self.words_of(start, start + len(needle))
            if is_whole or not self._cuts_a_number(needle, first, last):
                yield first, last, is_whole
            start = self.squeezed.find(needle, start + 1)

    def words_of(self, start: int, end: int) -> tuple[int, int, bool]:
        """First and last word of a stretch of `squeezed`, and whether it covers them whole."""
        first = bisect.bisect_right(self.starts, start) - 1
        last = bisect.bisect_right(self.starts, end - 1) - 1
        return first, last, self.starts[first] == start and end == self._end(last)

    @functools.cached_property
    def grams(self) -> frozenset[str]:
        """All groups of four consecutive letters."""
        return _grams(self.squeezed)

    def _cuts_a_number(self, needle: str, first: int, last: int) -> bool:
        """True for digits that are only a part of a printed number."""
        if not needle.isdigit():
            return False
        return needle not in _DIGITS.findall("".join(word.text for word in self.page.words[first : last + 1]))

    def _end(self, word: int) -> int:
        return self.starts[word + 1] if word + 1 < len(self.starts) else len(self.squeezed)


def index(page: Page) -> PageIndex:
    """Index of the page's words."""
    squeezed: list[str] = []
    starts: list[int] = []
    length = 0
    for word in page.words:
        starts.append(length)
        letters = normalize(word.text)
        squeezed.append(letters)
        length += len(letters)
    texts = [word.text for word in page.words]
    return PageIndex(page, "".join(squeezed), tuple(starts), _numbers(texts), _dates(texts))


def fuzzy_find(needle: str, pages: Sequence[PageIndex]) -> tuple[int, int, int] | None:
    """The place (index of the page, first and last word) that is most like squeezed text; None where no place is.

    The digits must be equal: an article number with another digit is another article.
    """
    if len(needle) < _FUZZY_LETTERS:
        return None
    wanted = _grams(needle)
    shared = sorted(((len(wanted & page.grams), -at) for at, page in enumerate(pages)), reverse=True)[:_FUZZY_PAGES]
    best: tuple[float, int, int, int] | None = None
    for common, negative_index in shared:
        if common * 2 < len(wanted):
            break
        entry = pages[-negative_index]
        alignment = fuzz.partial_ratio_alignment(needle, entry.squeezed, score_cutoff=_FUZZY_SCORE)
        if (
            alignment is None
            or alignment.dest_end <= alignment.dest_start
            or (best is not None and alignment.score <= best[0])
        ):
            continue
        text = entry.squeezed[alignment.dest_start : alignment.dest_end]
        if _DIGITS.findall(text) == _DIGITS.findall(needle):
            first, last, _ = entry.words_of(alignment.dest_start, alignment.dest_end)
            best = alignment.score, -negative_index, first, last
    return None if best is None else best[1:]


def _grams(text: str) -> frozenset[str]:
    return frozenset(text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1))


def _numbers(texts: Sequence[str]) -> dict[Decimal, list[Span]]:
    """Every reading of every printed number with its first and last word; digits grouped by spaces span several."""
    numbers: dict[Decimal, list[Span]] = {}
    for first, text in enumerate(texts):
        if not _DIGIT.search(text):
            continue
        for number in number_readings(text):
            numbers.setdefault(number, []).append((first, first))
        last = first
        while last + 1 < len(texts) and last - first < _NUMBER_WINDOW and _GROUP_AFTER.match(texts[last + 1]):
            if last == first and not _GROUP_BEFORE.search(text):
                break
            last += 1
            for number in number_readings(" ".join(texts[first : last + 1])):
                numbers.setdefault(number, []).append((first, last))
    return numbers


def _dates(texts: Sequence[str]) -> dict[datetime.date, list[Span]]:
    """Every reading of every printed date; around a month's name, the shortest run of words that reads as one."""
    dates: dict[datetime.date, list[Span]] = {}
    for at, text in enumerate(texts):
        digits = sum(map(str.isdigit, text))
        spans: list[Span] = [(at, at)] if digits >= 3 else []
        if digits >= 10:  # a period in one word: both of its dates
            for printed in (*_PRINTED_DATE.finditer(text), *_DATE_THEN_TIME.finditer(text)):
                for date in date_readings(printed[0]):
                    dates.setdefault(date, []).append((at, at))
        if _DAY_DOT.match(text):
            spans.append((at, at + 2))
        if is_month(text):
            spans += [(at - before, at + after) for before, after in _AROUND_A_MONTH]
        for first, last in spans:
            if first < 0 or last >= len(texts):
                continue
            text_ = _SPACED_ORDINAL.sub("", _DAY_OF.sub("", " ".join(texts[first : last + 1])))
            if readings := date_readings(text_):
                for date in readings:
                    dates.setdefault(date, []).append((first, last))
                break
    return dates
