"""How well confidence tells right values from wrong ones: the embedded model over labelled documents, by held-out documents.

    python benchmarks/calibration.py [--shared ../shared] [--keep FOLDER] [--write]

Each set is extracted with the type of its labels. The weights are fitted on four fifths of the documents and measured on the
last fifth, in turn: how often values of about the same confidence are right, and, with documents sorted by the lowest, the mean
or the product of their values' confidence, the share of wrong values in the best half and in the worst tenth. `--write` fits
the weights that come with the package on all documents.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.evaluate import RENAMED  # noqa: E402
from extractors.confidence.confidence import Weights, confidence  # noqa: E402
from extractors.confidence.fit import Labelled, fit, reliability  # noqa: E402
from extractors.evaluate.labels import names_of  # noqa: E402
from flows.evaluation.calibration import labelled_values  # noqa: E402
from flows.evaluation.evaluate import compare, truth_of  # noqa: E402
from flows.runs.request import RunRequest  # noqa: E402
from flows.runs.resources import engine  # noqa: E402
from flows.runs.run import run  # noqa: E402
from flows.settings import load_settings  # noqa: E402
from flows.storage.open import read_dataset  # noqa: E402
from flows.type_loader import load_type  # noqa: E402
from schemas.document_type import DocumentType  # noqa: E402

TEXT, DAY, MONEY = {"type": "string"}, {"type": "string", "format": "date"}, {"type": "number", "format": "decimal"}
OWN = {
    "adbuy": {"contract_num": TEXT, "advertiser": TEXT, "gross_amount": MONEY, "flight_from": DAY, "flight_to": DAY},
    "receipts": {"company": TEXT, "date": DAY, "address": TEXT, "total": MONEY},
    "nda": {"effective_date": DAY, "jurisdiction": TEXT, "term": TEXT, "party": {"type": "array", "items": TEXT}},
}
INVOICES = ("einvoice", "invoice2data")
WITH_SCHEMAS = ("docubench", "extractbench")
# What is held likely before any label speaks: the sets have few fuzzy places, hidden text or values stated differently.
PRIOR = {
    "sure": 1.5, "match exact": 1.0, "match normalized": 1.0, "match fuzzy": -1.0, "match image": -0.5, "match absent": -2.0,
    "match conflict": -2.0, "match rejected": -3.0, "contested": -1.0, "check holds": 1.5, "check fails": -1.5,
    "another check fails": -0.5, "page hides text": -0.5, "page is a picture": -0.5, "place of another value, too": -0.5,
    "asked for again": -0.5, "short": -0.3, "record is partial": -0.5, "record is half empty": -1.0,
}  # fmt: skip
FOLDS = 5
Values = list[Labelled]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--keep", type=Path, help="where the datasets are made and found again; default: nowhere")
    parser.add_argument("--write", action="store_true", help="write extractors/confidence/confidence.json")
    chosen = parser.parse_args()
    if not (chosen.shared / "truth").is_dir():
        print(f"skipped: {chosen.shared} with the labelled documents is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        documents = list(_documents(chosen.shared / "truth", chosen.keep or Path(folder)))
    documents = [(name, values) for name, values in documents if values]
    count = sum(len(values) for _, values in documents)
    wrong = sum(not right for _, values in documents for _, right in values)
    print(f"{len(documents)} documents, {count:,} values with evidence and a label, {wrong / count:.3f} of them wrong")
    print("weights of the package, on documents that they were not fitted on:")
    _show(list(_held_out(documents, PRIOR, by_field=False)))
    weights = fit([value for _, values in documents for value in values], PRIOR, by_field=False)
    others = [each for each in documents if not each[0].startswith(INVOICES[0])]
    elsewhere = fit([value for _, values in others for value in values], PRIOR, by_field=False)
    print(f"\n{INVOICES[0]}, weights of the other sets:")
    invoices = [each for each in documents if each[0].startswith(INVOICES[0])]
    _show([(values, elsewhere) for _, values in invoices])
    print(f"\n{INVOICES[0]}, its own weights (--calibrate), on documents that they were not fitted on:")
    _show(list(_held_out(invoices, elsewhere, by_field=True)))
    for name, weight in sorted(weights.items(), key=lambda each: each[1]):
        print(f"{weight:8.3f}  {name}")
    if chosen.write:
        told = {"fitted_on": f"{len(documents)} documents, {count} values of the embedded model", "weights": weights}
        (ROOT / "extractors" / "confidence" / "confidence.json").write_text(
            json.dumps(told, indent=1) + "\n", encoding="utf-8"
        )


def _documents(truth: Path, place: Path) -> Iterator[tuple[str, Values]]:
    """Every document with its labelled values, set by set."""
    with engine(load_settings(model="offline", report=False)) as shared:
        for name in (*INVOICES, *OWN, *WITH_SCHEMAS):
            lines = (truth / name / "truth.jsonl").read_text(encoding="utf-8").splitlines()
            for kind, held in _kinds(truth / name, [json.loads(line) for line in lines]):
                out, file = place / f"{name}_{kind.name}", place / f"{name}_{kind.name}.jsonl"
                place.mkdir(parents=True, exist_ok=True)
                file.write_text("".join(f"{json.dumps(each)}\n" for each in held), encoding="utf-8")
                if not out.exists():
                    sources = [str(truth / name / each["doc"]) for each in held]
                    run(shared, RunRequest(sources, kind, out, quiet=True))
                dataset = read_dataset(out)
                labels = truth_of(dataset, kind, file, names_of(RENAMED) if name in INVOICES else {})
                before = 0
                for each, values in labelled_values(dataset, kind, compare(dataset, kind, labels)):
                    before += len(values)
                    yield f"{name}/{each.published.head['file_name']}", values
                print(f"{name} {kind.name}: {len(held)} documents, {before:,} values", flush=True)


def _kinds(
    folder: Path, entries: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[DocumentType, Sequence[Mapping[str, Any]]]]:
    if folder.name in INVOICES:
        yield load_type("invoice"), entries
    elif folder.name in OWN:
        schema = {"title": folder.name, "type": "object", "properties": OWN[folder.name]}
        yield DocumentType.from_schema(schema, folder.name), entries
    else:
        for name in sorted({each["schema"] for each in entries}):
            schema = json.loads((folder / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
            kind = DocumentType.from_schema({**schema, "title": name}, name)
            yield kind, [each for each in entries if each["schema"] == name]


def _held_out(
    documents: Sequence[tuple[str, Values]], before: Weights, *, by_field: bool
) -> Iterator[tuple[Values, Weights]]:
    """Each document with weights that were fitted without it."""
    for fold in range(FOLDS):
        seen = [value for place, (_, values) in enumerate(documents) if place % FOLDS != fold for value in values]
        weights = fit(seen, before, by_field=by_field)
        for _, values in documents[fold::FOLDS]:
            yield values, weights


def _show(measured: Sequence[tuple[Values, Weights]]) -> None:
    rated = [
        ([confidence(given, weights) for given, _ in values], [right for _, right in values])
        for values, weights in measured
    ]
    flat = sorted((sure, right) for sures, rights in rated for sure, right in zip(sures, rights, strict=True))
    same = [({"sure": math.log(sure / (1 - sure))}, right) for sure, right in flat]  # as they are: odds of their own
    print("confidence   values   mean  right")
    for each in reliability(same, {"sure": 1.0}):
        print(f"{each.low:.1f} to {each.high:.1f} {each.values:8,}  {each.confidence:.3f}  {each.right:.3f}")
    ranks = [place for place, (_, right) in enumerate(flat) if right]
    wrong = len(flat) - len(ranks)
    area = (sum(ranks) - len(ranks) * (len(ranks) - 1) / 2) / (len(ranks) * wrong)
    brier = sum((sure - right) ** 2 for sure, right in flat) / len(flat)
    base = len(ranks) / len(flat)
    print(f"held out: area under the curve {area:.3f}, Brier {brier:.4f} (all values alike: {base * (1 - base):.4f})")
    ways: dict[str, Callable[[Sequence[float]], float]] = {"lowest": min, "mean": lambda each: sum(each) / len(each),
        "product": lambda each: sum(map(math.log, each))}  # fmt: skip
    for name, way in ways.items():
        ordered = sorted(rated, key=lambda each: -way(each[0]))
        half, tenth = ordered[: len(ordered) // 2], ordered[-max(1, len(ordered) // 10) :]
        print(
            f"documents by {name:8} best half: {_wrong(half):.3f} of values wrong, {_flawed(half):.3f} of documents with a wrong "
            f"value; worst tenth: {_wrong(tenth):.3f}, {_flawed(tenth):.3f}; all: {_wrong(ordered):.3f}, {_flawed(ordered):.3f}"
        )


def _wrong(documents: Sequence[tuple[Sequence[float], Sequence[bool]]]) -> float:
    values = [right for _, rights in documents for right in rights]
    return values.count(False) / len(values)


def _flawed(documents: Sequence[tuple[Sequence[float], Sequence[bool]]]) -> float:
    return sum(not all(rights) for _, rights in documents) / len(documents)


if __name__ == "__main__":
    main()
