"""Links in a source that lead out of it are refused by every reader; those that stay inside are followed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.builders import coco_sub, custom, emotion6, imagenet_sub, lisa
from rise_bench.data.build_plan import SourcePlan
from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError
from rise_bench.hub.rehydrate import MissingImagesError, rehydrate_folder

from ..support import made_formats, made_sources


def make_custom(folder: Path) -> Path:
    for number in range(4):
        made_sources.write_photo(folder / "photos" / f"{number}.jpg", number)
    rows = [(f"photos/{number}.jpg", ("cat", "dog")[number % 2]) for number in range(4)]
    made_sources.write_csv(folder / "labels.csv", ("file", "label"), rows)
    return folder


def make_class_folders(folder: Path) -> Path:
    for number in range(4):
        made_sources.write_photo(folder / ("cat", "dog")[number % 2] / f"{number}.jpg", number)
    return folder


def make_coco(folder: Path) -> Path:
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20]}]
    return made_sources.coco(folder, made_sources.coco_json([(1, "1.jpg")], boxes))


def make_custom_coco(folder: Path) -> Path:
    make_coco(folder)
    (folder / "annotations" / "instances_train2017.json").rename(folder / "labels.json")
    for path in (folder / "train2017").iterdir():
        path.rename(folder / path.name)
    return folder


def make_lisa(folder: Path) -> Path:
    for split in ("train", "val"):
        made_sources.lisa_sample(folder / split, "a", [made_sources.rectangle("target", 5, 5, 20, 20)])
    return folder


CLASS = next(iter(imagenet_sub.WNIDS.values()))

#: Builder -> how its source is made, what plans it, and a file and a folder of it that are read.
SOURCES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], SourcePlan], tuple[str, ...]]] = {
    "custom": (
        make_custom,
        lambda source: custom.plan(source, name="pets", annotations=Path("labels.csv")),
        ("labels.csv", "photos/1.jpg", "photos"),
    ),
    "custom class folders": (
        make_class_folders,
        lambda source: custom.plan(source, name="pets", annotations=None),
        ("cat/0.jpg", "cat"),
    ),
    "custom coco": (
        make_custom_coco,
        lambda source: custom.plan(source, name="pets", annotations=Path("labels.json")),
        ("labels.json", "1.jpg"),
    ),
    "emotion6": (
        made_sources.emotion6,
        emotion6.plan,
        ("ground_truth.txt", "images/anger/0.jpg", "images/anger", "images"),
    ),
    "lisa": (make_lisa, lisa.plan, ("train/a.json", "train/a.jpg", "train")),
    "imagenet_sub": (
        lambda folder: made_sources.imagenet(folder, 1),
        imagenet_sub.plan,
        (f"{CLASS}/{CLASS}_0.JPEG", CLASS),
    ),
    "coco_sub": (
        make_coco,
        coco_sub.plan,
        ("annotations/instances_train2017.json", "annotations", "train2017/1.jpg", "train2017"),
    ),
}


def moved(source: Path, name: str, place: Path) -> None:
    """Move a file or folder of a source to another place, and leave a link."""
    place.mkdir(parents=True)
    target = place / Path(name).name
    shutil.move(source / name, target)
    (source / name).symlink_to(target)


@pytest.mark.parametrize(
    ("builder", "name"), [(b, name) for b, (_, _, names) in SOURCES.items() for name in names]
)
def test_a_link_out_of_the_source_is_refused(tmp_path: Path, builder: str, name: str) -> None:
    make, plan, _ = SOURCES[builder]
    (tmp_path / "source").mkdir()
    source = make(tmp_path / "source")
    moved(source, name, tmp_path / "private")
    with pytest.raises(DataError, match=r"is a link that leads out of .*private.*as --source"):
        plan(source)


@pytest.mark.parametrize("builder", SOURCES)
def test_links_that_stay_inside_are_followed_and_so_is_the_source_itself(
    tmp_path: Path, builder: str
) -> None:
    make, plan, names = SOURCES[builder]
    (tmp_path / "disk").mkdir()
    source = make(tmp_path / "disk")
    expected = len(plan(source).rows)
    moved(source, names[0], source / ".moved")
    (tmp_path / "source").symlink_to(source)
    assert len(plan(tmp_path / "source").rows) == expected > 0


def test_annotations_that_the_user_names_may_lie_anywhere(tmp_path: Path) -> None:
    source = make_custom(tmp_path / "source")
    elsewhere = tmp_path / "labels.csv"
    shutil.move(source / "labels.csv", elsewhere)
    for annotations in (elsewhere, Path("../labels.csv")):
        assert len(custom.plan(source, name="pets", annotations=annotations).rows) == 4


def test_a_pipe_is_no_photo(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    source = made_sources.imagenet(tmp_path / "source", 1)
    photo = next(source.rglob("*.JPEG"))
    photo.unlink()
    os.mkfifo(photo)
    with pytest.raises(DataError, match="is a pipe or a device"):
        imagenet_sub.plan(source)


def test_rehydrate_refuses_a_link_out_of_the_folder(tmp_path: Path) -> None:
    source = make_custom(tmp_path / "source")
    plan = custom.plan(source, name="pets", annotations=Path("labels.csv"), images="reference")
    write_dataset(plan, tmp_path / "bare", workers=1)
    manifest = read_manifest(tmp_path / "bare")
    write_manifest(tmp_path / "bare", manifest.model_copy(update={"images": "reference"}))
    moved(source, "photos/1.jpg", tmp_path / "private")
    with pytest.raises(DataError, match="is a link that leads out of") as caught:
        rehydrate_folder(tmp_path / "bare", source, out=tmp_path / "out")
    assert not isinstance(caught.value, MissingImagesError)
    assert not (tmp_path / "out").exists()
    assert json.loads((tmp_path / "bare" / "manifest.json").read_text())["images"] == "reference"


def test_a_linked_folder_within_a_class_is_one_of_its_folders(tmp_path: Path) -> None:
    source = make_class_folders(tmp_path / "source")
    made_sources.write_photo(source / ".more" / "9.jpg", 9)
    (source / "cat" / "more").symlink_to(source / ".more")
    (source / ".more" / "loop").symlink_to(source / ".more")
    for number, elsewhere in enumerate((source, source / "cat", source / "dog")):
        (source / "cat" / f"of_its_own_place_{number}").symlink_to(elsewhere)
    plan = custom.plan(source, name="pets", annotations=None)
    assert "cat/more/9.jpg" in {row.source_id for row in plan.rows} and len(plan.rows) == 5
    (source / "cat" / "far").symlink_to(tmp_path)
    with pytest.raises(DataError, match="far is a link that leads out of"):
        custom.plan(source, name="pets", annotations=None)


@pytest.mark.parametrize("folder", ["JPEGImages", "images"])
def test_a_linked_folder_of_pictures_is_named(tmp_path: Path, folder: str) -> None:
    source = {"JPEGImages": made_formats.voc, "images": made_formats.yolo}[folder](tmp_path / "source")
    moved(source, folder, tmp_path / "private")
    with pytest.raises(DataError, match=rf"{folder} is a link that leads out of .*as --source"):
        custom.plan(source, name="mine")
