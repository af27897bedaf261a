"""The commands that set what was read beside what is right, and hand it on: `evaluate` and `export`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_shared import AsJson, Dataset, TypeOfDataset, complain, print_json, print_lines
from schemas.errors import ConfigurationError

app = typer.Typer()


@app.command("evaluate")
def evaluate_command(
    out: Dataset,
    truth_file: Annotated[
        Path | None, typer.Argument(metavar="TRUTH.jsonl", help="one JSON object a line: a document and its values")
    ] = None,
    by_people: Annotated[
        bool, typer.Option("--corrections", help="what people have corrected, confirmed and accepted is the truth")
    ] = False,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=FIELD", help="what the truth calls a field of the type, such as total=gross_total"),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="draw it as one web page that stands alone")] = None,
    gate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="exit 1 when a field is below its level recorded there")
    ] = None,
    record_file: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="record the level of each field there")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="of F1 that a field may lose under --gate")] = 0.01,
    type_name: TypeOfDataset = None,
    as_json: AsJson = False,
) -> int:
    """Compare what was read with what is right: precision, recall and F1 of each field."""
    from extractors.labels import names_of
    from flows.evaluate import Truth, compare, compare_corrections, evaluate, truth_of
    from flows.evaluation import evaluation_json, evaluation_lines, evaluation_tables
    from flows.gate import fallen, fallen_line, read_levels, record
    from flows.last_run import show_tables
    from flows.storage.dataset import read_dataset
    from flows.types import load_type, type_of

    if (truth_file is None) != by_people:
        raise ConfigurationError(
            "name a file of truth lines, TRUTH.jsonl, or take what people have said: --corrections"
        )
    levels = None if gate is None else read_levels(gate)
    dataset = read_dataset(out)
    own = type_of(dataset.document_type, dataset.schema, dataset.place) if type_name is None else load_type(type_name)
    if truth_file is None:
        truth = Truth()
        compared = compare_corrections(dataset, own)
    else:
        truth = truth_of(dataset, own, truth_file, names_of(_pairs(rename or [])))
        compared = compare(dataset, own, truth)
    done = evaluate(compared, own.root, truth)
    below = [] if levels is None else fallen(done, levels, tolerance)
    if html is not None:
        from flows.evaluation_page import draw_evaluation

        draw_evaluation(done, dataset.place, html)
    if record_file is not None:
        record(done, record_file)
    if as_json:
        print_json({**evaluation_json(done), "below": [fallen_line(each) for each in below]})
    else:
        show_tables(evaluation_tables(done))
        print_lines([*evaluation_lines(done), *map(fallen_line, below)])
    if not done.documents:
        complain(f"no document of {out} is in {truth_file or 'its corrections'}: nothing was compared")
        return 1
    return 1 if below or (gate is not None and (done.missing or done.unclear)) else 0


def _pairs(rename: list[str]) -> dict[str, str]:
    pairs = {}
    for each in rename:
        label, equals, name = each.partition("=")
        if not (label and equals and name):
            raise ConfigurationError(f"--rename {each}: write LABEL=FIELD, such as line_items.total=line_items.amount")
        pairs[label] = name
    return pairs
