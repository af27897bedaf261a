"""Commands of Pagemill, each a process of its own that has its imports behind it: forked off one that did them once.

Of the 4 s of CPU that a short run takes, 3 are imports. `tests.conftest.start` starts a command as a shell does.
"""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

MOST_SECONDS = 240
IMPORTED = (  # by name, since nothing here uses them; not DuckDB, which complains of what is frozen when a child ends
    *(
        "prefect",
        "flows.cli",
        "flows.runs.run",
        "flows.runs.refresh",
        "flows.runs.replay",
        "flows.runs.prefect_flow",
        "flows.preview.trial",
        "flows.preview.estimate",
    ),
    *(
        "flows.reports.status",
        "flows.reports.last_run",
        "flows.runs.forget",
        "flows.runs.retry",
        "flows.review.correct",
        "flows.review.why",
    ),
    *(
        "flows.evaluation.evaluate",
        "flows.evaluation.report",
        "flows.evaluation.calibration",
        "flows.evaluation.baseline",
        "flows.evaluation.fine_tuning",
        "flows.reports.sheets",
    ),
    *(
        "flows.review.export",
        "flows.review.server",
        "flows.runs.differences",
        "flows.runs.migrate",
        "flows.offline.server",
        "pandas",
    ),
)


class Commands:
    """The process that commands are forked off; it ends with the one that made it."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.commands"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], told: Path) -> int:
        """Run one command to its end, its output to the files `told`.out and `told`.err; its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        task = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment), "told": str(told)}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _become(task: dict) -> int:
    """Be the command, in the child; its exit code."""
    signal.alarm(MOST_SECONDS)
    os.environ.clear()
    os.environ.update(task["environment"])
    os.chdir(task["cwd"])
    sys.argv = ["pagemill", *task["arguments"]]
    sys.path[0] = task["cwd"]
    for place, name in ((0, os.devnull), (1, task["told"] + ".out"), (2, task["told"] + ".err")):
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, place)
        os.close(file)
    from prefect.context import refresh_global_settings_context

    from flows.cli import main

    refresh_global_settings_context()  # Prefect reads the environment when it is imported
    return main()


def _serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    from extractors.tokens import count_text

    count_text("the vocabulary is loaded by the first count")
    gc.freeze()  # a child that ends looks at its own objects only
    while line := sys.stdin.readline():
        if (child := os.fork()) == 0:
            sys.exit(_become(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
