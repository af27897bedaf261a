"""Number and date in the headline of a bill: `Handelsrechnung (380) Nr. 471102 vom 05.03.2020`."""

import re
from collections.abc import Sequence

from flows.offline import typed
from flows.offline.labels import Meaning, Pair
from flows.offline.layout import TextRow
from flows.offline.typed import Habits

_KIND = re.compile(r"(?:rechnung|invoice|facture|avoir|gutschrift|credit note|korrektur)\w{0,20}", re.IGNORECASE)
_NUMBER = re.compile(
    r"[\s:\-\u2013]*(?:\(\d{1,4}\))?\s*(?:\d{1,2}\.\d{1,2}\.\d{4}\s)?[\s\-\u2013]*(?:(?:Nr|No|N|Nummer|Number)\b)?[.°º:#\s]*(?P<code>[^\W_][\w/.\-]{2,39})(?P<rest>.{0,60})",
    re.IGNORECASE,
)
_DATED = re.compile(r"\s*(?:vom|von|du|dated|of|from|issued (?:at|on))\s*(.*)", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}\.? [^\W\d]{3,10}\.? \d{4}")
_LONGEST = 90


def headline(rows: Sequence[TextRow], how: Habits) -> list[Pair]:
    """Number and date from the first line that starts with a kind of document and has a number."""
    for index, row in enumerate(rows):
        text = " ".join(cell for cell in row.cells if cell)
        kind = _KIND.search(text[:40])
        if kind is None or len(text) > _LONGEST or " " in text[: kind.start()].strip():
            continue
        later = rows[index + 1] if index + 1 < len(rows) else None
        if later is not None and (
            later.level == row.level > 0 or later.block == row.block or later.cells[0].startswith(("Nr", "No"))
        ):
            text = f"{text} {' '.join(later.cells)}"[: 2 * _LONGEST]
        match = _NUMBER.match(text, kind.end())
        code = typed.code(match["code"]) if match else None
        if match is None or code is None or typed.date(code, how) is not None:
            continue
        stated = [Pair(Meaning("invoice_number", 1), code, 0, index, opens=True, colon=True)]
        dated = _DATED.match(match["rest"])
        dates = [dated[1]] if dated and dated[1].strip() else _DATE.findall(text) if dated else []
        if len(dates) == 1:
            stated.append(Pair(Meaning("issue_date", 1), dates[0].strip(" -"), 0, index, opens=True, colon=True))
        return stated
    return []
