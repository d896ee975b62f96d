"""YOLO: a text file of boxes or outlines for each picture, as Ultralytics trains on, without confidences.

The pictures are not copied: `images` is a link to their folder, and `train.txt` names those that have labels.
Ultralytics finds the labels of `images/a.jpg` at `labels/a.txt`, by the last `images` of a path.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Part, Picture
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_directory

NAME = "yolo"


@contextmanager
def write(folder: Path, run: AnnotationRun) -> Iterator[Callable[[AnnotatedPicture], None]]:
    """Open the folder `yolo`: `labels/`, `data.yaml`, `train.txt`, and `images` where links can be made."""
    ids = {label: number for number, label in enumerate(run.labels)}
    with atomic_directory(folder / NAME, overwrite=True) as work:
        (work / "labels").mkdir()
        with contextlib.suppress(OSError, NotImplementedError):
            (work / "images").symlink_to(run.pictures, target_is_directory=True)
        names = json.dumps(list(ids), ensure_ascii=False)  # JSON is YAML, whatever the names hold
        paths = "train: train.txt\nval: train.txt\n"
        (work / "data.yaml").write_text(f"{paths}nc: {len(ids)}\nnames: {names}\n", encoding="utf-8")

        relative = _outline if run.has_outlines else _box

        def add(picture: AnnotatedPicture) -> None:
            if not picture.annotated:
                return
            if "images" in PurePosixPath(picture.picture.path).parts[:-1]:
                raise DataError(
                    f"{picture.picture.path} lies in a folder called images, below which YOLO looks for no "
                    "labels; rename it, or annotate that folder"
                )
            file = (work / "labels" / picture.picture.path).with_suffix(".txt")
            if file.exists():
                raise DataError(
                    f"{picture.picture.path} has the name of another picture but for its ending, and "
                    "YOLO knows labels by the name; rename one"
                )
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = [
                f"{ids[part.label]} {relative(part, picture.picture)}"
                for answer in picture.annotated
                for part in run.parts(answer)
            ]
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            listed.write(f"./images/{picture.picture.path}\n")

        with (work / "train.txt").open("w", encoding="utf-8") as listed:
            yield add


def _box(part: Part, picture: Picture) -> str:
    """Centre and size of a box as shares of the picture's sides."""
    x, y, w, h = part.box
    width, height = picture.width_px, picture.height_px
    return _shares(((x + w / 2) / width, (y + h / 2) / height, w / width, h / height))


def _outline(part: Part, picture: Picture) -> str:
    """Points as shares of the picture's sides."""
    width, height = picture.width_px, picture.height_px
    return _shares(share for x, y in part.outline for share in (x / width, y / height))


def _shares(shares: Iterable[float]) -> str:
    return " ".join(f"{share:.6f}" for share in shares)
