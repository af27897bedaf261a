"""`pagemill evaluate --html`: one web page that stands alone, with a bar for each field. Everything in it is escaped."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.evaluation.evaluate import Evaluation
from flows.evaluation.report import evaluation_json, evaluation_lines, shown
from flows.storage.backends.parquet_files import write_durably
from schemas.errors import ConfigurationError

_MOST_GROUPS = 200


def draw_evaluation(done: Evaluation, about: str, path: Path) -> None:
    """Draw the evaluation of the dataset `about`. Raises ConfigurationError where the page cannot be written."""
    environment = Environment(
        loader=PackageLoader("flows.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    page = environment.get_template("evaluation.html").render(
        about=about, told=evaluation_json(done), said=evaluation_lines(done), worst=done.worst, groups=_MOST_GROUPS
    )
    try:
        write_durably(path, page.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigurationError(f"--html {path}: cannot be written: {error.strerror or error}") from error
