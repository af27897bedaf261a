"""The lexicon of labels, read from `lexicon.toml` beside this module, and the folding of words for comparison."""

import re
import tomllib
import unicodedata
from importlib.resources import files
from typing import Any, NamedTuple

from extractors.values import fold_text

WORD = re.compile(r"[^\W_]+")
LEGAL_FORM = re.compile(
    r"\b(?:GmbH|mbH|AG|KGaA|KG|OHG|UG|e\.\s?K\.|eG|GbR|SE|Ltd|Limited|PLC|plc|LLP|LLC|Inc|Corp|Corporation|S\.?A\.?R\.?L|SARL|SASU?|EURL|S\.A|SA|B\.V|N\.V|BV|NV|S\.r\.l|S\.p\.A|ApS|A/S|Oy|AB)(?=\b|\.|\s|$)"
)
CURRENCIES = frozenset(
    {"EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "BGN", "JPY", "CNY"}
    | {"AUD", "CAD", "NZD", "INR", "BRL", "MXN", "ZAR", "TRY", "SGD", "HKD", "KRW", "AED", "ILS", "THB"}
)
SIGNS = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "$": "USD"}
Phrase = tuple[str, ...]


class Concept(NamedTuple):
    """Concept: the kind of its value, its labels by tier, and a regular expression for the property names that mean it."""

    kind: str
    tiers: tuple[tuple[Phrase, ...], ...]
    names: str


def words(text: str) -> Phrase:
    """The folded words of `text`: no case, accents or punctuation."""
    return tuple(fold_word(match[0]) for match in WORD.finditer(text))


def fold_word(word: str) -> str:
    """One word without case and accents."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", fold_text(word))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _concepts(section: dict[str, Any]) -> dict[str, Concept]:
    return {
        name: Concept(entry["kind"], tuple(tuple(map(words, tier)) for tier in entry["labels"]), entry["names"])
        for name, entry in section.items()
    }


_LEXICON = tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))
CONCEPTS = _concepts(_LEXICON["values"])
ITEM_CONCEPTS = _concepts(_LEXICON["columns"])
BLOCKS = {name: frozenset(map(words, labels)) for name, labels in _LEXICON["blocks"].items()}
