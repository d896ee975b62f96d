"""A folder of pictures, and runs on it with a scripted model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.curation.annotate.formats import FORMATS
from rise_bench.curation.annotate.job import AnnotateJob
from rise_bench.curation.annotate.records import AnnotationRun

from ...support.scripted_model import ScriptedModel


def think(answer: str, reason: str = "It stands left.") -> str:
    """A response in the form that is asked for."""
    return f"<think>{reason}</think><answer>{answer}</answer>"


def write_pictures(folder: Path, names: tuple[str, ...]) -> Path:
    """Pictures of 100 x 50 pixels, each of another colour."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 50), (number, 0, 0)).save(folder / name)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures", ("a.png", "b.png", "sub/c.png"))


@pytest.fixture
def make_job(pictures: Path, tmp_path: Path) -> Callable[..., AnnotateJob]:
    """Make a run on the pictures; keywords are fields of the run or of the job."""

    def make(model: ScriptedModel, benchmark: str = "coco_sub", **changes: object) -> AnnotateJob:
        categories = ("cat",) if benchmark == "coco_sub" else ()
        run = AnnotationRun(pictures, BENCHMARKS[benchmark], categories, "", 1, "scripted")
        of_run = {name: changes.pop(name) for name in list(changes) if name in run.__dataclass_fields__}
        run = replace(run, **of_run)
        formats = tuple(n for n, format_ in FORMATS.items() if run.has_boxes or not format_.only_boxes)
        job = AnnotateJob(run, tmp_path / "out", lambda: model, {"model": "scripted"}, formats=formats)
        return replace(job, **changes)

    return make


@pytest.fixture
def supervision(monkeypatch):
    """Supervision, which reads pictures by Pillow here.

    OpenCV's PNG reader fails in a process into which another library brought a zlib of its own.
    """
    import supervision
    from supervision.dataset import core

    def read(path: str) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))[..., ::-1]

    monkeypatch.setattr(core.cv2, "imread", read)
    return supervision
