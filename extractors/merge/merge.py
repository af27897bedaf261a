"""Located answers of a document's chunks to one record: first stated scalar counts, conflicts are kept, lists joined.

No two answers that enter cover the same page for the same list, so nothing is de-duplicated: two equal rows that stand
twice in the document stay two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from extractors.merge.conflicts import Settled, chosen, settle_conflicts
from extractors.merge.status import checked, is_doubtful, status_of
from schemas.document_type import DocumentType
from schemas.fields import Field, escape, item_pointers, keys_of, value_at
from schemas.pipeline import Evidence, Located, Match, Problem, Record


def merge(
    located: Sequence[Located],
    document_type: DocumentType,
    problems: Iterable[Problem] = (),
    choices: Mapping[str, int] | None = None,
) -> Record:
    """One record from the answers in page order.

    `problems` are those known before: unread pages, unanswered chunks. `choices` say for the pointer of a conflict which of
    its candidates counts, by its place; else the first does, unless the checks only hold with another.
    """
    found: list[Problem] = [*problems]
    evidence: list[Evidence] = []
    value = _merged(document_type.root, located, "", evidence, found)
    conflicts = list(dict.fromkeys(entry.field for entry in evidence if entry.match == "conflict"))
    settled = settle_conflicts(value, located, conflicts, document_type.checks)
    added_up = {entry.field for entry in settled}
    settled += [entry for entry in chosen(located, choices or {}) if entry.field not in added_up]
    for entry in settled:
        _replace(value, entry, evidence, found)
    places: dict[str, list[int]] = {}
    for index, found_at in enumerate(evidence):
        places.setdefault(found_at.field, []).append(index)
    for problem in document_type.validate(value):
        if problem.kind == "rejected":
            _reject(value, problem, evidence, places.get(problem.field, ()))
        if problem.field or problem.kind != "rejected":
            found.append(problem)
    if any(problem.kind == "rejected" for problem in found):  # nulling may have emptied what is required
        found += [entry for entry in document_type.validate(value) if entry.kind == "required" and entry not in found]
    found += [Problem(entry.field, "absent", f"{entry.value!r} is nowhere on its pages") for entry in _absent(evidence)]
    rejected = {entry.field for entry in evidence if entry.match == "rejected"}
    evidence += [
        Evidence(problem.field, None, None, None, problem.message, "rejected")
        for problem in found
        if problem.kind == "rejected" and problem.field and problem.field not in rejected
    ]
    checks, failed = checked(value, document_type)
    found += failed
    pages = [page for answer in located for page in answer.pages]
    return Record(
        value=value,
        evidence=tuple(evidence),
        problems=tuple(found),
        status=status_of(found),
        needs_review=is_doubtful(found, evidence, checks, document_type.root),
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
    """The merged value of `field`, which stands at `pointer` in the record as in each answer."""
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

    Nothing but text that reads on is stated, in fields that the last item has text in, and the last item has more than text.
    """
    if not isinstance(last, Mapping) or not isinstance(first, Mapping):
        return False
    texts = {child.name for child in item.fields if child.kind == "string" and not child.choices}
    stated = {name for name, value in first.items() if value not in (None, [], {})}
    more = {name for name, value in last.items() if value not in (None, []) and name not in texts}
    goes_on = all(name in texts and last.get(name) and _goes_on(last[name], first[name]) for name in stated)
    return bool(stated) and bool(more) and goes_on


def _goes_on(text: str, rest: str) -> bool:
    """True where a text reads on: a new row would begin with a capital, as a rule."""
    return text.rstrip()[-1:] in {",", "-", "(", "/", ":", "&"} or not rest.lstrip()[:1].isupper()


def _breaks_page(before: Located | None, after: Located, pointer: str) -> bool:
    """True when the first item of `after` may stand at the top of the page that follows the pages of `before`."""
    if before is None or not before.pages or not after.pages or before.pages[-1] + 1 != after.pages[0]:
        return False
    found = [entry.page for key, entry in after.evidence.items() if key.startswith(f"{pointer}/0/") and entry.page]
    return all(page == after.pages[0] for page in found)


def _continued(
    last: Mapping[str, Any], rest: Mapping[str, Any], pointer: str, evidence: list[Evidence], problems: list[Problem]
) -> dict[str, Any]:
    """The item with the rest of its texts behind those that stand before the page break."""
    whole = dict(last)
    for name, text in rest.items():
        if text in (None, [], {}):
            continue
        whole[name] = f"{last[name]} {text}"
        here = f"{pointer}/{escape(name)}"
        for index in range(len(evidence) - 1, -1, -1):  # it was the last item: its evidence is near the end
            if evidence[index].field == here:
                evidence[index] = replace(evidence[index], value=whole[name])
                break
    problems.append(Problem(pointer, "joined", "it goes on over a page break, and was put together"))
    return whole


def _first_stated(located: Sequence[Located], pointer: str, evidence: list[Evidence], problems: list[Problem]) -> Any:
    stated: Any = None
    for answer in located:
        problems += [problem for problem in answer.answer.problems if problem.field == pointer]
        value = value_at(answer.answer.value, keys_of(pointer))
        if value is None:
            continue
        found = answer.evidence.get(pointer)
        if stated is None:
            stated = value
            evidence += [found] if found else []
        elif value != stated and found is not None:
            evidence.append(replace(found, match="conflict"))
            where = f" on page {found.page}" if found.page else ""
            problems.append(Problem(pointer, "conflict", f"{found.value!r}{where} differs from what stands before it"))
    return stated


def _replace(value: Any, settled: Settled, evidence: list[Evidence], problems: list[Problem]) -> None:
    """Put a value in the place of the first stated one, which becomes the conflict."""
    *path, last = keys_of(settled.field)
    holder = value_at(value, path)
    before, holder[last] = holder[last], settled.value
    kept = []
    for entry in evidence:
        if entry.field != settled.field or settled.evidence is None:
            kept.append(entry if entry.field != settled.field else replace(entry, match="conflict"))
        elif replace(entry, match=settled.evidence.match) == settled.evidence:
            kept.append(settled.evidence)
        elif entry.value != settled.evidence.value:  # what says the same once more is no conflict
            kept.append(replace(entry, match="conflict"))
    evidence[:] = kept
    message = f"of several values that differ, {settled.value} {settled.why}, and {before} stands before it"
    problems[:] = [
        problem for problem in problems if not (problem.kind == "conflict" and problem.field == settled.field)
    ]
    problems.append(Problem(settled.field, "conflict", message))


def _reject(value: Any, problem: Problem, evidence: list[Evidence], places: Iterable[int]) -> None:
    """Null the leaf at the problem's place; what is no leaf (a list too short, say) stays and is only reported.

    `places` are those of the field's evidence.
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
                known = pages.get(item)
                pages[item] = entry.page if known is None else min(known, entry.page)
    return pages
