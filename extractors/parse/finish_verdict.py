"""End of an answer, by its finish reason and its tail: whole, cut, or runaway.

`finish_reason: length` has two meanings (FACTS §5): an answer that is too long, which must be requested in smaller pieces, and
a model that repeats white space or one phrase until its limit, which must be asked again in another way.
"""

import re
from typing import Literal

from schemas.step_data import Completion

Ending = Literal["whole", "long", "degenerate", "empty", "filtered", "refused"]
_TAIL = 2_000  # characters at the end that are examined
_BLANK = 60  # characters of white space in a row: no answer needs as many
_LEAST_REPEATED = 200  # characters that the repetitions cover at least
_LONGEST_UNIT = 120  # characters of the repeated phrase
_REPEATS = 6


def ending(completion: Completion, longest: int, rows: int) -> Ending:
    """The way `completion` ended.

    `longest` is the highest number of tokens that an answer about its pages can need, `rows` that of items: an answer that
    reaches the output limit beyond them is degenerate.
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
        enough = max(_REPEATS, rows + 1) if "{" in unit and "}" in unit else _REPEATS  # pages may print equal rows
        if times >= enough and times * size >= _LEAST_REPEATED:
            return True
    return False
