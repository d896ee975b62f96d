"""LISA: the box is the half-open bounds of ReasonSeg's official mask, the outlines go around it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from typer.testing import CliRunner

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.polygons.masks import areas_of
from rise_bench.annotations.polygons.similarity import union_iou
from rise_bench.annotations.polygons.values import Polygons, corners
from rise_bench.builders import lisa as builder
from rise_bench.builders import lisa_polygons as builder_polygons
from rise_bench.builders.lisa import NO_IMAGE, NO_TARGET, boxes_xywh_px, read_annotation
from rise_bench.cli import app
from rise_bench.curation.audit.relabel import Change, write_copy
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError

from ..support.made_sources import lisa_sample, photo, polygon, rectangle

SIZE = (60, 40)


def boxes(tmp_path: Path, *shapes: dict[str, Any], targets: builder.Targets = "union") -> list[Any]:
    return boxes_xywh_px(read_annotation(lisa_sample(tmp_path, "x", shapes))[1], SIZE, targets)


def source(folder: Path) -> Path:
    for split, count in (("train", 6), ("val", 3)):
        (folder / split).mkdir(parents=True)
        for i in range(count):
            shape = rectangle("target", 5 + i, 6, 20 + i, 15)
            lisa_sample(folder / split, f"{split}{i}", [shape], seed=10 * len(split) + i)
    return folder


def test_bounds_are_half_open_and_the_border_is_inside(tmp_path: Path) -> None:
    assert boxes(tmp_path, rectangle("target", 10, 10, 20, 15)) == [(10, 10, 11, 6)]


def test_points_are_cut_towards_zero_as_the_official_code_does(tmp_path: Path) -> None:
    shape = polygon("target", [(10.9, 10.9), (20.99, 10.2), (20.5, 15.999), (10.1, 15.4)])
    assert boxes(tmp_path, shape) == [(10, 10, 11, 6)]


def test_ignore_covers_a_larger_target(tmp_path: Path) -> None:
    shapes = rectangle("target", 0, 0, 29, 9), rectangle("ignore", 20, 0, 29, 9)
    assert boxes(tmp_path, *shapes) == boxes(tmp_path, *shapes[::-1]) == [(0, 0, 20, 10)]


def test_target_inside_a_larger_ignore_stays(tmp_path: Path) -> None:
    """The official mask is painted largest first; else ReasonSeg's val would keep fewer than 196 rows."""
    shapes = rectangle("target", 10, 10, 15, 15), rectangle("ignore", 0, 0, 59, 39)
    assert boxes(tmp_path, *shapes) == boxes(tmp_path, *shapes[::-1]) == [(10, 10, 6, 6)]


def test_flag_is_skipped_whatever_its_case(tmp_path: Path) -> None:
    shapes = polygon("Flag", [(1, 1), (50, 30)]), rectangle("target", 10, 10, 15, 15)
    assert boxes(tmp_path, *shapes) == [(10, 10, 6, 6)]
    assert boxes(tmp_path, shapes[0]) == []


TWO = (rectangle("target", 1, 1, 5, 5), rectangle("target", 10, 10, 30, 20))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("union", [(1, 1, 30, 20)]),
        ("largest", [(10, 10, 21, 11)]),
        ("first", [(1, 1, 5, 5)]),
        ("split", [(1, 1, 5, 5), (10, 10, 21, 11)]),
    ],
)
def test_several_targets(tmp_path: Path, targets: builder.Targets, expected: list[Any]) -> None:
    assert boxes(tmp_path, *TWO, targets=targets) == expected


