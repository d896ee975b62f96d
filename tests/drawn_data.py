"""Small drawn benchmarks, written by the real writer, for tests that need a whole dataset folder."""

import io
from pathlib import Path

from PIL import Image

from rise_bench.builders.world.rows import DrawnBenchmark, drawn_rows
from rise_bench.dataset import BenchmarkDataset, open_dataset
from rise_bench.dataset_writer import write_dataset
from rise_bench.registry import get_benchmark
from rise_bench.source import SourcePlan, SourceRow

from .openai_server import picture_key


def write_drawn(out: Path, name: DrawnBenchmark, *, train: int = 24, test: int = 8) -> BenchmarkDataset:
    """Draw a small `moods`, `scenes` or `kinds` into the folder `out`."""
    rows: dict[str, list[SourceRow]] = {"train": [], "test": []}
    for split, count in (("train", train), ("test", test)):
        for row in drawn_rows(name, split, count):
            image, annotation = row.render()
            row_id = f"{name}/{row.source_id}"
            rows[split].append(
                SourceRow(row_id, row.source_id, image, annotation, row.category, row.question)
            )
    categories = tuple(sorted({row.category for row in (*rows["train"], *rows["test"])} - {""}))
    write_dataset(SourcePlan(get_benchmark(name), rows["train"], rows["test"], categories), out, workers=1)
    return open_dataset(out)


def ids_by_picture(dataset: BenchmarkDataset, split: str = "test") -> dict[str, str]:
    """Hash of a picture's pixels -> id of its row."""
    rows = dataset.rows(split, columns=["id", "image"])
    return {picture_key(Image.open(io.BytesIO(row["image"]["bytes"]))): row["id"] for row in rows}
