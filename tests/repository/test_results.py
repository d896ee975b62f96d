"""Pages of results in docs/ are what the command makes of their rows."""

import shutil
from pathlib import Path

import pytest

from rise_bench.experiments.study.page import write_page
from rise_bench.experiments.study.run import write_summaries
from rise_bench.experiments.study.summary import read_results

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize("name", [path.parent.name for path in RESULTS.glob("*/results.jsonl")])
def test_pages_charts_and_verdicts_are_those_of_the_rows(name, tmp_path):
    committed = RESULTS / name
    given = ("results.jsonl", "study.json", "registered_claims.json", "tuned.json", "calibration.json")
    for path in committed.iterdir():
        if path.name in given:
            shutil.copy(path, tmp_path)
    results = read_results(tmp_path / "results.jsonl")
    write_summaries(tmp_path, results)
    write_page(tmp_path, results)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name not in given}
    made.pop("summary.json")  # left out of the repository
    kept = {path.name: path.read_bytes() for path in committed.iterdir() if path.is_file()}
    assert made == {name: kept.get(name) for name in made}, (
        f"write it again: python -m rise_bench.experiments.study {committed}"
    )
