"""Draws every sample document and writes the truth beside it: `python sample_docs/make_samples.py [FOLDER]`.

All of it is invented: companies, people, accounts, figures. A second run writes the same bytes.
"""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from painters import (
    annual_report,
    classic_invoice,
    field_study,
    german_invoice,
    long_invoice,
    modern_invoice,
    price_list,
    scanned_letter,
)

SAMPLES: dict[str, tuple[Callable[[], bytes], Callable[[], dict[str, Any]]]] = {
    "invoices/harrow_finch": (classic_invoice.draw, classic_invoice.truth),
    "invoices/nordlicht": (german_invoice.draw, german_invoice.truth),
    "invoices/calder_point": (long_invoice.draw, long_invoice.truth),
    "invoices/studio_veldkamp": (modern_invoice.draw, modern_invoice.truth),
    "invoices/whitmore_letter": (scanned_letter.draw, scanned_letter.truth),
    "reports/brightwater_2025": (annual_report.draw, annual_report.truth),
    "reports/heat_pump_study": (field_study.draw, field_study.truth),
    "prices/kestrel_2026": (price_list.draw, price_list.truth),
}


def main(folder: Path) -> None:
    for name, (draw, truth) in SAMPLES.items():
        target = folder / f"{name}.pdf"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(draw())
        text = json.dumps(truth(), indent=1, ensure_ascii=False, default=_number)
        target.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def _number(value: object) -> int | float:
    """Decimals as JSON numbers: every one here has few enough digits to survive the float."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} has no place in a truth file")
    return int(value) if value == value.to_integral_value() else float(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
