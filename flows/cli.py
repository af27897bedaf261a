"""The terminal: arguments in, one call, an exit code out. The one place that catches what ends a run."""

import gc
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from flows.commands.dataset import forget_command, move_command, retry_command, status_command
from flows.commands.evaluation import evaluate_command, export_command
from flows.commands.preview import check_command, estimate_command, show_command, try_command
from flows.commands.review import correct_command, review_command, why_command
from flows.commands.run import refresh_command, run_command
from flows.commands.schedules import deploy_command, schedules_command, serve_command
from flows.commands.tour import tour_command
from flows.commands.types import types_app
from flows.runs.prefect_settings import ignore_files_of_folder
from flows.ui.terminal import complain
from schemas.errors import PagemillError, exit_code_of

app = typer.Typer(
    name="pagemill",
    help="Turn archives of PDFs into typed, checkable Parquet tables with a multimodal model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS: dict[str, Callable[..., int]] = {
    "run": run_command,
    "try": try_command,
    "estimate": estimate_command,
    "show": show_command,
    "check": check_command,
    "status": status_command,
    "refresh": refresh_command,
    "retry": retry_command,
    "forget": forget_command,
    "move": move_command,
    "review": review_command,
    "correct": correct_command,
    "why": why_command,
    "evaluate": evaluate_command,
    "export": export_command,
    "serve": serve_command,
    "deploy": deploy_command,
    "schedules": schedules_command,
    "tour": tour_command,
}


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"pagemill {version('pagemill')}")
        raise typer.Exit


@app.callback()
def _options(
    is_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="print the version and nothing else"),
    ] = False,
) -> None:
    pass


for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(types_app, name="types")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code. No error of ours, and no interrupt, shows a traceback."""
    from flows.log import LOG

    LOG.use(_log_format(sys.argv[1:] if arguments is None else arguments))
    ignore_files_of_folder()
    try:
        code = app(args=arguments, standalone_mode=False)
    except PagemillError as error:
        complain(error)
        return exit_code_of(error, failed=0)
    except KeyboardInterrupt:
        complain("stopped; what was answered is kept, run the same command again to go on")
        return 1
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if error.__class__.__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
            complain(error.format_message()) if LOG.is_json else error.show()  # type: ignore[attr-defined]
            return 2
        raise
    return code if isinstance(code, int) else 0


def entry() -> None:
    """The console command: `main`, and its code to the shell."""
    # imports make many objects and no garbage: a third of their time was spent on collecting
    gc.set_threshold(50_000, 20, 100)
    sys.modules["__main__"].__dict__.pop("__file__", None)  # or each split process imports the command line again
    code = main()
    if "duckdb" not in sys.modules:  # whose binding reports frozen objects as leaks on standard error
        gc.freeze()  # or the interpreter collects garbage among all that ends with it: 0.3 to 0.5 s after a run
    sys.exit(code)


def _log_format(arguments: list[str]) -> str | None:
    """The form of the lines on standard error that the flag names: errors of the other flags are to have it, too."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--log-format="):
            return argument.partition("=")[2]
        if argument == "--log-format":
            return next(iter(arguments[index + 1 :]), None)
    return None


if __name__ == "__main__":
    entry()
