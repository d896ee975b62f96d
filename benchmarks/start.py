"""Measure how long commands take to start: the help of each, and lmms-eval with and without the rise_ tasks.

    python benchmarks/start.py              # help of `rise-bench` and of each of its commands
    python benchmarks/start.py --lmms       # `lmms-eval --tasks list`, in pairs; some minutes

Prints JSON with CPU seconds (user and system), which depend less on other programs than wall time does.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median
from typing import Any

import typer.main

from rise_bench.cli import app

#: Runs lmms-eval as its command does; the first argument `without` empties the entry point of rise-bench.
LMMS_EVAL = """
import sys
from importlib.metadata import EntryPoint
if sys.argv.pop(1) == "without":
    load = EntryPoint.load
    EntryPoint.load = lambda entry: list if entry.value.startswith("rise_bench.") else load(entry)
from lmms_eval.cli.dispatch import main
sys.exit(main())
"""

#: Measures the work of the plug-in alone: its import, and the index of its tasks.
PLUGIN = """
import time
from lmms_eval.tasks import TaskManager
start = time.process_time()
from rise_bench.evaluation.lmms_plugin import task_folders
manager = TaskManager.__new__(TaskManager)
for folder in task_folders(""):
    manager._get_task_and_group(folder)
print("\\nplug-in", time.process_time() - start)
"""


def cpu_seconds(command: list[str]) -> tuple[float, str]:
    """CPU seconds of a command, and what it printed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{printed}")
    return usage.ru_utime + usage.ru_stime, printed


def command_paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group of commands."""
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from command_paths(child, (*path, name))


def help_seconds(repeats: int) -> dict[str, float]:
    """Least CPU seconds of each help, slowest first."""
    seconds = {
        " ".join(("rise-bench", *path, "--help")): min(
            cpu_seconds([sys.executable, "-m", "rise_bench", *path, "--help"])[0] for _ in range(repeats)
        )
        for path in command_paths(typer.main.get_command(app))
    }
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def lmms_seconds(pairs: int) -> dict[str, Any]:
    """CPU seconds of `lmms-eval --tasks list` with and without our tasks, one after the other in turns."""
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for number in range(pairs):
        for arm in ("without", "with") if number % 2 else ("with", "without"):
            used, printed = cpu_seconds([sys.executable, "-c", LMMS_EVAL, arm, "--tasks", "list"])
            if (" rise_emotion6" in printed) != (arm == "with"):
                raise SystemExit(f"the run {arm} rise-bench does not list what it should:\n{printed[-2000:]}")
            seconds[arm].append(used)
    plugin_s = min(float(cpu_seconds([sys.executable, "-c", PLUGIN])[1].split()[-1]) for _ in range(2))
    ratios = [a / b for a, b in zip(seconds["with"], seconds["without"], strict=True)]
    return {
        "pairs": pairs,
        "with_rise_bench_s": round(median(seconds["with"]), 2),
        "without_s": round(median(seconds["without"]), 2),
        "plugin_alone_s": round(plugin_s, 3),
        "median_ratio_of_pairs": round(median(ratios), 3),
        "least_with_over_least_without": round(min(seconds["with"]) / min(seconds["without"]), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lmms", action="store_true", help="measure lmms-eval instead")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of runs of lmms-eval")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each help")
    options = parser.parse_args()
    if options.lmms:
        print(json.dumps(lmms_seconds(options.pairs), indent=2))
        return
    seconds = help_seconds(options.repeats)
    shown = {command: round(value, 3) for command, value in seconds.items()}
    print(json.dumps({"slowest_s": next(iter(shown.values())), "help_s": shown}, indent=2))


if __name__ == "__main__":
    main()
