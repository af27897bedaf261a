"""Text for the model from lines and tables: natural order, few marks.

A table takes the position of its first line. Words on one visual line stay on one line; a wide gap becomes three spaces.
"""

import re
from collections import Counter
from collections.abc import Sequence

from extractors.split.lines import Line
from extractors.split.tables import Table

WIDE_GAP = "   "
_BULLETS = (
    "\u00b7\u2022\u25cf\u25aa\u25a0\u25e6\u2023\u2043\u2219\u27a2\u25ba\uf0b7\uf0a7\uf0d8\uf0fc\u25cb\u25fe\u2756\u2794"
)
_HEADING_CHARS = 100  # longer lines are sentences set large
_PROSE_CHARS = 60  # a page with enough lines this long has running text
_BROKEN = re.compile(r"[^\W\d_]{2}-$")


class _Marks:
    """Marks of headings: lines that are larger than the body and rare, or bold and alone above running text."""

    def __init__(self, flow: Sequence[Line]) -> None:
        self._flow = flow
        self._vocabulary: set[str] = set()
        chars: Counter[int] = Counter()
        prose = 0
        for line in flow:
            chars[round(line.font.size)] += len(line.text)
            prose += len(line.text) > _PROSE_CHARS
        self._body = chars.most_common(1)[0][0] if chars else 0
        self._sizes = {
            size: "# " if size > 1.6 * self._body else "## " if size > 1.3 * self._body else "### "
            for size, count in chars.items()
            if size > 1.1 * self._body and count < 0.3 * chars.total()
        }
        running = prose > 0.25 * len(flow)
        self._blocks = (
            Counter([line.block for line in flow]) if running and any(line.font.bold for line in flow) else Counter()
        )

    def is_compound(self, broken: str, rest: str) -> bool:
        """True for a word broken at its own hyphen: the page has both halves as words, but not the whole without hyphen."""
        if not self._vocabulary:
            self._vocabulary = {word.strip(".,;:()") for line in self._flow for word in line.text.lower().split()}
        first = broken.rsplit(" ", 1)[-1][:-1].lower()
        last = rest.strip(".,;:()").lower()
        return first + last not in self._vocabulary and {first, last} <= self._vocabulary

    def of(self, line: Line) -> str:
        """The mark of a line, "" for ordinary text."""
        mark = self._sizes.get(round(line.font.size), "")
        ends = ".,;" if mark in ("# ", "## ") else ".,;:"
        if not mark and line.font.bold and self._blocks[line.block] == 1 and line.font.size >= self._body - 1:
            mark = "### "
        return mark if mark and _can_be_heading(line.text, ends) else ""


def to_markdown(lines: Sequence[Line], tables: Sequence[Table]) -> str:
    """The page's text."""
    taken = {id(line): table for table in tables for line in table.lines}
    flow = (
        [line for line in lines if id(line) not in taken and line.text]
        if taken
        else [line for line in lines if line.text]
    )
    marks = _Marks(flow)
    parts: list[str] = []
    done: set[int] = set()
    previous: Line | None = None
    for line in lines:
        table = taken.get(id(line)) if taken else None
        if table is not None:
            if id(table) not in done:
                done.add(id(table))
                parts += ["", *_table(table), ""]
            previous = None
        elif line.text:
            _add(parts, previous, line, marks)
            previous = line
    return "\n".join(_without_double_blanks(parts)).strip()


def _add(parts: list[str], previous: Line | None, line: Line, marks: _Marks) -> None:
    text = line.text
    if previous is not None:
        height = line.y1 - line.y0
        if line.x0 > previous.x1 - 1 and abs(line.middle - previous.middle) < 0.4 * height and line.font.upright:
            _join(parts, previous, line)
            return
        if previous.block != line.block and not -0.2 * height < line.y0 - previous.y1 < 0.45 * height:
            parts.append("")
        elif (
            text[0].islower()
            and parts[-1].endswith("-")
            and _BROKEN.search(parts[-1][-3:])
            and not parts[-1].startswith("#")
        ):
            first, _, text = text.partition(" ")
            parts[-1] = (parts[-1] if marks.is_compound(parts[-1], first) else parts[-1][:-1]) + first
            if not text:
                return
    if text[0] in _BULLETS:
        parts.append("- " + text.lstrip(_BULLETS).strip())
    else:
        parts.append(marks.of(line) + text)


def _join(parts: list[str], previous: Line, line: Line) -> None:
    """Append a line that is on the same visual line as the previous one."""
    if parts[-1] == "- " or parts[-1] == "-":
        parts[-1] = "- " + line.text
        return
    gap = line.x0 - previous.x1
    size = line.font.size
    if gap > 0.9 * size:
        parts[-1] = parts[-1].removeprefix("### ")  # a label beside its value
    parts[-1] += (WIDE_GAP if gap > 0.9 * size else " " if gap > 0.1 * size else "") + line.text


def _table(table: Table) -> list[str]:
    if table.pairs:
        return [WIDE_GAP.join([cell for cell in row if cell]) for row in table.rows]
    rows = ["| " + " | ".join([cell.replace("|", "\\|") for cell in row]) + " |" for row in table.rows]
    rows.insert(1, "|" + " --- |" * len(table.rows[0]))
    return rows


def _can_be_heading(text: str, ends: str) -> bool:
    return len(text) <= _HEADING_CHARS and text[-1] not in ends and sum(map(str.isalpha, text)) > 0.4 * len(text)


def _without_double_blanks(parts: Sequence[str]) -> list[str]:
    return [part for part, before in zip(parts, ("", *parts), strict=False) if part or before]
