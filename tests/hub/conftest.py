"""Datasets to send to the loopback Hub."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.rollout_groups import Group
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset

EMOTION6 = get_benchmark("emotion6")
COCO_SUB = get_benchmark("coco_sub")
CATEGORIES = ("cat", "dog")


@dataclass(frozen=True)
class Source:
    """Raw images in a folder, as a user of rehydrate has them, and what was built from them."""

    images: Path
    benchmark: Path
    cots: Path


def picture(seed: int) -> bytes:
    """A small JPEG that differs from every other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="JPEG", quality=80)
    return encoded.getvalue()


def annotation(spec: BenchmarkSpec, number: int) -> Annotation:
    if spec.kind == "boxes":
        return Boxes(tuple((1.0 + number % 5, 2.0, 10.0 + n, 12.0) for n in range(1 + number % 2)))
    weights = [1 + (number * 7 + k * 3) % 5 for k in range(len(spec.classes))]
    return Distribution(spec.classes, tuple(w / sum(weights) for w in weights))


def source_row(spec: BenchmarkSpec, folder: Path, number: int) -> SourceRow:
    path = folder / f"part{number % 2}" / f"{number:03d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(number))
    category = CATEGORIES[number % 2] if spec.kind == "boxes" else ""
    source_id = f"part{number % 2}/{number:03d}.jpg"
    return SourceRow(f"{spec.name}/{number:03d}", source_id, path, annotation(spec, number), category)


def build(folder: Path, spec: BenchmarkSpec, train: int = 20, test: int = 4) -> Source:
    """A benchmark of noise images, and chains of thought of its training rows, rewards 0 to 1."""
    images = folder / "source"
    rows = [source_row(spec, images, number) for number in range(train + test)]
    categories = CATEGORIES if spec.kind == "boxes" else ()
    plan = SourcePlan(
        spec, rows[:train], rows[train:], categories, drops={"unlisted": ["/home/me/my raw/x.jpg"]}
    )
    write_dataset(plan, folder / "benchmark", workers=1)
    write_cots(
        CotPlan(
            open_dataset(folder / "benchmark"),
            "full",
            {
                row.id: rollout(folder / "rollouts", row.id, n / (train - 1))
                for n, row in enumerate(rows[:train])
            },
            provenance=lambda group: {
                "model": "tiny",
                "revision": "0" * 40,
                "sampling": {"temperature": 1.0},
            },
        ),
        folder / "cots",
    )
    return Source(images, folder / "benchmark", folder / "cots")


def rollout(folder: Path, uid: str, reward: float) -> Group:
    path = folder / f"{uid.replace('/', '-')}.jsonl"
    path.parent.mkdir(exist_ok=True)
    row = {"id": uid, "step": 1, "group": 0, "reconstruction": "{}"}
    row |= {"cot": f"Soft light & a calm <b>face</b>, as in {uid}.\n# not a heading"}
    row |= {"reward": reward, "similarity": reward, "format_ok": True}
    row |= {"leak_numbers": False, "leak_strict": False}
    path.write_text(json.dumps(row) + "\n")
    return Group(step=1, attempt="a", rewards=[reward, 0.0], path=path, offset=0)


@pytest.fixture(scope="session")
def emotion6(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A distribution benchmark whose images may not be republished."""
    return build(tmp_path_factory.mktemp("emotion6"), EMOTION6)


@pytest.fixture(scope="session")
def coco_sub(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A box benchmark whose images may be republished."""
    return build(tmp_path_factory.mktemp("coco_sub"), COCO_SUB)
