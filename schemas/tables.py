"""The Arrow schema of every table that is published, and the record tables that a document type makes.

Types: money decimal128(18, 4), prices and quantities decimal128(18, 6), integers int64, our own times in UTC, a
document's date-times as printed. Every file of a table is written with the identical schema from here, never inferred.
"""

import re
from collections.abc import Mapping

import pyarrow as pa

DECIMAL_DIGITS = 18
_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_ITEM = "element"  # what Parquet calls the values of a list: the schema of a file read back is then the one stated
_TEXTS = pa.list_(pa.field(_ITEM, _TEXT))
_TIME = pa.timestamp("us", tz="UTC")
# Columns as (name, type, what it holds). The texts are the data dictionary, and stand in the Arrow schema of every file.
_Columns = list[tuple[str, pa.DataType, str]]
_ID: _Columns = [("document_id", _TEXT, "sha256 of the document's bytes, in hex")]
_RECORD: _Columns = [*_ID, ("record", _INT, "number of the record in its document, from 0")]
_BOX: _Columns = [
    ("x0", _FLOAT, "left edge, in points from the page's top left corner"),
    ("y0", _FLOAT, "upper edge, in points from the page's top left corner"),
    ("x1", _FLOAT, "right edge, in points from the page's top left corner"),
    ("y1", _FLOAT, "lower edge, in points from the page's top left corner"),
]
_MATCH = """exact, normalized, fuzzy, image (only a picture shows it), absent (nowhere), conflict (stated otherwise \
elsewhere) or corrected (a person says so); of a null rejected or unanswered"""
_UNITS = {
    **dict.fromkeys(("x0", "y0", "x1", "y1"), "point"), "bytes": "byte", "seconds": "s",
    **dict.fromkeys(("cost_usd", "cost_usd_estimated"), "USD"),
    **dict.fromkeys(("tokens", "prompt_tokens", "completion_tokens"), "token"),
}  # fmt: skip

_SHARD: dict[str, _Columns] = {
    "documents": [
        *_ID,
        ("source_uri", _TEXT, "address it was read from: an absolute path, or a URL without credentials and query"),
        ("file_name", _TEXT, "last step of the address"),
        ("bytes", _INT, "size of the document, in bytes"),
        ("pages", _INT, "number of pages"),
        ("title", _TEXT, "title that the document states in its own metadata"),
        ("document_type", _TEXT, "name of the document type"),
        ("status", _TEXT, "ok, or partial: something that its pages show is not in the tables, or contradicts itself"),
        ("problems", _TEXTS, "what people must know about the values, in words"),
        ("recipe_id", _TEXT, "recipe that the values were made with"),
        ("model", _TEXT, "model that answered"),
        ("run_id", _TEXT, "run that published it"),
        ("extracted_at", _TIME, "when it was extracted"),
        ("requests", _INT, "answers that it took"),
        ("prompt_tokens", _INT, "tokens that were read for it"),
        ("completion_tokens", _INT, "tokens that were written for it"),
        ("cost_usd", _FLOAT, "what its answers cost, in USD; null where the price is unknown"),
        ("seconds", _FLOAT, "time from opening it to its record, in seconds"),
        ("attachments", _TEXTS, "names of files that are embedded in it"),
        ("problem_kinds", _TEXTS, "the kind of each of its problems, in their order"),
        ("extracted", _TEXT, "its record as the machine read it, as JSON, where people have corrected it; else null"),
    ],
    "evidence": [
        *_RECORD,
        ("field", _TEXT, "JSON pointer of the value in the record, such as /line_items/0/amount"),
        ("value", _TEXT, "the value, as text"),
        ("page", _INT, "page that it stands on, from 1"),
        *_BOX,
        ("quote", _TEXT, "the words there and around it"),
        ("match", _TEXT, _MATCH),
        ("confidence", _FLOAT, "how sure it is that the value is right, from 0 to 1; null where nothing is known"),
    ],
    "checks": [
        *_RECORD,
        ("check", _TEXT, "name of the check, as its type declares it"),
        ("ok", _BOOL, "whether it holds"),
        ("expected", _TEXT, "the right side of the equation"),
        ("found", _TEXT, "the left side of the equation"),
    ],
    "pages": [
        *_ID,
        ("page", _INT, "number of the page, from 1"),
        ("width", _FLOAT, "width, in points"),
        ("height", _FLOAT, "height, in points"),
        ("text", _TEXT, "the text that was sent"),
        ("sent_as", _TEXT, "text, figures (text with pictures), image or blank (nothing to send)"),
        ("reason", _TEXT, "why it was sent so"),
        ("tokens", _INT, "tokens that it takes in a request"),
        ("chunk", _INT, "number of the request that it was part of, from 0"),
        ("hidden_text", _INT, "characters on the page that no eye sees, which were left out"),
    ],
    "figures": [
        *_ID,
        ("page", _INT, "number of the page, from 1"),
        ("figure", _INT, "number of the figure on its page, from 1"),
        *_BOX,
        ("kind", _TEXT, "what kind of figure it is"),
        ("caption", _TEXT, "its caption on the page"),
        ("width", _INT, "width, in pixels"),
        ("height", _INT, "height, in pixels"),
        ("image", pa.binary(), "the picture that was sent, as JPEG or PNG"),
    ],
    "calls": [
        *_ID,
        ("request_id", _TEXT, "sha256 of what was asked, in hex"),
        ("chunk", _INT, "number of the chunk of pages; -1 where no page was sent"),
        ("part", _INT, "part of the chunk, where it was asked for in pieces"),
        ("model", _TEXT, "model that was asked"),
        ("model_returned", _TEXT, "model that the endpoint says has answered"),
        ("provider", _TEXT, "who served the model, where the endpoint says so"),
        ("finish_reason", _TEXT, "why the answer ends, in the endpoint's word"),
        ("prompt_tokens", _INT, "tokens read; 0 for an answer reused from an equal request"),
        ("completion_tokens", _INT, "tokens written; 0 for an answer reused from an equal request"),
        ("cost_usd", _FLOAT, "cost, in USD; null where the price is unknown"),
        ("seconds", _FLOAT, "time to the answer, in seconds"),
        ("attempts", _INT, "requests until it came; 0 for an answer reused from an equal request"),
        ("response", _TEXT, "the answer, as it came"),
        ("run_id", _TEXT, "run that asked"),
    ],
    "failures": [
        ("document_id", _TEXT, "sha256 of the document's bytes, in hex; null where it could not be read"),
        ("source_uri", _TEXT, "address it was read from"),
        ("run_id", _TEXT, "run in which it failed"),
        ("at", _TIME, "when it failed; after a clock went back, right after the failures before it: the newest is the last"),
        ("stage", _TEXT, "step that failed"),
        ("error", _TEXT, "kind of the error"),
        ("message", _TEXT, "where, what, and what to do"),
        ("attempts", _INT, "how often it was tried so far"),
        ("retryable", _BOOL, "whether later nights try it again of themselves"),
        ("recipe_id", _TEXT, "recipe that it failed under"),
    ],
}  # fmt: skip

