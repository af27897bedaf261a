"""The cost of each test, written to build/durations.json by the run: CPU seconds of the test process and its children, and seconds.

CPU seconds are what to compare: they hardly change when the machine is busy. A fixture counts with the test that made it.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2] / "build" / "durations.json"
_TOO_SHORT = 0.02  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process, of the children it has waited for, and of those that still run."""
    times: dict[int, float] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.scandir("/proc") if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            times[int(entry.name)] = sum(map(int, fields[11:15])) / _TICKS
            children[int(fields[1])].append(int(entry.name))
    found, seconds = [pid], 0.0
    while found:
        one = found.pop()
        seconds += times.get(one, 0.0)
        found += children[one]
    return seconds


class Durations:
    """A plugin: each test process measures, the one that reports writes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cpu, self._began = cpu_of(os.getpid()), time.monotonic()
        self._failed: set[str] = set()
        self._tests: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome: Any = yield
        if call.duration < _TOO_SHORT and call.when != "teardown":
            return  # to look takes 2 ms: counted with the next
        cpu = cpu_of(os.getpid())
        outcome.get_result().cpu = max(0.0, cpu - self._cpu)
        self._cpu = cpu

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._tests[report.nodeid]
        test[f"{report.when}_cpu"] += getattr(report, "cpu", 0.0)
        test[f"{report.when}_seconds"] += report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workerinput") or not self._tests:
            return
        rows = [
            {
                "test": name,
                "cpu": round(sum(test[f"{when}_cpu"] for when in ("setup", "call", "teardown")), 2),
                "seconds": round(sum(test[f"{when}_seconds"] for when in ("setup", "call", "teardown")), 2),
                **({"failed": 1} if name in self._failed else {}),
                **{key: round(value, 2) for key, value in test.items()},
            }
            for name, test in self._tests.items()
        ]
        rows.sort(key=lambda row: -float(row["cpu"]))
        FILE.parent.mkdir(exist_ok=True)
        whole = {
            "tests": len(rows),
            "failed": len(self._failed),
            "seconds": round(time.monotonic() - self._began, 1),
            "cpu": round(sum(float(row["cpu"]) for row in rows), 1),
        }
        lines = ",\n".join(json.dumps(row) for row in rows)
        FILE.write_text(f'{{"run": {json.dumps(whole)},\n"tests": [\n{lines}\n]}}\n', encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Durations(config), "pagemill-durations")
