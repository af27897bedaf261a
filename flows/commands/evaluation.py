"""Commands of evaluation: `evaluate` against truth, and `export`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.commands.options import AsJson, ChunkTokens, DatasetArgument, ImagesOption, ModelName, TypeOfDataset, type_in
from flows.ui.terminal import complain, print_json, print_lines
from schemas.errors import ConfigurationError


def evaluate_command(
    out: DatasetArgument,
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
    calibrates: Annotated[
        bool, typer.Option("--calibrate", help="fit the confidence of this dataset's values to what is right")
    ] = False,
    type_name: TypeOfDataset = None,
    as_json: AsJson = False,
) -> int:
    """Compare what was read with what is right: precision, recall and F1 of each field."""
    from extractors.evaluate.labels import names_of
    from flows.evaluation.baseline import read_levels, record, regression_line, regressions
    from flows.evaluation.evaluate import Truth, compare, compare_corrections, evaluate, truth_of
    from flows.evaluation.report import evaluation_json, evaluation_lines, evaluation_tables
    from flows.storage.open import read_dataset
    from flows.ui.terminal import show_tables

    if (truth_file is None) != by_people:
        raise ConfigurationError(
            "name a file of truth lines, TRUTH.jsonl, or take what people have said: --corrections"
        )
    levels = None if gate is None else read_levels(gate)
    dataset = read_dataset(out)
    own = type_in(dataset, type_name)
    if truth_file is None:
        truth = Truth()
        compared = compare_corrections(dataset, own)
    else:
        truth = truth_of(dataset, own, truth_file, names_of(_pairs(rename or [])))
        compared = compare(dataset, own, truth)
    labelled: list[tuple[Mapping[str, float], bool]] = []
    if calibrates:
        from flows.evaluation.calibration import keeping

        compared = keeping(dataset, own, compared, labelled)
    done = evaluate(compared, own.root, truth)
    below = [] if levels is None else regressions(done, levels, tolerance)
    if html is not None:
        from flows.evaluation.report import draw_evaluation

        draw_evaluation(done, dataset.location, html)
    if record_file is not None:
        record(done, record_file)
    tables, result = (
        evaluation_tables(done),
        {**evaluation_json(done), "below": [regression_line(entry) for entry in below]},
    )
    if calibrates:
        from flows.evaluation.calibration import calibrate, calibration_table

        result["weights"] = weights = calibrate(dataset, labelled)
        tables.append(calibration_table(labelled, weights))
    if as_json:
        print_json(result)
    else:
        show_tables(tables)
        print_lines([*evaluation_lines(done), *map(regression_line, below)])
    if not done.documents:
        complain(f"no document of {out} is in {truth_file or 'its corrections'}: nothing was compared")
        return 1
    return 1 if below or (gate is not None and (done.missing or done.unclear)) else 0


def export_command(
    out: DatasetArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="what to write; a folder for csv without --table")],
    form: Annotated[
        Literal["csv", "xlsx", "chat"],
        typer.Option("--format", help="csv or xlsx: the record tables; chat: lines to fine-tune a model with"),
    ],
    table: Annotated[str | None, typer.Option(metavar="NAME", help="csv, xlsx: only this table")] = None,
    all_ok: Annotated[
        bool, typer.Option("--all-ok", help="chat: documents of status ok, too, not only those people have looked at")
    ] = False,
    validation: Annotated[
        float, typer.Option(min=0, max=0.9, help="chat: share of the documents that go to FILE's name with .validation")
    ] = 0.1,
    type_name: TypeOfDataset = None,
    model: ModelName = None,
    images: ImagesOption = None,
    chunk_tokens: ChunkTokens = None,
    as_json: AsJson = False,
) -> int:
    """Write the records as CSV or Excel files, or what people have corrected as fine-tuning lines."""
    from flows.storage.open import read_dataset

    dataset = read_dataset(out)
    if form == "chat":
        from flows.evaluation.fine_tuning import fine_tuning_lines, write_fine_tuning
        from flows.settings import load_settings

        own = type_in(dataset, type_name)
        settings = load_settings(model=model, images=images, chunk_tokens=chunk_tokens)
        done = write_fine_tuning(dataset, own, settings, target, validation, all_ok=all_ok)
        print_json(asdict(done)) if as_json else print_lines(fine_tuning_lines(done))
        if not sum(done.lines):
            why = (
                "none could be read again"
                if done.left_out
                else "nobody has corrected or accepted one yet; see --all-ok"
            )
            complain(f"{out}: no document to learn from: {why}")
        return 0 if sum(done.lines) else 1
    from flows.reports.csv_xlsx import sheet_lines, write_csv, write_xlsx

    if table is not None and table not in dataset.record_tables:
        raise ConfigurationError(f"--table {table}: the record tables of {out} are {', '.join(dataset.record_tables)}")
    tables = [table] if table is not None else list(dataset.record_tables)
    sheets = (
        write_xlsx(dataset, tables, target) if form == "xlsx"
        else write_csv(dataset, tables, target, is_folder=table is None)
    )  # fmt: skip
    print_json({"sheets": [asdict(sheet) for sheet in sheets]}) if as_json else print_lines(sheet_lines(sheets))
    return 0


def _pairs(rename: list[str]) -> dict[str, str]:
    pairs = {}
    for pair in rename:
        label, equals, name = pair.partition("=")
        if not (label and equals and name):
            raise ConfigurationError(f"--rename {pair}: write LABEL=FIELD, such as line_items.total=line_items.amount")
        pairs[label] = name
    return pairs
