"""Small drawn benchmarks, written by the real writer, for tests that need a whole dataset folder."""

import io
from pathlib import Path

from PIL import Image

from rise_bench.builders.synthetic import plan
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.synthetic.rows import DrawnBenchmark

from .openai_server import picture_key


def write_drawn(
    out: Path, name: DrawnBenchmark, *, train: int = 24, test: int = 8, seed: int = 0
) -> BenchmarkDataset:
    """Draw a small `moods`, `scenes` or `kinds` into the folder `out`, in place of what is there."""
    write_dataset(plan(name, train=train, test=test, seed=seed), out, workers=1, overwrite=True)
    return open_dataset(out)


def ids_by_picture(dataset: BenchmarkDataset, split: str = "test") -> dict[str, str]:
    """Hash of a picture's pixels -> id of its row."""
    rows = dataset.rows(split, columns=["id", "image"])
    return {picture_key_of(row["image"]["bytes"]): row["id"] for row in rows}


def picture_key_of(image: bytes) -> str:
    """Hash of the pixels of an encoded picture."""
    return picture_key(Image.open(io.BytesIO(image)))
