"""Boxes of six pictures in the formats of other tools, written as those tools document or write them."""

import json
from pathlib import Path
from typing import Any

from .made_sources import write_photo

SIZE = (64, 48)
#: Picture -> (class, x, y, width, height) in pixels; two pictures show nothing.
TRUTH: dict[str, list[tuple[str, int, int, int, int]]] = {
    "0.jpg": [("cup", 4, 6, 20, 10), ("cup", 30, 6, 10, 10)],
    "1.jpg": [("jar", 0, 0, 64, 48)],
    "2.jpg": [("cup", 8, 8, 16, 16), ("jar", 40, 20, 20, 20)],
    "3.jpg": [],
    "4.jpg": [("jar", 10, 10, 30, 30)],
    "5.jpg": [],
}
CLASSES = ["cup", "jar"]


def pictures(folder: Path, names: list[str] | None = None) -> Path:
    """Write the pictures."""
    for number, name in enumerate(names or TRUTH):
        write_photo(folder / name, number, SIZE)
    return folder


def yolo_text(boxes: list[tuple[str, int, int, int, int]]) -> str:
    """Return the lines of a label file."""
    width, height = SIZE
    return "".join(
        f"{CLASSES.index(c)} {(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} "
        f"{w / width:.6f} {h / height:.6f}\n"
        for c, x, y, w, h in boxes
    )


def yolo(folder: Path) -> Path:
    """Ultralytics: `images/train`, `images/val`, the same below `labels`, `data.yaml`; no file for 5.jpg."""
    for number, (name, boxes) in enumerate(TRUTH.items()):
        split = "val" if number % 3 == 0 else "train"
        write_photo(folder / "images" / split / name, number, SIZE)
        labels = folder / "labels" / split / f"{Path(name).stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        if name != "5.jpg":
            labels.write_text(yolo_text(boxes))
    names = "names:\n  0: cup\n  1: jar\n"
    (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\n{names}")
    return folder


def roboflow(folder: Path) -> Path:
    """Roboflow: `train/images`, `train/labels`, `valid/…`; paths of `data.yaml` begin with `..`."""
    for number, (name, boxes) in enumerate(TRUTH.items()):
        split = folder / ("valid" if number % 3 == 0 else "train")
        write_photo(split / "images" / name, number, SIZE)
        (split / "labels").mkdir(exist_ok=True)
        (split / "labels" / f"{Path(name).stem}.txt").write_text(yolo_text(boxes))
    text = "train: ../train/images\nval: ../valid/images\ntest: null\nnc: 2\nnames: ['cup', 'jar']\n"
    (folder / "data.yaml").write_text(text)
    return folder


def labelimg_yolo(folder: Path) -> Path:
    """LabelImg: text files beside the pictures, `classes.txt`."""
    pictures(folder)
    for name, boxes in TRUTH.items():
        (folder / f"{Path(name).stem}.txt").write_text(yolo_text(boxes))
    (folder / "classes.txt").write_text("cup\njar\n")
    return folder


def voc_xml(name: str, boxes: list[tuple[str, int, int, int, int]]) -> str:
    """Return the XML of a picture; corners count from 1, the last pixel is inside."""
    objects = "".join(
        f"<object><name>{c}</name><difficult>0</difficult><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
        f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
        for c, x, y, w, h in boxes
    )
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
    return f"<annotation><folder>x</folder><filename>{name}</filename>{size}{objects}</annotation>"


def voc(folder: Path) -> Path:
    """The official layout; 0 and 3 are in val, 5 is in no list."""
    pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for name, boxes in TRUTH.items():
        (folder / "Annotations" / f"{Path(name).stem}.xml").write_text(voc_xml(name, boxes))
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("1\n2\n4\n")
    (lists / "val.txt").write_text("0\n3\n")
    return folder


def cvat_xml(images: str) -> str:
    """Return an export of a task."""
    labels = "".join(f"<label><name>{name}</name><attributes/></label>" for name in CLASSES)
    meta = f"<meta><task><id>1</id><labels>{labels}</labels></task></meta>"
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f"{head}<annotations><version>1.1</version>{meta}{images}</annotations>"


def cvat_image(number: int, name: str, shapes: str) -> str:
    """Return an image of the export."""
    size = f'width="{SIZE[0]}" height="{SIZE[1]}"'
    return f'<image id="{number}" name="{name}" subset="default" {size}>{shapes}</image>'


def cvat(folder: Path) -> Path:
    """CVAT for images 1.1: `annotations.xml`, pictures in `images/`."""
    pictures(folder / "images")
    images = "".join(
        cvat_image(
            number,
            name,
            "".join(
                f'<box label="{c}" source="manual" occluded="0" xtl="{x:.2f}" ytl="{y:.2f}" '
                f'xbr="{x + w:.2f}" ybr="{y + h:.2f}" z_order="0"></box>'
                for c, x, y, w, h in boxes
            ),
        )
        for number, (name, boxes) in enumerate(TRUTH.items())
    )
    (folder / "annotations.xml").write_text(cvat_xml(images))
    return folder


def studio_box(box: tuple[str, int, int, int, int]) -> dict[str, Any]:
    """Return a region, in per cent."""
    c, x, y, w, h = box
    value = {"x": x / 0.64, "y": y / 0.48, "width": w / 0.64, "height": h / 0.48, "rotation": 0}
    return {
        "id": f"{x}-{y}",
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": SIZE[0],
        "original_height": SIZE[1],
        "image_rotation": 0,
        "value": {**value, "rectanglelabels": [c]},
    }


def studio_task(number: int, name: str, *results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a task with an annotation for each list of results."""
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/0123abcd-{name}"},
        "annotations": [{"id": 1, "was_cancelled": False, "result": result} for result in results],
        "predictions": [],
    }


def studio_choice(*names: str) -> list[dict[str, Any]]:
    """Return the result of choosing classes."""
    return [{"from_name": "c", "to_name": "image", "type": "choices", "value": {"choices": list(names)}}]


def label_studio(folder: Path) -> Path:
    """An export of JSON; the pictures keep the names that they were uploaded with."""
    pictures(folder)
    tasks = [
        studio_task(number, name, [studio_box(box) for box in boxes])
        for number, (name, boxes) in enumerate(TRUTH.items())
    ]
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder
