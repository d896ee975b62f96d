"""A benchmark of plain coloured pictures, which thousands of rows are quickly made of."""

import io
from pathlib import Path

from PIL import Image

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.writer import write_dataset

COLOURS = ("red", "green", "blue")
_SPEC = BenchmarkSpec("plain", "distribution", "jsd", "Which colours does it show?", COLOURS, images="embed")


def colour_of(number: int) -> tuple[int, int, int]:
    """The colour of a picture; no two pictures have the same."""
    return number % 256, number // 256 % 256, 128


def write_plain(folder: Path, rows: int) -> BenchmarkDataset:
    """Write a benchmark whose picture number n shows `colour_of(n)`."""

    def row(number: int) -> SourceRow:
        buffer = io.BytesIO()
        Image.new("RGB", (28, 28), colour_of(number)).save(buffer, "PNG")
        shares = [part + 1 for part in colour_of(number)]
        truth = Distribution(COLOURS, tuple(share / sum(shares) for share in shares))
        return SourceRow(f"plain-{number:06d}", f"plain-{number:06d}", buffer.getvalue(), truth, "", "")

    write_dataset(SourcePlan(_SPEC, train=[row(n) for n in range(rows)], test=[]), folder, workers=1)
    return open_dataset(folder)
