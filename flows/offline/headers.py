"""Header rows: assignment of a row's cells to the properties of a list's item."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from flows.offline.align import NUMERIC, Header, HeaderColumn
from flows.offline.layout import TextRow
from flows.offline.lexicon import ITEM_CONCEPTS, WORD, Phrase, fold_word, words
from flows.offline.wanted import Leaf

PERIOD = re.compile(r"(?:FY ?|H[12] ?|Q[1-4] ?)?(?:19|20)\d{2}(?:[/\u2013-]\d{2,4})?")
_BRACKETS = re.compile(r"\([^()]*\)")
_FILLER = frozenset(
    words("in eur usd gbp chf netto ht excl exkl ohne per pro je of the de des du and und et btw euro cent")
)
_UNASKED = "\0"  # prefix that no property of a schema has
_LONGEST = 60
_FEWEST_TITLES = 3
_SURE, *_VAGUE = map(frozenset, ITEM_CONCEPTS["description"].tiers)
Known = Mapping[Phrase, Leaf]


def known_phrases(leaves: Sequence[Leaf]) -> dict[Phrase, Leaf]:
    """Header phrases, each with its property. A property's own name is a phrase too."""
    phrases: dict[Phrase, Leaf] = {}
    for leaf in leaves:
        own = (" ".join(leaf.path).replace("_", " "), *leaf.phrases)
        for text in own:
            phrases.setdefault(words(text), leaf)
    for leaf in leaves:
        if leaf.concept in ITEM_CONCEPTS:
            for phrase in chain(*ITEM_CONCEPTS[leaf.concept].tiers):
                phrases.setdefault(phrase, leaf)
    for concept, (
        kind,
        tiers,
        _,
    ) in ITEM_CONCEPTS.items():  # unrequested columns are recognised, so that their cells are not taken for others
        for phrase in chain(*tiers):
            phrases.setdefault(phrase, Leaf((f"{_UNASKED}{concept}",), concept, kind, {}, ()))
    return phrases


def header_at(rows: Sequence[TextRow], index: int, known: Known) -> tuple[Header, int] | None:
    """The header that starts at `index`, and its number of further rows; None where there is none."""
    row = rows[index]
    own = _named(row.cells, known)
    if own is None:
        return None
    needs_text = any(leaf.kind == "text" for leaf in known.values() if not leaf.path[0].startswith(_UNASKED))
    later = rows[index + 1] if index + 1 < len(rows) else None
    if later is None or not row.table or later.block != row.block or len(later.cells) != len(row.cells):
        return (own, 0) if _counts(own, needs_text=needs_text) else None
    joined = _named(
        tuple(f"{above} {below}".strip() for above, below in zip(row.cells, later.cells, strict=True)), known
    )
    below = _named(later.cells, known)
    if (
        joined is not None
        and below is not None
        and _count(joined) > max(1, _count(own), _count(below))
        and _counts(joined, needs_text=needs_text)
    ):
        return joined, 1
    return (own, 0) if _counts(own, needs_text=needs_text) else None


def is_foreign(row: TextRow, known: Known) -> bool:
    """True for the titles of another table: several cells, no digit in any, one of them a known title."""
    filled = [cell for cell in row.cells if cell]
    if len(filled) < _FEWEST_TITLES or any(len(cell) > _LONGEST for cell in filled):
        return False
    return not any(map(str.isdigit, "".join(filled))) and any(_leaves_in(cell, known) for cell in filled)


def _named(cells: Sequence[str], known: Known) -> Header | None:
    if len(cells) < 2:
        return None
    header: list[tuple[HeaderColumn, ...]] = []
    quantity = known.get(("quantity",))
    texts = {leaf.path[0] for leaf in known.values() if leaf.kind == "text"}
    described = any(words(cell) in _SURE for cell in cells)
    article = known[("article", "number")]
    used: set[str] = set()
    for cell in cells:
        if PERIOD.fullmatch(cell):
            header.append((HeaderColumn(None, "number", cell),))
            continue
        if NUMERIC.fullmatch(cell) or len(cell) > _LONGEST:
            return None
        named = [leaf for leaf in _leaves_in(cell, known) if leaf.path[0] not in used]
        if not used & texts and quantity is not None and words(cell) == ("amount",) and quantity.path[0] not in used:
            named = [quantity]  # an `Amount` before the description is a quantity, no sum
        if described and any(words(cell) in vague for vague in _VAGUE):
            named = [article] if article.path[0] not in used else []  # `Article` beside a description is its number
        used.update(leaf.path[0] for leaf in named)
        header.append(
            tuple(HeaderColumn(leaf, leaf.kind, cell) for leaf in named) or (HeaderColumn(None, "any", cell),)
        )
    return tuple(header)


def _leaves_in(cell: str, known: Known) -> list[Leaf]:
    """The properties named in a header cell; none where most of its words have no meaning here."""
    tokens = [fold_word(match[0]) for match in WORD.finditer(_BRACKETS.sub(" ", cell))]
    leaves: list[Leaf] = []
    index = matched = 0
    while index < len(tokens):
        for length in range(min(4, len(tokens) - index), 0, -1):
            leaf = known.get(tuple(tokens[index : index + length]))
            if leaf is not None:
                leaves.append(leaf)
                matched += length
                index += length
                break
        else:
            matched += tokens[index] in _FILLER
            index += 1
    return leaves if tokens and matched * 2 > len(tokens) else []


def _counts(header: Header, *, needs_text: bool) -> bool:
    """True for a header of two properties, one of text or codes where the item has any: lists name their items."""
    named = any(column.kind in {"text", "code"} for cell in header for column in cell if is_asked(column))
    return _count(header) >= 2 and (named or not needs_text)


def _count(header: Header) -> int:
    return sum(is_asked(column) for cell in header for column in cell)


def is_asked(column: HeaderColumn) -> bool:
    """True for a column that names a property of the wanted item."""
    return column.leaf is not None and not column.leaf.path[0].startswith(_UNASKED)