_LOG: dict[str, _Columns] = {
    "sources": [
        ("source_uri", _TEXT, "address: an absolute path, or a URL without credentials and query; its newest row counts"),
        ("document_id", _TEXT, "what stands there: sha256 of the bytes; null until it was read"),
        ("bytes", _INT, "size, in bytes"),
        ("modified_at", _TIME, "when it was changed, as its store says; null where that may still change"),
        ("etag", _TEXT, "version, as an object store says"),
        ("gone", _BOOL, "whether it has gone"),
        ("attributes", _TEXT, "other columns of the list that named it, as JSON"),
        ("run_id", _TEXT, "run that saw it"),
        ("seen_at", _TIME, "when that run began"),
        ("found_by", _TEXT, "source on the command line under which it was found"),
    ],
    "runs": [
        ("run_id", _TEXT, "name of the run: its start in UTC, and a few letters"),
        ("started_at", _TIME, "when it began"),
        ("finished_at", _TIME, "when it ended; null for a run that was killed"),
        ("discovered", _INT, "addresses found: the sum of the next six"),
        ("already_done", _INT, "addresses whose documents were published before"),
        ("skipped", _INT, "addresses whose failures are not due, or that are to stay out"),
        ("ok", _INT, "documents published whole"),
        ("partial", _INT, "documents published with something missing"),
        ("failed", _INT, "documents that failed"),
        ("deferred", _INT, "addresses left for a later run"),
        ("cost_usd", _FLOAT, "what it cost, in USD"),
        ("recipe_id", _TEXT, "recipe it worked with"),
        ("version", _TEXT, "version of Pagemill"),
        ("command", _TEXT, "run, nightly, backfill, refresh, or replay (a refresh from stored answers)"),
        ("requests", _INT, "answers it paid for"),
        ("prompt_tokens", _INT, "tokens read"),
        ("completion_tokens", _INT, "tokens written"),
        ("cost_usd_estimated", _FLOAT, "what its answers were estimated to cost, in USD; null where nothing was"),
    ],
    "recipes": [
        ("recipe_id", _TEXT, "hash of all that decides what the values come out as"),
        ("schema", _TEXT, "JSON Schema of the document type"),
        ("prompt", _TEXT, "instructions to the model"),
        ("model", _TEXT, "models in the order in which they are asked"),
        ("settings", _TEXT, "settings that matter, as JSON"),
        ("versions", _TEXT, "versions of the steps, as JSON"),
        ("first_used_at", _TIME, "when it first published something"),
    ],
    "quality": [
        ("run_id", _TEXT, "run that published what is measured"),
        ("at", _TIME, "when it was measured"),
        ("measure", _TEXT, "filled, located (found on its page), failed_check, partial, or cost_per_page"),
        ("field", _TEXT, "JSON pointer of the field, * for a list's index; a check's name; null for documents as a whole"),
        ("group", _TEXT, "value of the field by which the type groups its documents; null: all documents"),
        ("count", _FLOAT, "how many, of `total`: values, checks or documents; for cost_per_page, USD"),
        ("total", _FLOAT, "of how many; for cost_per_page, pages"),
        ("value", _FLOAT, "count / total"),
    ],
    "corrections": [
        ("correction_id", _INT, "number of the correction; it only grows, and of two of one field the later one counts"),
        ("at", _TIME, "when it was made"),
        ("by", _TEXT, "who made it"),
        *_RECORD,
        ("field", _TEXT, "JSON pointer of the value; one that ends in - adds a list's item; empty: the record was accepted"),
        ("old", _TEXT, "the value before, as text; JSON for an item of a list"),
        ("new", _TEXT, "the value since, as text; JSON for an item of a list or an accepted record; null: taken out"),
        ("note", _TEXT, "why, in the words of who made it"),
        ("run_id", _TEXT, "command that made it; null for one that was made in the dataset that this one follows"),
        ("match", _TEXT, "how the value before had been found on its page"),
        ("confidence", _FLOAT, "how sure it was that the value before was right, from 0 to 1"),
        ("page", _INT, "page where it was seen, from 1"),
        *_BOX,
        ("quote", _TEXT, "the words there"),
        ("context", _TEXT, "the list's item before, as JSON, by which it is found again; of an added one how many there were"),
    ],
    "changes": [
        ("change_id", _INT, "number of the change; it only grows, so that a reader can go on where it stopped"),
        ("at", _TIME, "when it was published"),
        ("run_id", _TEXT, "run or command that made it"),
        *_RECORD,
        ("kind", _TEXT, "added, replaced, corrected, superseded (by a newer version of the document) or forgotten"),
        ("field", _TEXT, "JSON pointer of the value that changed; null where the document as a whole did"),
        ("old", _TEXT, "the value before, as text"),
        ("new", _TEXT, "the value after, as text"),
    ],
}  # fmt: skip

