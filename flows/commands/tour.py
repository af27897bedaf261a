"""The command `tour`."""

from pathlib import Path
from typing import Annotated

import typer


def tour_command(
    samples: Annotated[Path, typer.Option(help="folder of the sample documents")] = Path("sample_docs"),
    out: Annotated[Path, typer.Option(help="folder for the three datasets")] = Path("out"),
) -> int:
    """Extract the sample documents with the embedded model and look around: what `make run` does."""
    from flows.commands.tour_steps import tour

    return tour(samples, out)
