"""End of an answer, by its finish reason and its tail: whole, cut, or runaway.

`finish_reason: length` has two meanings (FACTS §5): an answer that is too long, which must be asked for in smaller pieces,
and a model that runs in a loop of white space or of one phrase until its limit, which must be asked again in another way.
"""

import re
from typing import Literal

from schemas.pipeline import Completion

Ending = Literal["whole", "long", "degenerate", "empty", "filtered", "refused"]
_TAIL = 2_000  # characters at the end that are looked at
_BLANK = 60  # characters of white space in a row that no JSON of ours needs
_LEAST_REPEATED = 200  # characters that a repeated phrase covers
_LONGEST_UNIT = 120  # characters of it
_REPEATS = 6


def ending(completion: Completion, longest: int, rows: int) -> Ending:
    """The way `completion` ended.

    `longest` are the most tokens that its pages can make an honest answer take, `rows` the most items: what runs to the
    output limit beyond them is degenerate.
    """
    text, reason = completion.text, completion.finish_reason
    if reason == "content_filter":
        return "filtered"
    if reason == "refusal":
        return "refused"
    if not text.strip():
        return "degenerate" if reason == "length" else "empty"
    if reason != "length":
        return "whole"
    return "degenerate" if completion.completion_tokens > longest or _is_looping(text[-_TAIL:], rows) else "long"


def _is_looping(tail: str, rows: int) -> bool:
    if len(tail) - len(tail.rstrip()) >= _BLANK or re.search(rf"\s{{{_BLANK}}}", tail):
        return True
    for size in range(1, _LONGEST_UNIT + 1):
        unit = tail[-size:]
        times = 1
        while tail.endswith(unit * (times + 1)):
            times += 1
        enough = max(_REPEATS, rows + 1) if "{" in unit and "}" in unit else _REPEATS  # equal rows may be printed so
        if times >= enough and times * size >= _LEAST_REPEATED:
            return True
    return False
