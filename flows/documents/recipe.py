"""A recipe: everything that decides what a document's values come out as. Its hash is the `recipe_id` of every row."""

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from extractors.chunk import Room, answer_estimator, chunk, scalar_answer_tokens
from extractors.ocr import reader_name
from extractors.parse.parse import PARSE_VERSION
from extractors.prompt.few_shot import Example, page_keys, read_examples, turns, upper_bound
from extractors.prompt.field_groups import groups
from extractors.prompt.prompt import (
    PROMPT_VERSION,
    frame_tokens,
    page_content,
    page_tokens,
    schema_tokens,
    system_text,
    task_text,
)
from extractors.split.options import SPLIT_VERSION, SplitOptions
from flows.settings import Settings
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError
from schemas.fields import Field
from schemas.models import Model
from schemas.step_data import Chunk, Decoding, Page

_ANSWER_SHARE = 0.8  # of the output limit that packing fills: an estimate is no promise
_LEAST_PAGES = 256  # tokens: with less room for pages than this nothing useful can be sent


@dataclass(frozen=True, slots=True)
class Reader:
    """One model of a recipe: how it decodes, and the room that its window and output limit leave."""

    decoding: Decoding
    room: Room


@dataclass(frozen=True, slots=True)
class Recipe:
    """A document type with the models, in the order in which they are asked, and the settings it is extracted with."""

    document_type: DocumentType
    groups: tuple[Field, ...]
    readers: tuple[Reader, ...]
    options: SplitOptions
    asks_to_settle: bool
    recipe_id: str
    settings: str
    versions: str
    examples: tuple[Example, ...] = ()
    examples_count: int = 0

    def turns(self, chunk: Chunk, group: Field | None, own: frozenset[str]) -> tuple[Mapping[str, Any], ...]:
        """The examples before a request for `chunk`, none of which has a page of `own` (`own_pages`)."""
        if not self.examples:
            return ()
        task = task_text(self.document_type, group)
        has_images = any(page.images for page in chunk.pages)
        return turns(self.examples, task, own, self.examples_count, has_images=has_images)

    def own_pages(self, pages: Iterable[Page]) -> frozenset[str]:
        """Keys of the pages of a document's own examples; empty where there are no examples."""
        if not self.examples:
            return frozenset()
        return frozenset(key for page in pages for key in page_keys(page_content(page)))

    @property
    def group_roots(self) -> tuple[Field | None, ...]:
        """Group argument of the prompt step for each request of a chunk: None where the schema is asked as a whole."""
        return (None,) if len(self.groups) == 1 else self.groups

    @property
    def models(self) -> str:
        """The models in order, as `recipes` has them."""
        return ",".join(reader.decoding.model for reader in self.readers)

    def row(self) -> dict[str, Any]:
        """The row of `recipes`."""
        return {
            "recipe_id": self.recipe_id,
            "schema": json.dumps(self.document_type.schema, ensure_ascii=False),
            "prompt": system_text(self.document_type),
            "model": self.models,
            "settings": self.settings,
            "versions": self.versions,
            "first_used_at": datetime.datetime.now(datetime.UTC),
        }


def make_recipe(document_type: DocumentType, settings: Settings, windows: Mapping[str, int] | None = None) -> Recipe:
    """Recipe for `document_type`; `windows` are the served windows of models, in tokens.

    Raises ConfigurationError when the schema leaves no room for pages.
    """
    models = [settings.model_entry(slug, (windows or {}).get(slug)) for slug in settings.models]
    parts = groups(document_type.root, settings.fields_per_request)
    lines = settings.example_lines
    examples = _examples(document_type, parts, lines)
    taken = upper_bound(examples, settings.examples_count)
    readers = tuple(_reader(document_type, parts, model, settings, taken) for model in models)
    kept: Mapping[str, Any] = {
        "images": settings.images,
        "attachments": settings.attachments,
        "chunk_tokens": settings.chunk_tokens,
        "request_bytes": settings.request_bytes,
        "fields_per_request": settings.fields_per_request,
        "settle": settings.settle,
        "models": [
            [model.window, reader.decoding.max_output, reader.decoding.temperature, model.images]
            for model, reader in zip(models, readers, strict=True)
        ],
    }
    if settings.ocr:  # what is found on scans, and which lists are proven; without it recipes stay what they were
        kept = {**kept, "ocr": reader_name()}
    if examples:
        text = "\n".join(lines).encode("utf-8", "replace")
        kept = {**kept, "examples": [hashlib.sha256(text).hexdigest(), settings.examples_count]}
    versions = {"split": SPLIT_VERSION, "prompt": PROMPT_VERSION, "parse": PARSE_VERSION}
    slugs = [model.slug for model in models]
    identity = [document_type.identity, system_text(document_type), slugs, kept, versions]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return Recipe(
        document_type=document_type,
        groups=parts,
        readers=readers,
        options=SplitOptions(settings.images, settings.passwords, settings.attachments),
        asks_to_settle=settings.settle == "ask",
        recipe_id=digest[:16],
        settings=json.dumps(kept, sort_keys=True),
        versions=json.dumps(versions, sort_keys=True),
        examples=examples,
        examples_count=settings.examples_count,
    )


def chunks_of(recipe: Recipe, reader: Reader, pages: Iterable[Page]) -> Iterator[Chunk]:
    """The chunks that `reader` is sent `pages` in; one without anything to read is not sent, but is among them."""
    rows = [answer_estimator(group) for group in recipe.groups]
    return chunk(pages, reader.room, page_tokens, lambda page: max(cost(page) for cost in rows))


def _examples(document_type: DocumentType, parts: tuple[Field, ...], lines: Sequence[str]) -> tuple[Example, ...]:
    asked = (None,) if len(parts) == 1 else parts
    try:
        return read_examples(lines, [task_text(document_type, group) for group in asked])
    except ConfigurationError as error:
        raise ConfigurationError(f"PAGEMILL_EXAMPLES: {error}") from None


def _reader(
    document_type: DocumentType,
    parts: tuple[Field, ...],
    model: Model,
    settings: Settings,
    taken: tuple[int, int, int] = (0, 0, 0),
) -> Reader:
    """Model with its room, which is what the largest group leaves: a chunk is asked for each group.

    `taken` is what the examples before it take at most: tokens, pictures, and bytes of these.
    """
    asked = (None,) if len(parts) == 1 else parts
    frame = max(frame_tokens(document_type, group) for group in asked)
    margin = max(schema_tokens(part) for part in parts)
    answer = min(model.max_output, model.window // 2)
    tokens, images, sent_bytes = taken
    pages = model.window - frame - margin - answer - tokens
    if settings.chunk_tokens is not None:
        pages = min(pages, settings.chunk_tokens)
    if pages < _LEAST_PAGES:
        raise ConfigurationError(
            f"type {document_type.name!r} leaves {max(0, pages):,} of {model.slug}'s {model.window:,} tokens for pages; "
            "use a smaller schema, " + ("fewer examples, " if tokens else "") + "or a model with a larger window"
        )
    if images and (images >= model.images or sent_bytes >= settings.request_bytes):
        raise ConfigurationError(
            f"PAGEMILL_EXAMPLES: the pictures of {settings.examples_count} examples leave no room for those of a document "
            f"in a request of {model.images} pictures and {settings.request_bytes:,} bytes; show fewer, or without pictures"
        )
    lists_answer = max(1, round(answer * _ANSWER_SHARE) - max(map(scalar_answer_tokens, parts)))
    decoding = Decoding(model.slug, model.window, answer)
    return Reader(decoding, Room(pages, lists_answer, model.images - images, settings.request_bytes - sent_bytes))
