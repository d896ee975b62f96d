"""Each format is opened by the library that owns it, and says there what was answered."""

import contextlib
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.builders import custom
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.annotate.annotate import annotate
from rise_bench.curation.annotate.job import formats_of
from rise_bench.errors import ConfigError

from ...support.scripted_model import ScriptedModel
from .conftest import think

CATEGORIES = ("cat", 'dog "&<b>')
MOODS = BenchmarkSpec("moods_here", "distribution", "jsd", "How does it feel?", ("calm", 'very "tense"'))


def boxes_answer(prompt, number):
    """A dog nowhere; a cat in each sample but one that cannot be read, and something else in the first."""
    if "dog" in prompt.text:
        return think("[]", "No dog is there.")
    if number == 2:
        return "no idea"
    extra = ", [600, 600, 300, 300]" if number == 0 else ""
    return think(f"[[100, 100, 500, 500]{extra}]", "Ears and a tail.")


@pytest.fixture
def boxes(make_job) -> Path:
    job = make_job(ScriptedModel(boxes_answer), categories=CATEGORIES, samples=4)
    annotate(job)
    return job.out


@pytest.fixture
def shares(make_job) -> Path:
    answer = json.dumps({"calm": 0.25, 'very "tense"': 0.75})
    model = ScriptedModel(lambda prompt, number: think(answer, "Grey, and sharp edges."))
    job = make_job(model, spec=MOODS, categories=(), samples=2)
    job = replace(job, formats=formats_of(job.run, ""))
    annotate(job)
    return job.out


