"""COCO-Sub: 25 + 10 images of each of COCO's 80 classes; the answer is every box of that class.

Official 2017 layout: `annotations/instances_train2017.json` beside the folder `train2017` (and the same for
val2017). An image belongs to one class only; the rarest class chooses first. val2017 alone has too few
toasters and hair driers, so both splits come from train2017, or from both pooled. Left out: (image, class)
pairs with a crowd annotation, boxes without an area, and repeated boxes of an image and class.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.builders.formats.coco_json import REPEATED_BOX, CocoBoxes, CocoImage, read_coco_boxes
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.data.splits import assign_exclusive, train_share
from rise_bench.errors import ConfigError, DataError

Pool = Literal["train", "train+val"]

CLASSES = 80
TRAIN_PER_CLASS, TEST_PER_CLASS = 25, 10
_PER_CLASS = TRAIN_PER_CLASS + TEST_PER_CLASS
_POOLS: dict[str, tuple[str, ...]] = {"train": ("train2017",), "train+val": ("train2017", "val2017")}


@dataclass(slots=True)
class _Pool:
    """Candidate images of one or two instances files."""

    classes: tuple[str, ...]
    places: dict[str, tuple[CocoBoxes, int, Path]] = field(default_factory=dict)
    candidates: dict[str, list[str]] = field(default_factory=dict)
    crowd: list[str] = field(default_factory=list)
    degenerate: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def plan(source: Path, *, seed: int = 0, pool: Pool = "train") -> SourcePlan:
    """Choose the images of each class by rank.

    Args:
        source: Folder of `annotations` and `train2017`.
        seed: Seed of the choice.
        pool: Take both splits from train2017, or from train2017 and val2017 together.

    Raises:
        ConfigError: If `pool` is unknown.
        DataError: If a file is missing or an annotation is wrong; names the file and the annotation.
    """
    if pool not in _POOLS:
        raise ConfigError(f"pool {pool!r} is unknown; choose one of {', '.join(_POOLS)}")
    spec = get_benchmark("coco_sub")
    files = [
        (read_coco_boxes(inside(source, source / "annotations" / f"instances_{name}.json")), source / name)
        for name in _POOLS[pool]
    ]
    gathered = _gather(files)
    chosen = assign_exclusive(gathered.candidates, _PER_CLASS, seed=seed, dataset=spec.name)
    train: list[SourceRow] = []
    test: list[SourceRow] = []
    for category, source_ids in chosen.items():
        rows = [_row(gathered, source_id, category) for source_id in source_ids]
        cut = train_share(len(rows), TRAIN_PER_CLASS, TEST_PER_CLASS)
        train += rows[:cut]
        test += rows[cut:]
    return SourcePlan(
        spec,
        train=train,
        test=test,
        categories=gathered.classes,
        drops={
            "(image, class) pair with a crowd annotation": gathered.crowd,
            "box without an area": gathered.degenerate,
            REPEATED_BOX: gathered.repeated,
            "the image file is missing": gathered.missing,
        },
        shortfalls=_shortfalls(gathered, chosen),
        options={"pool": pool},
    )


def _gather(files: list[tuple[CocoBoxes, Path]]) -> _Pool:
    classes = tuple(files[0][0].categories.values())
    gathered = _Pool(classes, candidates={name: [] for name in classes})
    for coco, folder in files:
        if tuple(coco.categories.values()) != classes:
            raise DataError(
                f"{coco.path} has other categories than {files[0][0].path}; use files of one release"
            )
        if not folder.is_dir():
            raise DataError(f"{folder} is missing; unpack {folder.name}.zip beside the folder annotations")
        there = {entry.name for entry in folder.iterdir()}
        absent = {i for i, image in coco.images.items() if image.file_name not in there}
        gathered.missing += [f"{folder.name}/{coco.images[i].file_name}" for i in sorted(absent)]
        gathered.degenerate += [f"{coco.path.name}: {name}" for name in coco.degenerate]
        gathered.repeated += [f"{coco.path.name}: {name}" for name in coco.repeated]
        gathered.crowd += [
            f"{folder.name}/{i:012d} {coco.categories[c]}"
            for i, c in sorted(coco.crowd)
            if c in coco.categories
        ]
        for image_id, category_id in coco.pairs():
            if image_id in absent or (image_id, category_id) in coco.crowd:
                continue
            source_id = f"{image_id:012d}"
            other = gathered.places.setdefault(source_id, (coco, image_id, folder))
            if other[0] is not coco:
                raise DataError(
                    f"image id {image_id} appears in {other[0].path} and in {coco.path}; remove one"
                )
            gathered.candidates[coco.categories[category_id]].append(source_id)
    return gathered


def _row(gathered: _Pool, source_id: str, category: str) -> SourceRow:
    coco, image_id, folder = gathered.places[source_id]
    image: CocoImage = coco.images[image_id]
    category_id = next(i for i, name in coco.categories.items() if name == category)
    return SourceRow(
        id=f"coco_sub/{source_id}/{category.replace(' ', '_')}",
        source_id=source_id,
        image=inside(folder.parent, folder / image.file_name),
        annotation=Boxes(coco.boxes(image_id, category_id)),
        category=category,
        license=image.license,
        where=f"{coco.path.name} image {image_id}, {category}",
        size_px=(image.width_px, image.height_px),
    )


def _shortfalls(gathered: _Pool, chosen: dict[str, list[str]]) -> list[str]:
    reasons: list[str] = []
    if len(gathered.classes) != CLASSES:
        reasons.append(f"{len(gathered.classes)} classes, official files have {CLASSES}")
    if gathered.missing:
        reasons.append(f"{len(gathered.missing)} image files are missing, e.g. {gathered.missing[0]}")
    short = {name: len(ids) for name, ids in chosen.items() if len(ids) < _PER_CLASS}
    if short:
        names = ", ".join(f"{name} {count}" for name, count in list(short.items())[:5])
        more = ", …" if len(short) > 5 else ""
        reasons.append(f"{len(short)} classes have fewer than {_PER_CLASS} images left ({names}{more})")
    return reasons
