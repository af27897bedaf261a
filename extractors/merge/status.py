"""Status of a record: evaluated checks, missing values, need of review."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Literal

from schemas.checks import CheckResult, run_check
from schemas.document_type import DocumentType
from schemas.fields import Field, field_at, keys_of, pattern_of
from schemas.step_data import Evidence, Problem

_PARTIAL = {"rejected", "unanswered", "required", "page", "check", "rows"}


def checked(
    value: Mapping[str, Any], document_type: DocumentType
) -> tuple[tuple[CheckResult, ...], tuple[Problem, ...]]:
    """Results of the declared checks that could be evaluated, and one problem per failed check."""
    checks = tuple(result for check in document_type.checks if (result := run_check(check, value)) is not None)
    failed = tuple(
        Problem("", "check", f"{check.check}: {check.found} is found where {check.expected} is expected")
        for check in checks
        if not check.ok
    )
    return checks, failed


def status_of(problems: Iterable[Problem]) -> Literal["ok", "partial"]:
    """`partial` where a value or row is missing, or values contradict each other."""
    return "partial" if any(problem.kind in _PARTIAL for problem in problems) else "ok"


def is_doubtful(
    problems: Sequence[Problem], evidence: Iterable[Evidence], checks: Iterable[CheckResult], root: Field
) -> bool:
    """True where a person should check the record: for problems, or money read from a picture that no check proves."""
    proven = {pointer for check in checks if check.ok for pointer in check.fields}
    return bool(problems) or any(_is_unproven_money(entry, root, proven) for entry in evidence)


def _is_unproven_money(evidence: Evidence, root: Field, proven: Container[str]) -> bool:
    general = pattern_of(root, evidence.field)
    if evidence.match != "image" or general in proven:
        return False
    field = field_at(root, keys_of(evidence.field))
    return field is not None and field.kind == "decimal"
