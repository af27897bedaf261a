"""Frozen data that passes between the steps.

Lengths are PDF points from the top-left corner, tokens those of the model's vocabulary, money nano-USD.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.checks import CheckResult
from schemas.fields import Field

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in points, top-left origin
SentAs = Literal["text", "figures", "image", "blank"]
ProblemKind = Literal[
    "rejected", "conflict", "unanswered", "absent", "required", "page", "hidden", "check", "rows", "uncounted", "joined",
    "misplaced"
]  # fmt: skip
Match = Literal["exact", "normalized", "fuzzy", "image", "absent", "rejected", "conflict", "unanswered", "corrected"]


class Word(NamedTuple):
    """One word of a page and its box in points, top-left origin."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded picture: `data` are JPEG or PNG bytes, `width` and `height` are in pixels."""

    data: bytes
    mime: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture on a page that carries meaning. `number` counts from 1 on its page; `kind` is raster, drawing or table."""

    number: int
    box: Box
    kind: str
    caption: str | None
    image: Image


@dataclass(frozen=True, slots=True)
class Page:
    """One page as split yields it: `words` for grounding, `text` for the model.

    `image` is the whole page as a picture where its text cannot be trusted. `hidden_text` counts the invisible characters
    of the page. `problem` is the reason why the page, or a part of it, could not be read. `is_scanned` is true where
    the words were read from the picture by the second reader (OCR), and are not in `text`. A part of a cut page has the
    `words` of the whole page.
    """

    number: int
    width: float
    height: float
    text: str
    words: tuple[Word, ...]
    sent_as: SentAs
    reason: str
    image: Image | None = None
    figures: tuple[Figure, ...] = ()
    hidden_text: int = 0
    problem: str | None = None
    is_scanned: bool = False

    @property
    def images(self) -> tuple[Image, ...]:
        """All pictures that are sent with this page, in order."""
        own = (self.image,) if self.image is not None else ()
        return own + tuple(figure.image for figure in self.figures)


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """Facts about a document that split yields before its pages: `attachments` are the names of embedded files."""

    pages: int
    title: str | None
    format: str
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One document as read: `document_id` is the sha256 of its bytes in hex, `size` is in bytes."""

    document_id: str
    source_uri: str
    file_name: str
    size: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive pages (or `part` of one page, from 0) that share one request. `page_tokens` runs beside `pages`."""

    index: int
    part: int
    pages: tuple[Page, ...]
    page_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Request to the model for one chunk: independent of endpoint, dialect and routing.

    `prompt_tokens` is the exact count for the model's tokenizer, `max_tokens` the limit of the answer. `is_constrained` is
    false where decoding is free, since an earlier answer ran away under constrained decoding.
    """

    request_id: str
    chunk: int
    part: int
    model: str
    messages: tuple[Mapping[str, Any], ...]
    schema_name: str
    schema: Mapping[str, Any]
    temperature: float
    max_tokens: int
    prompt_tokens: int
    attempt: int = 0
    is_constrained: bool = True


@dataclass(frozen=True, slots=True)
class Repair:
    """Part of an answer to ask for once more: `root` is the tree of these fields, `reasons` are the faults in words.

    An item of a list has an integer `index_name` beside its fields: its index in the list of the earlier answer. `pointers`
    are the fields that failed: no other value of the new answer is used.
    """

    root: Field
    reasons: tuple[str, ...]
    index_name: str
    pointers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of the model, as paid. `cost_nusd` is None where the price is unknown."""

    request_id: str
    text: str
    finish_reason: str
    model: str
    model_returned: str
    provider: str | None
    prompt_tokens: int
    completion_tokens: int
    cost_nusd: int | None
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Fault or doubt about a value, for people. `field` is a JSON pointer ("" for the whole record)."""

    field: str
    kind: ProblemKind
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed completion: `value` has the schema's shape, every leaf of its type or None.

    `is_whole` is false when the model's JSON ended in the middle: the rest of a list may be missing.
    """

    value: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """Place of one value of a record. `field` is a JSON pointer; page and box are None where there is no place.

    `confidence` is between 0 and 1, None where it was not estimated.
    """

    field: str
    value: str | None
    page: int | None
    box: Box | None
    quote: str | None
    match: Match
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """An answer whose leaves were looked for on the chunk's pages: `evidence` by JSON pointer."""

    chunk: int
    pages: tuple[int, ...]
    answer: Answer
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One validated answer for a document.

    `item_pages` is the page of each list item by JSON pointer. `unsettled` are the pointers of scalars of which the document
    states several values and no check decides between them. `corrected_fields` are the pointers of the values that people
    have corrected, and `""` where they have accepted the whole record.
    """

    value: Mapping[str, Any]
    evidence: tuple[Evidence, ...]
    problems: tuple[Problem, ...]
    status: Literal["ok", "partial"]
    needs_review: bool
    first_page: int | None
    last_page: int | None
    item_pages: Mapping[str, int | None]
    checks: tuple[CheckResult, ...] = ()
    unsettled: tuple[str, ...] = ()
    corrected_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Correction:
    """One value by one person: `old` and `new` as text, JSON where `field` (a JSON pointer) leads to no leaf.

    A pointer that ends in `-` adds an item to a list; None as the `new` of an item removes it; `""` accepts the record, whose
    value is then in `new`. `context` is the outermost list item around the field, as JSON, by which it is recognised after
    items have moved; for an added item it is the number of equal items. `evidence` is the place where the person saw the value.
    """

    field: str
    old: str | None
    new: str | None
    context: str | None = None
    evidence: Evidence | None = None


TEMPERATURE = 0.15  # recommended by the model card


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of decoding, part of the request's identity; `window` and `max_output` are in tokens."""

    model: str
    window: int
    max_output: int
    temperature: float = TEMPERATURE
