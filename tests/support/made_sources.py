"""Small sources in the official layouts, made on the spot, so that every trap is tested without real data."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.builders.imagenet_sub import WNIDS
from rise_bench.catalog.benchmarks import EMOTIONS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.build_plan import SourcePlan, SourceRow

#: COCO's 80 official category ids: 1 to 90 with gaps.
COCO_IDS = [i for i in range(1, 91) if i not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}]

EMOTION6_HEADER = "[image_filename]\t[valence]\t[arousal]\t" + "\t".join(
    f"[prob. {name}]" for name in EMOTIONS
)


def photo(
    seed: int, size_px: tuple[int, int] = (48, 36), *, mode: str = "RGB", form: str = "JPEG", **save: Any
) -> bytes:
    """Return an encoded image; another seed is another picture."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize(size_px, Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, form, **save)
    return buffer.getvalue()


def with_comment(jpeg: bytes, comment: str) -> bytes:
    """Return the same picture as other bytes."""
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def write_photo(path: Path, seed: int, size_px: tuple[int, int] = (48, 36), **options: Any) -> Path:
    """Write a photo and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo(seed, size_px, **options))
    return path


def emotion6_line(file: str, probs: Sequence[float | str]) -> str:
    """Return a line of `ground_truth.txt`."""
    return "\t".join([file, "5.1", "4.2", *map(str, probs)])


def emotion6(folder: Path, rows: int = 20) -> Path:
    """Write an Emotion6 folder; row i is `images/<keyword>/<i>.jpg`, most felt as emotion i modulo 7."""
    lines = [EMOTION6_HEADER]
    for i in range(rows):
        file = f"{EMOTIONS[i % 6]}/{i}.jpg"
        write_photo(folder / "images" / file, i)
        probs = [0.1] * 7
        probs[i % 7] = 0.4
        lines.append(emotion6_line(file, [f"{p:g}" for p in probs]))
    (folder / "ground_truth.txt").write_text("\n".join(lines) + "\n")
    return folder


def polygon(label: str, points: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return a ReasonSeg shape."""
    return {"label": label, "labels": [label], "shape_type": "polygon", "points": [list(p) for p in points]}


def rectangle(label: str, left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    """Return a rectangular ReasonSeg shape; its border pixels are inside."""
    return polygon(label, [(left, top), (right, top), (right, bottom), (left, bottom)])


def lisa_sample(
    folder: Path,
    name: str,
    shapes: Sequence[Mapping[str, Any]],
    *,
    texts: Sequence[str] = ("What can be eaten?", "What is food?"),
    seed: int = 0,
    size_px: tuple[int, int] = (60, 40),
) -> Path:
    """Write one ReasonSeg image and annotation; returns the annotation's path."""
    write_photo(folder / f"{name}.jpg", seed, size_px)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"text": list(texts), "is_sentence": True, "shapes": list(shapes)}))
    return path


def imagenet(folder: Path, per_class: int) -> Path:
    """Write class folders of tiny images: one picture a class, made unique by comments."""
    for number, wnid in enumerate(WNIDS.values()):
        (folder / wnid).mkdir(parents=True)
        picture = photo(number, (16, 12))
        for i in range(per_class):
            (folder / wnid / f"{wnid}_{i}.JPEG").write_bytes(with_comment(picture, f"{wnid} {i}"))
    return folder


def coco_json(
    images: Sequence[tuple[int, str]],
    annotations: Sequence[Mapping[str, Any]],
    *,
    size_px: tuple[int, int] = (48, 36),
    categories: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Return a COCO instances object; images are (id, file name), annotations get an id."""
    names = categories or {i: f"class {i}" for i in COCO_IDS}
    licenses = [
        {"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"}
    ]
    return {
        "info": {},
        "licenses": licenses,
        "images": [
            {"id": i, "file_name": name, "width": size_px[0], "height": size_px[1], "license": 4}
            for i, name in images
        ],
        "annotations": [
            {"id": n, "iscrowd": 0, "segmentation": [], "area": 1.0} | dict(annotation)
            for n, annotation in enumerate(annotations, 1)
        ],
        "categories": [{"id": i, "name": name, "supercategory": "thing"} for i, name in names.items()],
    }


def coco(
    folder: Path, content: Mapping[str, Any], name: str = "train2017", *, write_images: bool = True
) -> Path:
    """Write a COCO folder with one instances file and its images."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / name).mkdir(exist_ok=True)
    (folder / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))
    for image in content["images"] if write_images else []:
        write_photo(folder / name / image["file_name"], image["id"], (image["width"], image["height"]))
    return folder


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """Write a CSV file."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def distribution_plan(folder: Path, train: int = 12, test: int = 5, **options: Any) -> SourcePlan:
    """Return a plan of distributions over three classes, image files written."""
    spec = BenchmarkSpec("shades", "distribution", "jsd", "Which shade?", ("red", "green", "blue"))
    rows = [
        SourceRow(
            id=f"shades/{i:03d}",
            source_id=f"{i}.jpg",
            image=write_photo(folder / f"{i}.jpg", i),
            annotation=Distribution(spec.classes, [(0.6, 0.3, 0.1), (0.1, 0.6, 0.3), (0.3, 0.1, 0.6)][i % 3]),
            where=f"labels.csv line {i + 2}",
        )
        for i in range(train + test)
    ]
    return SourcePlan(spec, rows[:train], rows[train:], **options)


def boxes_plan(folder: Path, train: int = 8, test: int = 4) -> SourcePlan:
    """Return a plan of boxes of two categories, image files written."""
    spec = BenchmarkSpec("things", "boxes", "ap50", "Locate every {category}.")
    categories = ("cup", "hair drier")
    rows = [
        SourceRow(
            id=f"things/{i:03d}",
            source_id=f"{i}.jpg",
            image=write_photo(folder / f"{i}.jpg", i),
            annotation=Boxes(((1.25, 2.5, 20.0, 15.75), (30.0, 20.0, 17.5, 16.0))[: 1 + i % 2]),
            category=categories[i % 2],
            size_px=(48, 36),
        )
        for i in range(train + test)
    ]
    return SourcePlan(spec, rows[:train], rows[train:], categories=categories)