def test_coco_is_loaded_by_pycocotools_and_evaluates_itself(boxes):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(boxes / "coco.json"))
        results = coco.loadRes(coco.dataset["annotations"])
        evaluation = COCOeval(coco, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(CATEGORIES)
    assert [image["file_name"] for image in coco.dataset["images"]] == ["a.png", "b.png", "sub/c.png"]
    first = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [(a["bbox"], a["score"]) for a in first] == [([10, 5, 50, 25], 0.75)]
    assert first[0]["attributes"] == {"reason": "Ears and a tail."}


def test_coco_is_loaded_by_supervision(boxes, pictures, supervision):
    dataset = supervision.DetectionDataset.from_coco(str(pictures), str(boxes / "coco.json"))
    assert dataset.classes == list(CATEGORIES) and len(dataset) == 3
    for path, image, detections in dataset:
        assert image.shape == (50, 100, 3) and Path(path).is_relative_to(pictures)
        assert detections.xyxy.tolist() == [[10, 5, 60, 30]] and detections.class_id.tolist() == [0]


def test_yolo_is_loaded_by_supervision_and_by_the_rule_of_ultralytics(boxes, pictures, supervision):
    folder = boxes / "yolo"
    dataset = supervision.DetectionDataset.from_yolo(
        str(pictures), str(folder / "labels"), str(folder / "data.yaml")
    )
    assert dataset.classes == list(CATEGORIES)
    found = {Path(path).name: detections for path, _, detections in dataset}
    assert np.allclose(found["a.png"].xyxy, [[10, 5, 60, 30]]) and found["a.png"].class_id.tolist() == [0]
    data = yaml.safe_load((folder / "data.yaml").read_text())
    assert data == {"train": "train.txt", "val": "train.txt", "nc": 2, "names": list(CATEGORIES)}
    # a line that begins with ./ is below the folder of the list; links are not followed (BaseDataset)
    listed = (folder / data["train"]).read_text().splitlines()
    found = [line.replace("./", f"{folder.resolve()}/", 1) for line in listed]
    assert len(found) == 3 and all(Path(path).is_file() for path in found)
    labels = ["/labels/".join(path.rsplit("/images/", 1)) for path in found]  # img2label_paths
    assert all(Path(path).with_suffix(".txt").exists() for path in labels)


def test_label_studio_boxes_are_percent_and_sorted_by_confidence(boxes):
    tasks = check_tasks(boxes, {"box": "rectanglelabels", "reason": "textarea"})
    (prediction,) = tasks[0]["predictions"]
    box, reason = prediction["result"]
    assert box["value"] == {
        "x": 10,
        "y": 10,
        "width": 50,
        "height": 50,
        "rotation": 0,
        "rectanglelabels": ["cat"],
    }
    assert (box["original_width"], box["original_height"], box["score"]) == (100, 50, 0.75)
    assert reason["value"] == {"text": ["cat: Ears and a tail.", f"{CATEGORIES[1]}: No dog is there."]}
    confidences = [line["confidence"] for line in json_lines(boxes) if line["path"] == "a.png"]
    assert prediction["score"] == min(confidences) < 1


def test_label_studio_choices_are_the_class_with_the_largest_share(shares):
    tasks = check_tasks(shares, {"label": "choices", "reason": "textarea"})
    assert [t["predictions"][0]["result"][0]["value"] for t in tasks] == [{"choices": ['very "tense"']}] * 3


@pytest.mark.parametrize("kind", ["boxes", "shares"])
def test_label_studios_own_library_takes_config_and_predictions(kind, request):
    interfaces = pytest.importorskip("label_studio_sdk.label_interface")
    folder = request.getfixturevalue(kind)
    project = interfaces.LabelInterface((folder / "label-studio.xml").read_text())
    project.validate()
    for task in json.loads((folder / "label-studio.json").read_text()):
        assert project.validate_task({"data": task["data"]})
        (prediction,) = task["predictions"]
        assert project.validate_prediction(prediction, return_errors=True) == []
        value = interfaces.objects.PredictionValue(**prediction)
        assert value.score == prediction["score"]


def check_tasks(folder, types):
    """Check tasks against their labelling config, as the documents of Label Studio say what fits."""
    config = ElementTree.parse(folder / "label-studio.xml").getroot()
    controls = {tag.get("name"): tag for tag in config if tag.get("toName")}
    assert {name: tag.tag.lower() for name, tag in controls.items()} == types
    assert config.find("Image").attrib == {"name": "image", "value": "$image"}
    tasks = json.loads((folder / "label-studio.json").read_text(encoding="utf-8"))
    for task in tasks:
        assert task["data"]["image"] == f"/data/local-files/?d={task['data']['path']}"
        for result in task["predictions"][0]["result"]:
            control = controls[result["from_name"]]
            assert (result["to_name"], result["type"]) == ("image", types[result["from_name"]])
            assert set(result["value"].get(result["type"], [])) <= {part.get("value") for part in control}
    return tasks


def json_lines(folder):
    return [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]


def rows_of(folder):
    with (folder / "annotations.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_of_boxes_has_a_row_for_each_box_and_for_nothing_there(boxes):
    cat, dog, *_ = rows_of(boxes)
    assert (cat["file"], cat["class"], cat["x"], cat["width"]) == ("a.png", "cat", "10.0", "50.0")
    assert cat["box_confidence"] == "0.75" and cat["reason"] == "Ears and a tail."
    assert (dog["class"], dog["x"], dog["confidence"]) == (CATEGORIES[1], "", "1.0")


@pytest.mark.parametrize("kind", ["boxes", "shares"])
def test_csv_is_what_build_custom_reads(kind, pictures, request):
    file = request.getfixturevalue(kind) / "annotations.csv"
    classes = CATEGORIES if kind == "boxes" else ()
    empty = kind == "boxes"
    plan = custom.plan(pictures, name="mine", annotations=file, classes=classes, keep_empty=empty)
    built = {(row.image.name, row.category): row.annotation for row in plan.rows}
    if kind == "boxes":
        cat, dog = Boxes(((10.0, 5.0, 50.0, 25.0),)), Boxes(())
        assert built["a.png", "cat"] == cat and built["c.png", CATEGORIES[1]] == dog and len(built) == 6
    else:
        assert [annotation.probs for annotation in built.values()] == [(0.25, 0.75)] * 3


def test_json_lines_of_shares_name_the_classes(shares):
    line = json_lines(shares)[0]
    assert line["shares"] == {"calm": 0.25, 'very "tense"': 0.75} and line["label"] == 'very "tense"'
    assert (line["annotation"], line["width_px"], line["confidence"]) == ([0.25, 0.75], 100, 1.0)


def test_formats_that_cannot_hold_the_annotations_are_refused(make_job):
    run = make_job(None, spec=MOODS, categories=()).run
    assert formats_of(run, "") == ("label-studio", "csv", "jsonl")
    assert formats_of(make_job(None).run, " coco,yolo , coco") == ("coco", "yolo")
    for names, message in (("coco", "coco holds boxes, and moods_here has"), ("voc", "no format 'voc'")):
        with pytest.raises(ConfigError, match=message):
            formats_of(run, names)


def test_boxes_lie_on_the_picture_as_it_is_shown(make_job, pictures):
    """A photo that EXIF turns has its sides swapped in every format."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in pictures.rglob("*.png"):
        path.unlink()
    Image.new("RGB", (100, 50)).save(pictures / "turned.jpg", exif=exif)
    job = make_job(ScriptedModel(lambda prompt, number: think("[[0, 500, 1000, 500]]")))
    annotate(job)
    data = json.loads((job.out / "coco.json").read_text())
    assert (data["images"][0]["width"], data["images"][0]["height"]) == (50, 100)
    assert data["annotations"][0]["bbox"] == [0, 50, 50, 50]
    assert json_lines(job.out)[0]["annotation"] == [[0.0, 50.0, 50.0, 50.0]]
