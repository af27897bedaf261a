"""Our `evaluate` beside the scorer that comes with the labelled documents, on the same predictions of the embedded model.

    python benchmarks/evaluate.py [--shared ../shared] [--out FOLDER] [--set einvoice]

Extracts the documents with `--type invoice --model offline` where FOLDER has no dataset yet, and prints precision, recall and
F1 of every field by both, and where they differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from extractors.evaluate.labels import names_of  # noqa: E402
from extractors.evaluate.score import Counts  # noqa: E402
from flows.evaluation.evaluate import compare, evaluate, truth_of  # noqa: E402
from flows.review.records import read_records  # noqa: E402
from flows.storage.open import read_dataset  # noqa: E402
from flows.type_loader import load_type  # noqa: E402
from schemas.fields import keys_of, value_at  # noqa: E402

# what the labels call the fields of the built-in type, where it is not the name of a column
RENAMED = {
    "invoice_number": "number",
    "seller_vat_id": "seller.tax_id",
    "buyer_vat_id": "buyer.tax_id",
    "line_items.line_total": "line_items.amount",
}
SCALARS = {
    "invoice_number": "/number", "issue_date": "/issue_date", "due_date": "/due_date", "seller_name": "/seller/name",
    "seller_vat_id": "/seller/tax_id", "buyer_name": "/buyer/name", "buyer_vat_id": "/buyer/tax_id",
    "currency": "/currency", "net_total": "/net_total", "tax_total": "/tax_total", "gross_total": "/gross_total",
    "iban": "/iban",
}  # fmt: skip
ITEMS = {
    "description": "description", "quantity": "quantity", "unit_price": "unit_price", "tax_rate": "tax_rate",
    "line_total": "amount",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--out", type=Path, help="default: a folder that is removed again")
    parser.add_argument("--set", default="einvoice")
    chosen = parser.parse_args()
    labels = chosen.shared / "truth" / chosen.set
    if not labels.is_dir():
        print(f"skipped: {labels} with the labelled documents is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        out = chosen.out or Path(folder) / "out"
        if not out.exists():
            extract = ["run", str(labels / "docs"), "--type", "invoice", "--out", str(out), "--model", "offline"]
            subprocess.run(
                [sys.executable, "-m", "flows.cli", *extract], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
            )
        _beside(out, labels / "truth.jsonl", chosen.shared / "tools" / "truth" / "score.py", Path(folder))


def _beside(out: Path, truth_file: Path, scorer: Path, folder: Path) -> None:
    invoice = load_type("invoice")
    dataset = read_dataset(out)
    truth = truth_of(dataset, invoice, truth_file, names_of(RENAMED))
    ours = evaluate(compare(dataset, invoice, truth), invoice.root, truth)
    predictions, told = folder / "predictions.jsonl", folder / "score.json"
    with predictions.open("w", encoding="utf-8") as file:
        for each in read_records(dataset, invoice):
            line = {"doc": f"docs/{each.head['file_name']}", "fields": _as_labelled(each.value)}
            file.write(json.dumps(line, default=_plain, ensure_ascii=False) + "\n")
    command = [sys.executable, str(scorer), "fields", str(truth_file), str(predictions), "--json", str(told)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    theirs = json.loads(told.read_text(encoding="utf-8"))
    rows = [(label, pointer, ours.fields[pointer], theirs["fields"][label]) for label, pointer in SCALARS.items()]
    for label, name in ITEMS.items():
        pointer = f"/line_items/*/{name}"
        rows.append((label, pointer, ours.fields[pointer], theirs["fields"][f"line_items[].{label}"]))
    print(f"{ours.documents} documents; of each field precision, recall, F1 by `pagemill evaluate`, and by score.py")
    for label, pointer, mine, other in rows:
        differs = abs((mine.f1 or 0.0) - other["f1"]) > 0.01
        print(f"{pointer:26} {_line(mine)}   {_other(other)}  {'differs: ' + label if differs else ''}".rstrip())
    print(f"{'perfect documents':26} {ours.perfect / ours.documents:.3f} {theirs['perfect_all']:27.3f}")


def _as_labelled(value: dict[str, Any]) -> dict[str, Any]:
    """A record under the names that the labels have."""
    fields = {label: value_at(value, keys_of(pointer)) for label, pointer in SCALARS.items()}
    items = [{label: item[name] for label, name in ITEMS.items()} for item in value["line_items"]]
    return {**fields, "line_items": items}


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def _line(counts: Counts) -> str:
    return " ".join(f"{each or 0.0:.3f}" for each in (counts.precision, counts.recall, counts.f1))


def _other(figures: dict[str, Any]) -> str:
    return " ".join(f"{figures[name]:.3f}" for name in ("precision", "recall", "f1"))


if __name__ == "__main__":
    main()