@pytest.mark.parametrize("targets", ["first", "split"])
def test_covered_target_is_no_choice(tmp_path: Path, targets: builder.Targets) -> None:
    cover = rectangle("ignore", 1, 1, 5, 5)  # as large as the first target and painted over it
    assert boxes(tmp_path, cover, *TWO, targets=targets) in (
        [(10, 10, 21, 11)],
        [(1, 1, 5, 5), (10, 10, 21, 11)],
    )
    larger = rectangle("target", 1, 1, 6, 5)
    covers = [rectangle("ignore", 1, 1, 5, 5), rectangle("ignore", 6, 1, 6, 5)]
    assert boxes(tmp_path, larger, TWO[1], *covers, targets=targets) == [(10, 10, 21, 11)]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(-10, -10), (4, -10), (4, 4), (-10, 4)], [(0, 0, 5, 5)]),  # partly outside: clipped
        ([(50, 30), (80, 30), (80, 70), (50, 70)], [(50, 30, 10, 10)]),
        ([(100, 100), (110, 100), (110, 110)], []),  # outside: no target
        ([(3, 4)], [(3, 4, 1, 1)]),
        ([(3, 4), (7, 4)], [(3, 4, 5, 1)]),
    ],
)
def test_odd_polygons(tmp_path: Path, points: list[Any], expected: list[Any]) -> None:
    assert boxes(tmp_path, polygon("target", points)) == expected


def official_box(shapes: list[dict[str, Any]], size: tuple[int, int]) -> list[Any]:
    """The official mask by OpenCV, written from its rules: int32 points, outline and fill, largest first."""
    mask = official_mask(shapes, size)
    ys, xs = np.nonzero(mask == 1)
    if not xs.size:
        return []
    return [(xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min())]


def official_mask(shapes: list[dict[str, Any]], size: tuple[int, int]) -> Any:
    """1 for targets, 255 for what is to be ignored, 0 elsewhere."""
    used = [shape for shape in shapes if shape["label"].lower() != "flag"]
    blank = np.zeros(size[::-1], dtype=np.uint8)
    areas = [opencv_paint(blank.copy(), shape["points"], 1).sum() for shape in used]
    mask = blank.copy()
    for i in np.argsort(areas)[::-1]:
        opencv_paint(mask, used[i]["points"], 255 if "ignore" in used[i]["label"].lower() else 1)
    return mask


def opencv_paint(mask: Any, points: Any, value: int) -> Any:
    cv2 = pytest.importorskip("cv2")
    whole = np.array([points], dtype=np.float64).astype(np.int32)
    cv2.polylines(mask, whole, True, value, 1)
    cv2.fillPoly(mask, whole, value)
    return mask


