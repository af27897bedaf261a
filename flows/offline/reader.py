"""A wanted schema filled from page rows: labelled values, parties, sums, tables, headings; the rest is null."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.offline import typed
from flows.offline.bill_headline import headline
from flows.offline.labels import ASKEW, Labels, Pair, pairs
from flows.offline.layout import TextPage, TextRow, text_rows
from flows.offline.outline import outline_sections, points, title
from flows.offline.parties import parties
from flows.offline.tables import items
from flows.offline.totals import Amount, settle_totals
from flows.offline.typed import Habits
from flows.offline.wanted import Leaf, json_type, leaves, properties

_MIDDLE = frozenset(
    {"date", "iban", "bic", "vat"}
)  # kinds recognised so easily that their label may be within a sentence


def read(schema: Mapping[str, Any], pages: Iterable[TextPage]) -> dict[str, Any]:
    """`schema` filled from `pages`. Every key is present; a value is null unless the pages print it."""
    rows = text_rows(pages)
    wanted = list(leaves(schema))
    labels = Labels({leaf.concept: leaf.phrases for leaf in wanted if leaf.phrases})
    how = typed.habits(cell for line in rows for cell in line.cells)
    scalars = _scalars(wanted, rows, labels, how)
    return _filled(schema, (), scalars, rows, how)


def _filled(
    node: Mapping[str, Any],
    path: tuple[str, ...],
    scalars: Mapping[tuple[str, ...], Any],
    rows: Sequence[TextRow],
    how: Habits,
) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for key, below in properties(node).items():
        kind = json_type(below)
        if kind == "object":
            answer[key] = _filled(below, (*path, key), scalars, rows, how)
        elif kind == "array":
            item = below.get("items")
            item = item if isinstance(item, Mapping) else {}
            if json_type(item) != "object":
                answer[key] = points(key, rows) if json_type(item) == "string" and "enum" not in item else []
            elif "heading" in properties(item):
                answer[key] = outline_sections(item, rows)
            else:
                answer[key] = items(rows, item, how)
        else:
            answer[key] = typed.plain_text(scalars.get((*path, key)), below)
    return answer


def _scalars(
    wanted: Sequence[Leaf], rows: Sequence[TextRow], labels: Labels, how: Habits
) -> dict[tuple[str, ...], Any]:
    by_concept: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs(rows, labels):
        by_concept[pair.meaning.concept].append(pair)
    for pair in reversed(headline(rows, how)):
        by_concept[pair.meaning.concept].insert(0, pair)
    amounts = {concept: _amounts(by_concept[concept], how) for concept in _MONEY}
    sums = settle_totals(amounts, paid=bool(by_concept["prepaid"]))
    sides = parties(rows, labels)
    values: dict[tuple[str, ...], Any] = {}
    for leaf in wanted:
        if leaf.kind == "party":
            side, _, part = leaf.concept.partition("_")
            values[leaf.path] = getattr(sides[side], part)
        elif leaf.concept in _MONEY:
            values[leaf.path] = sums.get(leaf.concept)
        elif leaf.path[-1] == "title" and leaf.kind == "text":
            values[leaf.path] = title(rows)
        else:
            values[leaf.path] = _first(leaf, by_concept[leaf.concept], how)
        if leaf.concept == "currency" and values[leaf.path] is None:
            values[leaf.path] = how.currency
    return values


_PLAIN_WORDS = frozenset({"allowances", "charges"})  # their labels are common words of sentences
_MONEY = ("line_total", "net_total", "tax_total", "gross_total", "due_amount", "prepaid", "allowances", "charges")


def _amounts(candidates: Iterable[Pair], how: Habits) -> list[Amount]:
    """The labelled amounts. An amount below a label counts only where there is none beside it."""
    amounts: list[Amount] = []
    beside = -1
    for order, pair in enumerate(candidates):
        value = typed.money(pair.text, how)
        below = pair.far > 1
        if value is None or pair.far > 2 or (below and (beside == pair.row or pair.meaning.tier)):
            continue
        if not below:
            beside = pair.row
        if pair.opens or pair.meaning.concept not in _PLAIN_WORDS:
            amounts.append(Amount(pair.meaning.tier + (0 if pair.opens else 1), order, value))
    return amounts


def _first(leaf: Leaf, candidates: Iterable[Pair], how: Habits) -> Any:
    best: tuple[tuple[int, int, int], Any] | None = None
    for order, pair in enumerate(candidates):
        if (not pair.opens and leaf.kind not in _MIDDLE) or (pair.far == ASKEW and leaf.kind != "date"):
            continue
        if leaf.kind == "text" and pair.far == 0 and not pair.colon:
            continue
        value = _value(leaf, pair.text, how)
        rank = (pair.meaning.tier, 0 if pair.opens else 1, order)
        if value is not None and (best is None or rank < best[0]):
            best = rank, value
    return best[1] if best else None


def _value(leaf: Leaf, text: str, how: Habits) -> Any:
    match leaf.kind:
        case "date":
            return typed.date(text, how)
        case "money" | "number" | "integer":
            value = typed.number(text, how)
            return None if leaf.kind == "integer" and value is not None and value % 1 else value
        case "code":
            return typed.code(text)
        case "iban":
            return typed.iban(text)
        case "bic":
            return typed.bic(text)
        case "vat":
            return typed.vat(text)
        case "currency":
            return typed.currency(text)
        case "enum":
            choices = {
                str(choice).casefold(): choice for choice in leaf.node.get("enum", ()) if isinstance(choice, str)
            }
            return choices.get(text.casefold())
        case "text":
            return text if len(text) <= 200 else None
    return None
