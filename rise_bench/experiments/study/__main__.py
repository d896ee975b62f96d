"""Page of a study from its results alone: `python -m rise_bench.experiments.study FOLDER`.

Writes study.md with its charts, summary.json and, for a study with registered claims, verdicts.json. The time
of jobs is shown where the folder has their records.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rise_bench.errors import DataError, run_program
from rise_bench.experiments.study.page import write_page
from rise_bench.experiments.study.run import write_summaries
from rise_bench.experiments.study.summary import read_results


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write the page of a study from its results.jsonl.")
    parser.add_argument("folder", type=Path, help="folder of the study")
    folder = parser.parse_args().folder
    results = read_results(folder / "results.jsonl")
    if not results:
        raise DataError(f"{folder} has no results.jsonl; name the folder of a study")
    write_summaries(folder, results)
    sys.stdout.write(f"{write_page(folder, results)}\n")


if __name__ == "__main__":
    run_program(main)