@pytest.mark.parametrize("seed", range(60))
def test_box_is_that_of_the_official_mask(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [
        polygon(label, (rng.random(2) * 20 + rng.random((int(rng.integers(1, 9)), 2)) * 20).tolist())
        for label in ["target", "target", "ignore", "flag"][: int(rng.integers(1, 5))]
    ]
    assert boxes(tmp_path, *shapes) == official_box(shapes, SIZE)


def test_real_annotations(tmp_path: Path, shared_data: Path) -> None:
    root = shared_data / "reasonseg"
    plan = builder.plan(root)
    assert (len(plan.train), len(plan.test)) == (3, 3)
    assert plan.shortfalls == [
        "train has 3 annotations, the official one 239",
        "val has 3 annotations, the official one 200",
    ]
    for row in plan.rows:
        assert isinstance(row.image, Path)
        assert isinstance(row.annotation, Boxes)
        content = json.loads(row.image.with_suffix(".json").read_bytes().decode())
        with Image.open(row.image) as image:
            expected = official_box(content["shapes"], image.size)
        assert list(row.annotation.xywh) == expected
        assert row.question == content["text"][0]
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert manifest.options == {"targets": "union"}
    assert check_dataset(tmp_path / "out") == []


def test_official_val_is_test_and_shots_are_counted_in_all(tmp_path: Path) -> None:
    plan = builder.plan(source(tmp_path / "ReasonSeg"))
    assert {row.id for row in plan.test} == {"lisa/val/val0", "lisa/val/val1", "lisa/val/val2"}
    assert plan.train[0].question == "What can be eaten?"  # the first of the texts
    write_dataset(plan, tmp_path / "out", allow_partial=True)
    dataset = open_dataset(tmp_path / "out")
    assert [len(dataset.golds("train", config)) for config in ("4-shot", "16-shot")] == [4, 6]
    assert builder.plan(tmp_path).train == plan.train


def test_split_makes_a_row_of_each_target(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    lisa_sample(root / "val", "val0", TWO, seed=77)
    plan = builder.plan(root, targets="split")
    assert [row.id for row in plan.test][:3] == ["lisa/val/val0/1", "lisa/val/val0/2", "lisa/val/val1/1"]
    write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert check_dataset(tmp_path / "out") == []
    with pytest.raises(ConfigError, match="union, largest, first, split"):
        builder.plan(root, targets="all")  # type: ignore[arg-type]


def test_row_without_target_is_dropped_and_listed(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    lisa_sample(root / "val", "val1", [rectangle("ignore", 1, 1, 9, 9)])
    lisa_sample(root / "val", "val2", [])
    plan = builder.plan(root)
    assert plan.drops[NO_TARGET] == ["val/val1", "val/val2"]
    assert [row.id for row in plan.test] == ["lisa/val/val0"]


def test_missing_image_is_a_listed_shortfall(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    (root / "train" / "train3.jpg").unlink()
    plan = builder.plan(root)
    assert plan.drops[NO_IMAGE] == ["train3.jpg"]
    assert "1 images are missing, e.g. train3.jpg" in plan.shortfalls


@pytest.mark.parametrize(
    ("data", "question"),
    [
        ("What’s “round”?".encode("cp1252"), "What’s “round”?"),
        ("What’s “round”?".encode(), "What’s “round”?"),
        ("\ufeff".encode() + b"What?", "What?"),
    ],
    ids=["cp1252", "utf-8", "utf-8 with mark"],
)
def test_text_is_read_in_either_encoding(tmp_path: Path, data: bytes, question: str) -> None:
    mark = data[:3] if data.startswith(b"\xef\xbb\xbf") else b""
    shape = json.dumps(rectangle("target", 1, 1, 5, 5)).encode()
    path = tmp_path / "x.json"
    path.write_bytes(mark + b'{"text": ["' + data[len(mark) :] + b'"], "shapes": [' + shape + b"]}")
    assert read_annotation(path)[0] == question


def test_mask_is_drawn_in_the_image_as_shown(tmp_path: Path) -> None:
    """The official code reads images with OpenCV, which turns them as EXIF says."""
    root = source(tmp_path / "ReasonSeg")
    exif = Image.Exif()
    exif[0x0112] = 6
    lisa_sample(root / "val", "val0", [rectangle("target", 2, 45, 9, 55)])
    (root / "val" / "val0.jpg").write_bytes(photo(5, (60, 40), exif=exif))
    row = builder.plan(root).test[0]
    assert row.annotation == Boxes(((2, 45, 8, 11),))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not a ReasonSeg annotation"),
        ("[]", "not a ReasonSeg annotation"),
        ('{"shapes": []}', "text"),
        ('{"text": [], "shapes": []}', "not a ReasonSeg annotation"),
        ('{"text": ["  "], "shapes": []}', "first text is empty"),
        ('{"text": ["a"]}', "shapes"),
        ('{"text": ["a"], "shapes": [{"label": "target", "points": []}]}', "without points"),
        ('{"text": ["a"], "shapes": [{"label": "target", "points": [[1]]}]}', "not a ReasonSeg annotation"),
        ('{"text": ["a"], "shapes": [{"label": "target", "points": [[NaN, 1]]}]}', "not finite"),
        ('{"text": ["a"], "shapes": [{"label": "target", "points": [[1, 1e400]]}]}', "not finite"),
        ("[" * 100_000, "not a ReasonSeg annotation"),
    ],
)
def test_bad_annotation_is_an_error_that_names_the_file(tmp_path: Path, text: str, problem: str) -> None:
    root = source(tmp_path / "ReasonSeg")
    (root / "train" / "train2.json").write_text(text)
    with pytest.raises(DataError, match=rf"train2\.json.*{problem}"):
        builder.plan(root)


def test_bad_image_and_wrong_layout_are_errors(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    (root / "val" / "val1.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"val1\.jpg: not an image"):
        builder.plan(root)
    with pytest.raises(DataError, match=r"train holds no \*\.json"):
        builder.plan(tmp_path / "elsewhere")


def test_outlines_are_of_the_same_rows_and_shots_as_boxes(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    ids = {}
    for kind in ("boxes", "polygons"):
        write_dataset(builder.plan(root, kind=kind), tmp_path / kind, allow_partial=True)
        assert check_dataset(tmp_path / kind) == []
        dataset = open_dataset(tmp_path / kind)
        ids[kind] = [
            [gold.id for gold in dataset.golds(*of)] for of in (("train", "4-shot"), ("test", "full"))
        ]
    assert ids["boxes"] == ids["polygons"]
    assert dataset.spec.name == "lisa_polygons" and dataset.manifest.options["tolerance_px"] == "1"
    ranks = {row["id"]: row["shot_rank"] for row in dataset.rows("train", columns=["id", "shot_rank"])}
    write_copy(dataset, tmp_path / "copy", Change())
    copied = open_dataset(tmp_path / "copy").rows("train", columns=["id", "shot_rank"])
    assert {row["id"]: row["shot_rank"] for row in copied} == ranks
    (note,) = (text for text in dataset.manifest.differences if "simplified" in text)
    assert "IoU with the official masks 1.0000 on average" in note  # rectangles lose nothing


@pytest.mark.parametrize("targets", builder.TARGETS)
def test_outlines_go_around_the_boxes_targets(tmp_path: Path, targets: builder.Targets) -> None:
    root = source(tmp_path / "ReasonSeg")
    lisa_sample(root / "val", "val0", TWO, seed=77)
    boxes_plan, outlined = (builder.plan(root, targets=targets, kind=kind) for kind in ("boxes", "polygons"))
    assert [row.id for row in outlined.rows] == [row.id for row in boxes_plan.rows]
    for row, other in zip(boxes_plan.rows, outlined.rows, strict=True):
        assert isinstance(row.annotation, Boxes) and isinstance(other.annotation, Polygons)
        if targets != "union":
            assert other.annotation == Polygons(tuple(map(corners, row.annotation.xywh)))
    if targets == "union":
        outlines = {corners((1, 1, 5, 5)), corners((10, 10, 21, 11))}
        assert set(outlined.test[0].annotation.outlines) == outlines  # type: ignore[attr-defined]


def test_an_ignored_region_is_a_hole_of_the_outline(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    shapes = rectangle("target", 0, 0, 29, 29), rectangle("ignore", 10, 10, 19, 19)
    lisa_sample(root / "val", "val0", shapes)
    annotation = builder.plan(root, kind="polygons").test[0].annotation
    assert isinstance(annotation, Polygons)
    assert len(annotation.outlines) == 1 and areas_of(annotation, None).union == 800
    assert annotation.ignored == (corners((10, 10, 10, 10)),)
    inside = Polygons((corners((0, 0, 30, 30)),))
    assert union_iou(annotation, inside) == 1.0  # as the official evaluation has it


def test_outlines_of_real_masks_lose_little(shared_data: Path) -> None:
    for tolerance_px, least in ((0.0, 1.0), (0.5, 0.98), (1.0, 0.95)):
        plan = builder.plan(shared_data / "reasonseg", kind="polygons", tolerance_px=tolerance_px)
        for row in plan.rows:
            assert isinstance(row.image, Path) and isinstance(row.annotation, Polygons)
            content = json.loads(row.image.with_suffix(".json").read_bytes().decode())
            with Image.open(row.image) as image:
                official = official_mask(content["shapes"], image.size) == 1
            assert mask_iou(row.annotation, official) >= least


def mask_iou(annotation: Polygons, official: Any) -> float:
    drawn = np.zeros(official.shape, dtype=bool)
    for outline in annotation.outlines:
        (filled,) = coco.frPyObjects([[side for point in outline for side in point]], *official.shape)
        drawn |= coco.decode(filled).astype(bool)
    return float((drawn & official).sum() / (drawn | official).sum())


def test_the_command_prints_the_loss(tmp_path: Path) -> None:
    root = source(tmp_path / "ReasonSeg")
    lisa_sample(root / "val", "val0", [polygon("target", [(5, 5), (50, 9), (30, 35)])])
    options = ["build", "lisa", "--source", str(root), "--allow-partial", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*options, "--kind", "polygons", "--tolerance-px", "2"])
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "outlines are simplified to 2 px" in text and "at the least (lisa/val/val0)" in text
    assert builder_polygons.plan(root).train == builder.plan(root, kind="polygons").train


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "distribution"}, "boxes, polygons"),
        ({"kind": "polygons", "tolerance_px": -1.0}, "0 or more"),
    ],
)
def test_options_that_make_no_outline(tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        builder.plan(tmp_path, **options)
