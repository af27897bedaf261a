"""Report of an evaluation: as JSON, as tables on a terminal, in sentences, as a web page."""

from pathlib import Path
from typing import Any

from extractors.evaluate.score import Counts, Wrong
from extractors.values import printed
from flows.evaluation.evaluate import Evaluation
from flows.ui.html import render, write_page
from flows.ui.terminal import Section
from flows.ui.text import clip, one_line, plain

MOST_NAMED = 20  # documents that are named in a sentence
_SHOWN = 80  # characters of a value


def evaluation_json(done: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values, for programs."""
    return {
        "documents": done.documents, "perfect": done.perfect,
        "perfect_share": done.perfect / done.documents if done.documents else None,
        "all": _figures(done.total),
        "fields": {path: _figures(counts) for path, counts in done.fields.items()},
        "items": {path: _figures(counts) for path, counts in done.items.items()},
        "groups": {
            name: {"documents": group.documents, "perfect": group.perfect, **_figures(group.counts)}
            for name, group in done.groups.items()
        },
        "worst": [
            {"document_id": entry.document_id, "file_name": entry.file_name, "wrong_values": entry.wrong_values, "f1": entry.f1}
            for entry in done.worst
        ],
        "examples": {
            path: [
                {
                    "document_id": row.document_id, "file_name": row.file_name, "field": row.wrong.pointer,
                    "expected": value_text(row.wrong.expected), "found": value_text(row.wrong.found),
                }
                for row in examples
            ]
            for path, examples in done.examples.items()
        },
        "unknown_fields": done.unknown, "missing_documents": done.missing, "unclear_documents": done.unclear,
    }  # fmt: skip


def evaluation_tables(done: Evaluation) -> list[Section]:
    """The evaluation as tables for people: by field, by group, and the worst documents."""
    numbers = frozenset(("stated", "found", "right", "precision", "recall", "F1", "documents", "perfect", "wrong"))
    by_field = [*done.fields.items(), ("all fields", done.total)]
    by_field += [(f"{path} (whole items)", counts) for path, counts in done.items.items()]
    sections = [
        Section(
            "By field", ("field", "stated", "found", "right", "precision", "recall", "F1"),
            [[path, str(entry.stated), str(entry.found), str(entry.right), *_shares(entry)] for path, entry in by_field],
            numbers,
        ),
        Section(
            "By group", ("group", "documents", "perfect", "F1"),
            [
                [name, str(entry.documents), str(entry.perfect), _share(entry.counts.f1)]
                for name, entry in list(done.groups.items())[:MOST_NAMED]
            ],
            numbers,
        ),
        Section(
            "Worst documents", ("document", "wrong", "F1", "for example"),
            [
                [plain(entry.file_name), str(entry.wrong_values), _share(entry.f1), _example(entry.wrong[0])]
                for entry in done.worst[:5]
            ],
            numbers,
        ),
    ]  # fmt: skip
    return [entry for entry in sections if entry.rows]


def evaluation_lines(done: Evaluation) -> list[str]:
    """Sentences: number of documents, and the parts of the truth that were not scored."""
    share = f"{done.perfect / done.documents:.1%}" if done.documents else "none"
    lines = [f"{done.documents:,} documents compared with their truth, {done.perfect:,} of them perfect ({share})"]
    if done.unknown:
        lines.append(f"not scored, since the type has no such field: {', '.join(done.unknown)}")
    for names, reason in (
        (done.missing, "not in the dataset"),
        (done.unclear, "named ambiguously"),
    ):
        if names:
            more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
            lines.append(f"{len(names):,} of the truth {reason}: {', '.join(map(plain, names[:MOST_NAMED]))}{more}")
    return lines


def value_text(value: Any) -> str | None:
    """A value as text, clipped where it is long; None for None."""
    if value is None:
        return None
    text = str(value) if isinstance(value, dict | list) else printed(value)
    return clip(text, 4 * _SHOWN)


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "stated": counts.stated, "found": counts.found, "right": counts.right,
        "precision": counts.precision, "recall": counts.recall, "f1": counts.f1,
    }  # fmt: skip


def _shares(counts: Counts) -> list[str]:
    return [_share(counts.precision), _share(counts.recall), _share(counts.f1)]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _example(wrong: Wrong) -> str:
    expected, found = (plain(one_line(value_text(entry), _SHOWN)) for entry in (wrong.expected, wrong.found))
    return f"{wrong.pointer}: {found} for {expected}"


_MOST_GROUPS = 200


def draw_evaluation(done: Evaluation, about: str, path: Path) -> None:
    """Write the evaluation of the dataset `about` as a web page. Raises ConfigurationError where it cannot be written."""
    page = render(
        "evaluation.html",
        {"shown": value_text},
        about=about,
        evaluation=evaluation_json(done),
        lines=evaluation_lines(done),
        worst=done.worst,
        groups=_MOST_GROUPS,
    )
    write_page(path, page)
