"""What is wrong in a file of another tool's format is named by file and place, by `build` and by `detect`."""

import json
from pathlib import Path
from typing import Any

import pytest

from rise_bench.builders import custom as builder
from rise_bench.builders.formats.detect import detect
from rise_bench.errors import DataError

from ..support import made_formats as made


def studio(*tasks: dict[str, Any]) -> dict[str, str]:
    return {"export.json": json.dumps(list(tasks))}


def cvat(shapes: str, **changes: str) -> dict[str, str]:
    image = made.cvat_image(0, "0.jpg", shapes)
    for old, new in changes.items():
        image = image.replace(f'{old}="', f'{old}="{new}')
    return {"annotations.xml": made.cvat_xml(image)}


def voc(old: str, new: str) -> dict[str, str]:
    text = made.voc_xml("0.jpg", [("cup", 4, 6, 20, 10)])
    assert old in text
    return {"0.xml": text.replace(old, new)}


def region(**value: Any) -> list[dict[str, Any]]:
    box = made.studio_box(("cup", 4, 6, 20, 10))
    return [box | {"value": box["value"] | value}]


BOX = '<box label="cup" xtl="4" ytl="6" xbr="24" ybr="16"/>'
ROTATION = "<attribute><name>rotation</name><value>90.0</value></attribute>"
BOMB = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    # YOLO
    "no classes": (
        {"labels/0.txt": "0 .5 .5 .5 .5"},
        "no file names the classes; add data.yaml or classes.txt",
    ),
    "class out of range": (
        {"classes.txt": "cup", "0.txt": "1 .5 .5 .5 .5"},
        r"0\.txt line 1: unknown class 1; .* from 0 to 0",
    ),
    "class by name": ({"classes.txt": "cup", "0.txt": "cup .5 .5 .5 .5"}, "line 1: 'cup' is not a number"),
    "pixels": ({"classes.txt": "cup", "0.txt": "0 32 24 10 10"}, "line 1: 32 24 10 10 are not shares"),
    "outside": (
        {"classes.txt": "cup", "0.txt": "\n0 .9 .5 .5 .5"},
        "line 2: box .* leaves the image of 64 x 48 px by 9.6",
    ),
    "no area": ({"classes.txt": "cup", "0.txt": "0 .5 .5 0 .5"}, "line 1: the box has no area"),
    "NaN": ({"classes.txt": "cup", "0.txt": "0 nan .5 .5 .5"}, "line 1: 'nan' is not a number"),
    "a polygon": (
        {"classes.txt": "cup", "0.txt": "0 .1 .1 .2 .1 .2 .2"},
        "7 values .a polygon or key points",
    ),
    "a prediction": ({"classes.txt": "cup", "0.txt": "0 .5 .5 .5 .5 .9"}, "6 values .a prediction"),
    "no labels": ({"classes.txt": "cup"}, "none of 2 pictures has a text file of labels"),
    "labels of two pictures": (
        {"classes.txt": "cup", "0.txt": "0 .5 .5 .5 .5", "0.png": "no picture"},
        r"0\.png: its labels 0\.txt are those of 0\.jpg too",
    ),
    "picture missing": (
        {"classes.txt": "cup", "0.txt": "0 .5 .5 .5 .5", "7.txt": "0 .5 .5 .5 .5"},
        r"7\.txt: there is no picture called 7",
    ),
    "folder missing": (
        {"data.yaml": "names: [cup]\ntrain: images/x", "0.txt": ""},
        "data.yaml: images/x is missing",
    ),
    "names twice": ({"data.yaml": "names: [cup, cup]", "0.txt": ""}, "name of class 1 'cup' appears twice"),
    "names with a gap": (
        {"data.yaml": "names: {0: a, 2: b}", "0.txt": ""},
        "names is neither a list of classes",
    ),
    "no YAML": ({"data.yaml": "names: [a", "0.txt": ""}, "data.yaml is not YAML"),
    # Pascal VOC
    "unknown picture": (
        voc("0.jpg", "9.jpg") | {"9.xml": made.voc_xml("9.jpg", [])},
        r"9\.xml: .*9\.jpg is missing",
    ),
    "corner outside": (
        voc("<xmax>24<", "<xmax>90<"),
        r"0\.xml object 1 \(cup\): box .* leaves the image .* by 26 px",
    ),
    "corners swapped": (voc("<xmax>24<", "<xmax>2<"), r"object 1 \(cup\): the box has no area"),
    "no number": (voc("<xmax>24<", "<xmax>wide<"), "object 1 .cup.: xmax is 'wide'; write a number"),
    "no corner": (voc("<xmax>24</xmax>", ""), "xmax is None"),
    "no bndbox": (voc("bndbox", "polygon"), "it has no bndbox"),
    "CVAT's rotation": (
        voc("<bndbox>", f"<attributes>{ROTATION}</attributes><bndbox>"),
        r"object 1 \(cup\): the box is rotated \(rotation 90\.0\)",
    ),
    "an angle": (voc("<xmax>", "<angle>0.7</angle><xmax>"), r"is rotated \(angle 0\.7\)"),
    "no name": (voc("<name>cup</name>", ""), r"0\.xml object 1: it has no name"),
    "entities": (voc("<annotation>", BOMB + "<annotation>"), "0.xml declares a document type"),
    "not XML": (voc("</annotation>", ""), r"0\.xml is not XML"),
    # CVAT
    "CVAT entities": (
        {"annotations.xml": BOMB + "<annotations/>"},
        "annotations.xml declares a document type",
    ),
    "CVAT outside": (
        cvat(BOX.replace("24", "99")),
        r"image 0 \(0\.jpg\) shape 1 \(cup\): box .* leaves the image",
    ),
    "CVAT unknown class": (
        cvat(BOX.replace("cup", "mug")),
        r"shape 1 \(mug\): unknown class 'mug'; expected one of cup, jar",
    ),
    "CVAT picture": (cvat(BOX, name="9"), r"image 0 \(90\.jpg\): .*90\.jpg is missing"),
    "CVAT polygon": (
        cvat('<polygon label="cup" points="1,1;2,2;3,3"/>'),
        "shape 1 .cup.: it is a polygon; draw",
    ),
    "CVAT rotated": (cvat(BOX.replace("/>", ' rotation="30"/>')), "the box is rotated"),
    "CVAT video": ({"annotations.xml": "<annotations><track/></annotations>"}, "is of a video"),
    "CVAT boxes and tags": (cvat(BOX + '<tag label="cup"/>'), "has boxes and tags"),
    "CVAT two tags": (
        cvat('<tag label="cup"/><tag label="jar"/>'),
        r"image 0 .*2 tags \(cup, jar\); keep one",
    ),
    "CVAT subset": (
        {name: text.replace('"default"', '"Holdout"') for name, text in cvat(BOX).items()},
        r"image 0 \(0\.jpg\): subset 'Holdout' is neither train, test nor default",
    ),
    "CVAT subset of tags": (
        {name: text.replace('"default"', '"h"') for name, text in cvat('<tag label="cup"/>').items()},
        "subset 'h' is neither",
    ),
    "CVAT no box": (cvat(""), "none of 1 pictures has a box"),
    # Label Studio
    "Studio outside": (
        studio(made.studio_task(7, "0.jpg", region(x=90))),
        "task 7 region 1: box .* leaves the image",
    ),
    "Studio rotated": (
        studio(made.studio_task(7, "0.jpg", region(rotation=5))),
        "region 1: the box .* rotated",
    ),
    "Studio second picture": (
        studio(made.studio_task(7, "0.jpg", [*region(), region()[0] | {"to_name": "img2"}])),
        r"several pictures of a task \(image, img2\); make a task of each",
    ),
    "Studio second page": (
        studio(made.studio_task(7, "0.jpg", [region()[0] | {"item_index": 1}])),
        "several pictures of a task",
    ),
    "Studio two questions": (
        studio(
            made.studio_task(7, "0.jpg", made.studio_choice("cup")),
            made.studio_task(8, "1.jpg", [made.studio_choice("sharp")[0] | {"from_name": "quality"}]),
        ),
        r"choices of several controls \(c, quality\)",
    ),
    "Studio no class": (studio(made.studio_task(7, "0.jpg", region(rectanglelabels=[]))), "choose one class"),
    "Studio picture": (studio(made.studio_task(7, "9.jpg", region())), r"task 7: .*9\.jpg is missing"),
    "Studio NaN": ({"export.json": '[{"data": {"image": "0.jpg"}, "annotations": NaN}]'}, "is not JSON"),
    "Studio JSON-MIN": (
        {"export.json": '[{"id": 1, "image": "0.jpg", "data": 1}]'},
        "as in an export of JSON-MIN",
    ),
    "Studio two people": (
        studio(made.studio_task(7, "0.jpg", region(), region(x=1))),
        "task 7: it has 2 annotations; mark one as ground truth",
    ),
    "Studio polygon": (
        studio(made.studio_task(7, "0.jpg", [{"type": "polygonlabels", "value": {}}])),
        "region 1: it is of type polygonlabels; draw rectangles",
    ),
    "Studio two classes": (
        studio(made.studio_task(7, "0.jpg", made.studio_choice("cup", "jar"))),
        "it chooses 2 classes",
    ),
    "Studio both": (
        studio(made.studio_task(7, "0.jpg", region() + made.studio_choice("cup"))),
        "has regions and choices",
    ),
    "Studio picture twice": (
        studio(made.studio_task(7, "0.jpg", region()), made.studio_task(8, "0.jpg", region())),
        r"task 8: 0\.jpg was annotated in export\.json task 7 before",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_fault_is_named_by_build_and_by_detect(tmp_path: Path, fault: str) -> None:
    files, problem = REFUSED[fault]
    source = made.pictures(tmp_path / "source", ["0.jpg", "1.jpg"])
    for name, text in files.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    annotations = Path("labels") if "labels/0.txt" in files else None
    with pytest.raises(DataError, match=problem):
        builder.plan(source, name="mine", annotations=annotations)
    try:
        texts = detect(source, annotations).problems
    except DataError as error:
        texts = (str(error),)
    with pytest.raises(DataError, match=problem):
        raise DataError("\n".join(texts))


def test_detect_lists_every_wrong_line_of_every_file(tmp_path: Path) -> None:
    source = made.labelimg_yolo(tmp_path / "source")
    (source / "0.txt").write_text("5 .5 .5 .5 .5\n")
    (source / "2.txt").write_text("0 .5 .5 .5\n")
    found = detect(source)
    assert [text.split(":")[0] for text in found.problems] == ["0.txt line 1", "2.txt line 1"]
    assert (found.pictures, found.problem_count) == (4, 2)
