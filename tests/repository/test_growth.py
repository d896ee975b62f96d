"""CONTRIBUTING lists the files that something new touches: they are few and exist, and a test adds a toy."""

import re
from pathlib import Path

import pytest

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.benchmarks import BENCHMARKS, build_command
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cli.build import build_app

ROOT = Path(__file__).parents[2]

#: Heading in CONTRIBUTING -> files that may have to be touched.
LIMITS = {
    "Adding a benchmark": 3,
    "Adding a kind of annotation": 4,
    "Adding a metric": 1,
    "Adding a trainer": 3,
    "Adding a model family": 2,
}


def _section(heading: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("heading", "limit"), LIMITS.items())
def test_a_list_names_few_files_that_exist_and_the_test_of_a_toy(heading: str, limit: int) -> None:
    items = re.findall(r"^\d+\. (.*)", _section(heading), re.MULTILINE)
    files = [re.match(r"`([\w/.<>-]+)`", item) for item in items]
    assert items and all(files), f"each item of {heading!r} starts with a path in backticks"
    assert len(files) <= limit
    toys = re.findall(r"`(tests/[\w/]+\.py)`", _section(heading))
    assert toys, f"{heading!r} names no test that adds a toy"
    for path in (*toys, *(file[1] for file in files if file)):
        assert any(ROOT.glob(re.sub(r"<\w+>", "*", path))), path


@pytest.mark.parametrize("spec", BENCHMARKS.values(), ids=BENCHMARKS)
def test_a_benchmark_of_the_catalogue_has_a_command_and_tasks(spec: BenchmarkSpec) -> None:
    builder = build_command(spec.name).split()[2]
    assert builder in {command.name for command in build_app.registered_commands}
    folders = {path.parent.name for path in (ROOT / "tasks").glob(f"*/rise_{spec.name}.yaml")}
    framed = {"boxes_norm1000", "boxes_px", "boxes_resized_px"}
    assert folders == (framed if KINDS[spec.kind].in_frame else {"distributions"})
