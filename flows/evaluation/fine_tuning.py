"""`pagemill export --format chat`: corrected documents as fine-tuning lines, in the form that Mistral's and OpenAI's APIs take.

A line is a request of a run (system, user with text and pictures) and its answer as corrected by people. The documents are read
from their sources again, split in the sandbox and packed by the present recipe; documents that fail are reported.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from extractors.chunk import is_sent
from extractors.corrections.training_answer import training_answer
from extractors.prompt.prompt import prompt
from flows.documents.recipe import Recipe, chunks_of, make_recipe
from flows.documents.sandbox import Sandbox, read_frames, workplace
from flows.durable_files import written_aside
from flows.review.corrections import correction_rows
from flows.review.records import Published, read_records
from flows.settings import Settings
from flows.sources.locations import locations_of, spooled
from flows.sources.spool import Spooled
from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError, DocumentError, UnreadableDocumentError

_SHARE_DIGITS = 8  # hexadecimal digits of an id (a hash) that assign a document to a file


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document without lines, and the reason."""

    document_id: str
    source_uri: str
    reason: str


@dataclass(slots=True)
class FineTuningFiles:
    """Counts of documents and lines written for training and for validation."""

    files: list[str]
    documents: list[int] = field(default_factory=lambda: [0, 0])
    lines: list[int] = field(default_factory=lambda: [0, 0])
    left_out: list[LeftOut] = field(default_factory=list)


def write_fine_tuning(
    dataset: Dataset, document_type: DocumentType, settings: Settings, target: Path, share: float, *, all_ok: bool
) -> FineTuningFiles:
    """Write the lines to `target`, those of a `share` of the documents to its name with `.validation`.

    Corrected or accepted documents are taken, with `all_ok` those of status ok, too. The same document always goes to the same
    file. Raises ConfigurationError for a file that cannot be written.
    """
    # These lines may become examples, so no examples precede them.
    recipe = make_recipe(document_type, settings.model_copy(update={"examples": None}))
    paths = [target, validation_path(target)] if share > 0 else [target]
    done = FineTuningFiles([str(path) for path in paths])
    try:
        with written_aside(*paths) as asides, ExitStack() as stack:
            files = [stack.enter_context(aside.open("w", encoding="utf-8", newline="\n")) for aside in asides]
            sandbox, folder = stack.enter_context(workplace(settings))
            for published in _chosen(dataset, document_type, all_ok=all_ok):
                file_index = int(int(published.document_id[:_SHARE_DIGITS], 16) < share * 16**_SHARE_DIGITS)
                _write(done, file_index, files[file_index], published, _Reread(dataset, sandbox, recipe, folder))
    except OSError as error:
        raise ConfigurationError(
            f"{target}: cannot be written: {error.strerror or error}; name another file"
        ) from error
    return done


def validation_path(target: Path) -> Path:
    """`train.validation.jsonl` beside `train.jsonl`."""
    return target.with_name(f"{target.stem}.validation{target.suffix}")


def fine_tuning_lines(done: FineTuningFiles) -> list[str]:
    """Summary of the files written, for people."""
    names = zip(done.files, done.lines, done.documents, strict=False)
    lines = [f"{name}: {count:,} lines of {documents:,} documents" for name, count, documents in names]
    return [*lines, *(f"left out: {entry.source_uri}: {entry.reason}" for entry in done.left_out)]


@dataclass(frozen=True, slots=True)
class _Reread:
    """Tools to make the requests of a document again."""

    dataset: Dataset
    sandbox: Sandbox
    recipe: Recipe
    folder: Path

    def lessons(self, published: Published) -> list[dict[str, Any]]:
        """The lines of one document. Raises DocumentError where its source has changed."""
        document_id, uri = published.document_id, published.document["source_uri"]
        taken = self._taken(document_id, uri)
        if taken is None:
            raise DocumentError(f"{uri}: its source has other bytes now; put the file back to use it")
        frames = self.folder / f"{document_id}.frames"
        try:
            asyncio.run(self.sandbox.split(taken.path, taken.document.file_name, frames, self.recipe.options))
            return list(self._of_chunks(published, frames))
        finally:
            frames.unlink(missing_ok=True)
            taken.path.unlink(missing_ok=True)

    def _taken(self, document_id: str, uri: str) -> Spooled | None:
        """A copy of the document from its address, else from another of its present addresses."""
        with suppress(UnreadableDocumentError):
            if (taken := spooled(document_id, uri, (), self.folder)) is not None:
                return taken
        addresses = locations_of(self.dataset, [document_id]).get(document_id, ())
        return spooled(document_id, uri, addresses, self.folder)

    def _of_chunks(self, published: Published, frames: Path) -> Iterator[dict[str, Any]]:
        reader = self.recipe.readers[0]
        first: int | None = None
        for chunk in chunks_of(self.recipe, reader, read_frames(frames)):
            if not is_sent(chunk):
                continue
            if chunk.part:
                raise DocumentError(
                    f"page {chunk.pages[0].number} is sent in parts, but values are assigned to whole pages only"
                )
            first = chunk.pages[0].number if first is None else first
            for group in self.recipe.group_roots:
                request = prompt(chunk, self.recipe.document_type, reader.decoding, group=group)
                answer = training_answer(published.record, chunk, first, group or self.recipe.document_type.root)
                yield {"messages": [*request.messages, {"role": "assistant", "content": answer}]}


def _chosen(dataset: Dataset, document_type: DocumentType, *, all_ok: bool) -> Iterator[Published]:
    ids = None if all_ok else correction_rows(dataset).keys()
    for record in read_records(dataset, document_type, ids):
        if record.record.corrected_fields or (all_ok and record.record.status == "ok"):
            yield record


def _write(done: FineTuningFiles, file_index: int, file: TextIO, published: Published, tools: _Reread) -> None:
    try:
        lines = tools.lessons(published)
    except DocumentError as error:
        uri = published.document["source_uri"]
        done.left_out.append(LeftOut(published.document_id, uri, str(error).removeprefix(f"{uri}: ")))
        return
    file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    done.documents[file_index] += 1
    done.lines[file_index] += len(lines)