_RECORD_HEAD: _Columns = [
    *_RECORD,
    ("record_status", _TEXT, "ok, or partial: something that the pages show is missing, or contradicts itself"),
    ("record_problems", _TEXTS, "what people must know about the values, in words"),
    ("needs_review", _BOOL, "whether somebody should look: there are problems, or money that only a picture shows"),
    ("corrected_fields", _TEXTS, "JSON pointers of what people have corrected; the empty one: they accepted the whole"),
    ("file_name", _TEXT, "last step of the document's address"),
    ("first_page", _INT, "first page of the record, from 1"),
    ("last_page", _INT, "last page of the record, from 1"),
    ("recipe_id", _TEXT, "recipe that the values were made with"),
    ("extracted_at", _TIME, "when it was extracted"),
]


def _described(name: str, kind: pa.DataType, text: str, unit: str = "") -> pa.Field:
    metadata = {"description": text, "unit": unit}
    return pa.field(name, kind, metadata={key: text_value for key, text_value in metadata.items() if text_value})


def _schemas(tables: Mapping[str, _Columns]) -> dict[str, pa.Schema]:
    return {
        name: pa.schema([_described(*column, _UNITS.get(column[0], "")) for column in columns])
        for name, columns in tables.items()
    }


SHARD_TABLES: dict[str, pa.Schema] = _schemas(_SHARD)
LOG_TABLES: dict[str, pa.Schema] = _schemas(_LOG)
VIEWS = ("current_sources", "held_documents", "open_failures", "freshness", "pending_by_day")  # of schemas/catalog.py
OUR_TABLES = frozenset({*SHARD_TABLES, *LOG_TABLES, *VIEWS})


PARTS = ("already_done", "skipped", "ok", "partial", "failed", "deferred")  # of what was discovered

_TABLE_NAME = re.compile(r"[A-Za-z0-9_][\w-]{0,199}")  # with room for the suffixes of files, in the 255 bytes of a name


def is_table_name(name: str) -> bool:
    """True for a name that a folder of OUT and a file of an export can have: letters, digits, `_` and `-`, at most 200 bytes."""
    return _TABLE_NAME.fullmatch(name) is not None and len(name.encode()) <= 200
