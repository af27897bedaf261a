"""Seller and buyer of a business letter: labelled blocks first, then the return address line, then the letterhead.

Without labels there are three sources of a party: the one-line return address over the window of a letter, the block in that
window, and a line of the first page with a legal form (GmbH, Ltd, SARL ...) that is not the buyer's.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from babel import Locale

from flows.offline.labels import Labels
from flows.offline.layout import TextRow
from flows.offline.lexicon import BLOCKS, LEGAL_FORM, Phrase, words

_DEPTH = 7  # lines of a block that are read: name, department, person, street, place, country, and one more
_LONGEST_NAME = 60
_FORMS_WITH_STOP = ("Inc.", "Ltd.", "B.V.", "N.V.", "S.A.", "Co.", "Corp.", "e.K.")
_SEPARATORS = tuple(map(re.compile, (r"\s*[·•●|│]\s*", r"\s+[-\u2013\u2014]\s+", r"\s*,\s+")))
_POSTAL = re.compile(
    r"^(?:[A-Z]{1,2}[- ])?(?P<code>\d{4,5}(?: ?[A-Z]{2})?)\s+(?P<city>[^\W\d][^,\d]{1,40})"  # 80333 München
    r"|^(?P<uk>[^\W\d][^,\d]{1,30}?),?\s+[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}$"  # Leeds LS10 1QT
    r"|^(?P<us>[^\W\d][^,\d]{1,30}),\s+[A-Z]{2}\s+\d{5}(?:-\d{4})?$"  # Astoria, OR 97103
)
_STREET_WORD = re.compile(
    r"stra(?:ß|ss)e|weg\b|gasse|allee|\b(?:street|road|lane|avenue|row|yard|square|rue|chemin|boulevard|via|laan)\b",
    re.IGNORECASE,
)
_STREET = re.compile(rf"^\d{{1,5}}\b|\b\d{{1,3}}\s?[a-z]?$|platz\b|{_STREET_WORD.pattern}", re.IGNORECASE)
_CONTACT = re.compile(r"[@:]|^\+\d|www\.|\b(?:tel|phone|fax|siret|vat)\b|^[^\w]*$", re.IGNORECASE)
_NAME_LABELS = frozenset({"name", "firma", "company", "nom", "raison sociale"})
_ADDRESS_LABELS = frozenset({"anschrift", "address", "adresse", "strasse"})


class LetterParty(NamedTuple):
    """Facts about one side from a block of lines; None for facts not stated."""

    name: str | None = None
    address: str | None = None
    city: str | None = None


def parties(rows: Sequence[TextRow], labels: Labels) -> dict[str, LetterParty]:
    """The seller and the buyer as far as the pages name them."""
    buyer = _labelled(rows, labels, BLOCKS["buyer"])
    seller = _labelled(rows, labels, BLOCKS["seller"])
    sender, below = _return_line(rows)
    if buyer is None and below is not None:
        buyer = _party(_block(rows, below, 0, labels), placed=True)
    if seller is None:
        seller = sender
        head = _letterhead(rows, labels, buyer)
        if seller is None or (head is not None and (head.address or "").startswith(seller.address or "-")):
            seller = head  # a letterhead may add the country to the address on one line
    return {"seller": seller or LetterParty(), "buyer": buyer or LetterParty()}


def _labelled(rows: Sequence[TextRow], labels: Labels, phrases: frozenset[Phrase]) -> LetterParty | None:
    for index, row in enumerate(rows):
        for column, cell in enumerate(row.cells):
            if len(cell) > 120 or not cell:
                continue
            head, colon, tail = cell.partition(":")
            if words(head) not in phrases:
                continue
            own = [tail.strip()] if colon and tail.strip() else []
            if (
                not own
                and not row.table
                and column + 1 < len(row.cells)
                and len(row.cells) == 2
                and not labels.is_label(row.cells[1])
            ):
                own = [row.cells[1]] if colon or LEGAL_FORM.search(row.cells[1]) else []
            party = _party([*own, *_block(rows, index + 1, column, labels)], placed=False)
            if party is not None:
                return party
    return None


def _block(rows: Sequence[TextRow], start: int, column: int, labels: Labels) -> list[str]:
    """The lines of one column from `start` down, up to the next label or the end of an address."""
    lines: list[str] = []
    for cell in _column(rows, start, column):
        head, colon, tail = cell.partition(":")
        label = " ".join(words(head))
        if colon and label in _NAME_LABELS | _ADDRESS_LABELS and tail.strip():
            lines.append(tail.strip())
            continue
        if _CONTACT.search(cell) or labels.is_label(cell):
            if any(_is_postal(line) for line in lines):
                break
            continue
        if any(_is_postal(line) for line in lines) and not _is_country(cell):
            break
        lines.append(cell)
    return lines


def _column(rows: Sequence[TextRow], start: int, column: int) -> Iterator[str]:
    for row in rows[start : start + 2 * _DEPTH]:
        if start and row.page != rows[start - 1].page:
            return
        if not row.table and len(row.cells) == 2 and " ".join(words(row.cells[0])) in _NAME_LABELS | _ADDRESS_LABELS:
            yield f"{row.cells[0].rstrip(':')}: {row.cells[1]}"
        elif column < len(row.cells):
            if row.cells[column]:
                yield row.cells[column]
        elif column == 0 or len(row.cells) < column:
            return  # only the other column continues


def _party(lines: Sequence[str], *, placed: bool) -> LetterParty | None:
    """The party in address lines. `placed` lines have no label, so that only a whole address counts."""
    if not lines:
        return None
    last = next((number for number, line in enumerate(lines[:_DEPTH]) if _is_postal(line)), None)
    name = lines[0]
    if not name[0].isalpha() or sum(map(str.isdigit, name)) > 4:
        return None
    if last is None or last == 0:
        return None if placed or len(name) > 80 or last == 0 else LetterParty(name)
    first = last
    while first > 1 and _STREET.search(lines[first - 1]):
        first -= 1
    parts = list(lines[first : last + 1])
    if last + 1 < len(lines) and _is_country(lines[last + 1]):
        parts.append(lines[last + 1])
    return LetterParty(name, ", ".join(part.rstrip(",") for part in parts), _city(lines[last]))


def _is_postal(line: str) -> bool:
    """True for a line of postal code and place, unlike `2210 Wharf Road`."""
    match = _POSTAL.match(line)
    return match is not None and not _STREET_WORD.search(match["city"] or "")


def _city(line: str) -> str | None:
    match = _POSTAL.match(line)
    return next((match[name].strip() for name in ("city", "uk", "us") if match[name]), None) if match else None


def _return_line(rows: Sequence[TextRow]) -> tuple[LetterParty | None, int | None]:
    """The sender on one line, as printed over the address window, and the index of the row below it."""
    for index, row in enumerate(rows):
        if row.page != rows[0].page or row.page != 1:
            break
        for cell in (*row.cells[:2], " ".join(row.cells)):
            if not 15 < len(cell) < 140 or ":" in cell:
                continue
            splits = ([part for part in mark.split(cell) if part] for mark in _SEPARATORS)
            parts = next((parts for parts in splits if len(parts) > 2), [])
            position = next((number for number, part in enumerate(parts) if number and _is_postal(part)), None)
            if (
                position is None
                or not 1 <= position <= 3
                or not _STREET.search(parts[position - 1])
                or any(sign.isdigit() for sign in parts[0])
            ):
                continue
            ends = (
                parts[: position + 2]
                if position + 1 < len(parts) and _is_country(parts[position + 1])
                else parts[: position + 1]
            )
            return LetterParty(parts[0], ", ".join(ends[1:]), _city(parts[position])), index + 1
    return None, None


def _letterhead(rows: Sequence[TextRow], labels: Labels, buyer: LetterParty | None) -> LetterParty | None:
    for index, row in enumerate(rows):
        if row.page != 1:
            break
        for column, cell in enumerate(row.cells):
            if not _is_company(cell):
                continue
            if buyer is not None and buyer.name == cell:
                continue
            return _party([cell, *_block(rows, index + 1, column, labels)], placed=True) or LetterParty(cell)
    return None


def _is_company(cell: str) -> bool:
    """True for a line that is a company's name and nothing else: no sentence, no address, no contact."""
    if len(cell) > _LONGEST_NAME or _SEPARATORS[0].search(cell) or _CONTACT.search(cell):
        return False
    return LEGAL_FORM.search(cell) is not None and (not cell.endswith(".") or cell.endswith(_FORMS_WITH_STOP))


def _is_country(text: str) -> bool:
    return " ".join(words(text)) in _countries()


@cache
def _countries() -> frozenset[str]:
    names = {"usa", "uk", "deutschland germany", "the netherlands", "great britain", "england", "scotland", "wales"}
    for language in ("en", "de", "fr", "es", "it", "nl"):
        territories = Locale(language).territories
        names.update(" ".join(words(name)) for code, name in territories.items() if code.isalpha())
    return frozenset(names)
