"""Located answers of a document's chunks to one record: the first stated scalar counts, conflicts are kept, lists joined.

No two answers cover the same page for the same list, so rows are not de-duplicated: a row that the document prints twice stays
twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from extractors.merge.conflicts import Settled, chosen, settle_conflicts
from extractors.merge.status import checked, is_doubtful, status_of
from schemas.document_type import DocumentType
from schemas.fields import Field, escape, item_pointers, keys_of, value_at
from schemas.step_data import Evidence, Located, Match, Problem, Record


def merge(
    located: Sequence[Located],
    document_type: DocumentType,
    problems: Iterable[Problem] = (),
    choices: Mapping[str, int] | None = None,
) -> Record:
    """One record from the answers in page order.

    `problems` are earlier ones: unread pages, unanswered chunks. `choices` has the index of the candidate that counts by the
    pointer of a conflict; without a choice the first counts, unless the checks only hold with another.
    """
    known_problems: list[Problem] = [*problems]
    evidence: list[Evidence] = []
    value = _merged(document_type.root, located, "", evidence, known_problems)
    conflicts = list(dict.fromkeys(entry.field for entry in evidence if entry.match == "conflict"))
    settled = settle_conflicts(value, located, conflicts, document_type.checks)
    added_up = {entry.field for entry in settled}
    settled += [entry for entry in chosen(located, choices or {}) if entry.field not in added_up]
    for entry in settled:
        _replace(value, entry, evidence, known_problems)
    evidence_at: dict[str, list[int]] = {}
    for index, row in enumerate(evidence):
        evidence_at.setdefault(row.field, []).append(index)
    for problem in document_type.validate(value):
        if problem.kind == "rejected":
            _reject(value, problem, evidence, evidence_at.get(problem.field, ()))
        if problem.field or problem.kind != "rejected":
            known_problems.append(problem)
    if any(
        problem.kind == "rejected" for problem in known_problems
    ):  # a rejected value is None now, and its field may be required
        known_problems += [
            entry for entry in document_type.validate(value) if entry.kind == "required" and entry not in known_problems
        ]
    known_problems += [
        Problem(entry.field, "absent", f"{entry.value!r} is not on its pages") for entry in _absent(evidence)
    ]
    rejected = {entry.field for entry in evidence if entry.match == "rejected"}
    evidence += [
        Evidence(problem.field, None, None, None, problem.message, "rejected")
        for problem in known_problems
        if problem.kind == "rejected" and problem.field and problem.field not in rejected
    ]
    checks, failed = checked(value, document_type)
    known_problems += failed
    pages = [page for answer in located for page in answer.pages]
    return Record(
        value=value,
        evidence=tuple(evidence),
        problems=tuple(known_problems),
        status=status_of(known_problems),
        needs_review=is_doubtful(known_problems, evidence, checks, document_type.root),
        first_page=min(pages, default=None),
        last_page=max(pages, default=None),
        item_pages=_item_pages(evidence, document_type.root),
        checks=checks,
        unsettled=tuple(pointer for pointer in conflicts if pointer not in {entry.field for entry in settled}),
    )


def _merged(
    field: Field,
    located: Sequence[Located],
    pointer: str,
    evidence: list[Evidence],
    problems: list[Problem],
) -> Any:
    """The merged value of `field`, whose pointer is the same in the record and in the answers."""
    if field.kind == "object":
        return {
            child.name: _merged(child, located, f"{pointer}/{escape(child.name)}", evidence, problems)
            for child in field.fields
        }
    if field.item is not None:
        return _joined(located, field.item, pointer, evidence, problems)
    return _first_stated(located, pointer, evidence, problems)


def _joined(
    located: Sequence[Located], item: Field, pointer: str, evidence: list[Evidence], problems: list[Problem]
) -> list[Any]:
    joined: list[Any] = []
    before: Located | None = None
    for answer in located:
        items = value_at(answer.answer.value, keys_of(pointer)) or []
        below: dict[str, list[str]] = {}
        for field in answer.evidence:
            if field.startswith(f"{pointer}/"):
                below.setdefault(field[len(pointer) + 1 :].partition("/")[0], []).append(field)
        rejected: dict[str, list[Problem]] = {}
        for problem in answer.answer.problems:
            if problem.field.startswith(f"{pointer}/"):
                rejected.setdefault(problem.field[len(pointer) + 1 :].partition("/")[0], []).append(problem)
        first = 0
        if joined and items and _breaks_page(before, answer, pointer) and _continues(joined[-1], items[0], item):
            joined[-1] = _continued(joined[-1], items[0], f"{pointer}/{len(joined) - 1}", evidence, problems)
            first = 1
        before = answer
        for index, value in enumerate(items[first:], first):
            old, new = f"{pointer}/{index}", f"{pointer}/{len(joined)}"
            evidence += [
                replace(answer.evidence[field], field=new + field[len(old) :]) for field in below.get(str(index), ())
            ]
            problems += [
                replace(problem, field=new + problem.field[len(old) :]) for problem in rejected.get(str(index), ())
            ]
            joined.append(value)
        problems += [problem for problem in answer.answer.problems if problem.field == pointer]
    return joined


def _continues(last: Any, first: Any, item: Field) -> bool:
    """True when the first item of an answer is the rest of the last item of the answer before it.

    Then the first item has only text that continues text of the last item, and the last item has more than text.
    """
    if not isinstance(last, Mapping) or not isinstance(first, Mapping):
        return False
    texts = {child.name for child in item.fields if child.kind == "string" and not child.choices}
    stated = {name for name, value in first.items() if value not in (None, [], {})}
    more = {name for name, value in last.items() if value not in (None, []) and name not in texts}
    goes_on = all(name in texts and last.get(name) and _goes_on(last[name], first[name]) for name in stated)
    return bool(stated) and bool(more) and goes_on


def _goes_on(text: str, rest: str) -> bool:
    """True where `rest` continues `text`: a new row usually begins with a capital."""
    return text.rstrip()[-1:] in {",", "-", "(", "/", ":", "&"} or not rest.lstrip()[:1].isupper()


def _breaks_page(before: Located | None, after: Located, pointer: str) -> bool:
    """True when the first item of `after` may be at the top of the page that follows the pages of `before`."""
    if before is None or not before.pages or not after.pages or before.pages[-1] + 1 != after.pages[0]:
        return False
    item_pages = [entry.page for key, entry in after.evidence.items() if key.startswith(f"{pointer}/0/") and entry.page]
    return all(page == after.pages[0] for page in item_pages)


def _continued(
    last: Mapping[str, Any], rest: Mapping[str, Any], pointer: str, evidence: list[Evidence], problems: list[Problem]
) -> dict[str, Any]:
    """The item with the rest of its texts appended to those before the page break."""
    whole = dict(last)
    for name, text in rest.items():
        if text in (None, [], {}):
            continue
        whole[name] = f"{last[name]} {text}"
        here = f"{pointer}/{escape(name)}"
        for index in range(len(evidence) - 1, -1, -1):  # evidence of the last item is near the end
            if evidence[index].field == here:
                evidence[index] = replace(evidence[index], value=whole[name])
                break
    problems.append(Problem(pointer, "joined", "the item continues over a page break: its two parts were joined"))
    return whole


def _first_stated(located: Sequence[Located], pointer: str, evidence: list[Evidence], problems: list[Problem]) -> Any:
    stated: Any = None
    for answer in located:
        problems += [problem for problem in answer.answer.problems if problem.field == pointer]
        value = value_at(answer.answer.value, keys_of(pointer))
        if value is None:
            continue
        located_value = answer.evidence.get(pointer)
        if stated is None:
            stated = value
            evidence += [located_value] if located_value else []
        elif value != stated and located_value is not None:
            evidence.append(replace(located_value, match="conflict"))
            page_note = f" on page {located_value.page}" if located_value.page else ""
            problems.append(
                Problem(pointer, "conflict", f"{located_value.value!r}{page_note} differs from the value stated first")
            )
    return stated


def _replace(value: Any, settled: Settled, evidence: list[Evidence], problems: list[Problem]) -> None:
    """Replace the first stated value, which becomes the conflict."""
    *path, last = keys_of(settled.field)
    holder = value_at(value, path)
    before, holder[last] = holder[last], settled.value
    kept = []
    for entry in evidence:
        if entry.field != settled.field or settled.evidence is None:
            kept.append(entry if entry.field != settled.field else replace(entry, match="conflict"))
        elif replace(entry, match=settled.evidence.match) == settled.evidence:
            kept.append(settled.evidence)
        elif entry.value != settled.evidence.value:  # an equal value is no conflict
            kept.append(replace(entry, match="conflict"))
    evidence[:] = kept
    message = f"several values: {settled.value} {settled.why}, {before} is stated first"
    problems[:] = [
        problem for problem in problems if not (problem.kind == "conflict" and problem.field == settled.field)
    ]
    problems.append(Problem(settled.field, "conflict", message))


def _reject(value: Any, problem: Problem, evidence: list[Evidence], places: Iterable[int]) -> None:
    """Set the leaf of a rejected value to None; a value that is no leaf (a list too short, say) stays and is only reported.

    `places` are the indexes of the field's evidence.
    """
    *path, last = keys_of(problem.field) or [""]
    holder = value_at(value, path)
    match: Match = "rejected"
    if isinstance(holder, dict) and last in holder and not isinstance(holder[last], dict | list):
        holder[last] = None
        for position in places:
            evidence[position] = replace(evidence[position], match=match)


def _absent(evidence: Iterable[Evidence]) -> Iterator[Evidence]:
    return (entry for entry in evidence if entry.match == "absent")


def _item_pages(evidence: Iterable[Evidence], root: Field) -> dict[str, int | None]:
    """The first located page of each list item, by the item's pointer."""
    pages: dict[str, int | None] = {}
    for entry in evidence:
        if entry.page is not None:
            for item in item_pointers(root, entry.field):
                first_page = pages.get(item)
                pages[item] = entry.page if first_page is None else min(first_page, entry.page)
    return pages
