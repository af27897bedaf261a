"""The truth of the sample invoices, by the name of the file."""

import json

from tests.conftest import SAMPLES

NAMES = ("calder_point", "harrow_finch", "nordlicht", "studio_veldkamp")  # the fifth is a scan, which needs a model
TRUTHS = {name: json.loads((SAMPLES / "invoices" / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
