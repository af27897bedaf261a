"""Self-contained web pages: one template environment, and one function to write a file that the user named.

Values are escaped by default, an unknown name is an error, and every page has a policy against loading anything
(`templates/base.html`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from flows.durable_files import write_durably
from flows.storage.dataset import Dataset
from flows.ui.text import count_documents, dollars, duration
from schemas.errors import ConfigurationError

if TYPE_CHECKING:  # imported by those who draw a page
    from jinja2 import Environment

__all__ = ["Markup", "check_outside", "check_target", "colours", "environment", "render", "write_page"]


def environment(filters: Mapping[str, Callable[..., Any]] | None = None) -> "Environment":
    """The environment of all templates, with the shared filters and the `filters` of one page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("flows.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["number"] = lambda value: "–" if value is None else f"{value:,}"  # noqa: RUF001 - a dash
    templates.filters["usd"] = dollars
    templates.filters["duration"] = duration
    templates.filters["documents"] = count_documents
    templates.filters.update(filters or {})
    return templates


def render(template: str, filters: Mapping[str, Callable[..., Any]] | None = None, /, **values: Any) -> str:
    """The page of `template` with `values`."""
    return environment(filters).get_template(template).render(**values)


def colours() -> str:
    """The style sheet of the colours that all pages share."""
    templates = environment()
    assert templates.loader is not None
    return templates.loader.get_source(templates, "colours.css")[0]


def check_target(target: Path, document: Path | None = None) -> None:
    """Raise ConfigurationError, before any work, for a `target` that cannot or must not be written."""
    try:
        fault = _fault(target, document)
    except OSError as error:
        fault = f"cannot be written ({error.strerror})"
    if fault:
        raise ConfigurationError(f"--html {target}: {fault}; name another file")


def check_outside(dataset: Dataset, target: Path) -> None:
    """Raise ConfigurationError where `target` is inside the dataset."""
    if "://" not in dataset.location and target.resolve().is_relative_to(Path(dataset.location).resolve()):
        raise ConfigurationError(
            f"--html {target}: is in the dataset, where only tables are allowed; name another file"
        )


def write_page(target: Path, page: str) -> None:
    """Write `page` to `target`, the whole page or nothing. Raises ConfigurationError where it cannot be written."""
    try:
        write_durably(target.resolve(), page.encode("utf-8", "replace"))  # file names may contain lone surrogates
    except OSError as error:
        reason = error.strerror or error
        raise ConfigurationError(f"--html {target}: cannot be written ({reason}); name another file") from error


def _fault(target: Path, document: Path | None) -> str | None:
    if not target.parent.is_dir():
        return f"there is no folder {target.parent}"
    if not target.exists():
        return None
    if not target.is_file():
        return "is not a file that can be replaced"  # a rename would replace a device by a file
    if document is not None and document.exists() and target.samefile(document):
        return "is the document itself"
    return None
