"""Outlines in each format, opened by the library that owns it, and drawn wherever annotations are shown."""

import contextlib
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.polygons.values import Polygons, corners
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.rollout_log import Rollout
from rise_bench.curation.annotate.annotate import annotate
from rise_bench.curation.annotate.cvat import CvatFunction
from rise_bench.curation.annotate.formats.label_studio import UnusableError, annotation_of, results_of
from rise_bench.curation.annotate.job import formats_of
from rise_bench.curation.annotate.records import AnnotatedPicture, Answer, Picture
from rise_bench.curation.audit.page import _card as audit_card
from rise_bench.curation.queue import ReviewItem
from rise_bench.curation.review.views import _annotation
from rise_bench.leaderboards.web.data import _drawing
from rise_bench.rendering.render import render
from rise_bench.reports.rollout_cards import _card

from ...support.scripted_model import ScriptedModel
from .conftest import think

REGIONS = BenchmarkSpec("regions", "polygons", "giou", "Outline every {category}.")
CATEGORIES = ("cat", 'dog "&<b>')
TRIANGLE = ((10.0, 5.0), (60.0, 5.0), (10.0, 30.0))


def answer(prompt, number):
    """A cat as a triangle, in the second sample with another region; no dog."""
    if "dog" in prompt.text:
        return think("[]", "No dog is there.")
    extra = ", [[900, 900], [1000, 900], [1000, 1000]]" if number == 1 else ""
    return think(f"[[[100, 100], [600, 100], [100, 600]]{extra}]", "Ears and a tail.")


@pytest.fixture
def job(make_job):
    made = make_job(ScriptedModel(answer), spec=REGIONS, categories=CATEGORIES, samples=2)
    return replace(made, formats=formats_of(made.run, ""))


@pytest.fixture
def folder(job) -> Path:
    annotate(job)
    return job.out


def test_coco_holds_outlines_as_segmentation(folder):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    written = json.loads((folder / "coco.json").read_text())["annotations"][0]
    assert written["segmentation"] == [[side for point in TRIANGLE for side in point]]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "coco.json"))
        results = COCO(str(folder / "coco.json"))
        evaluation = COCOeval(coco, results, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)
    first = coco.loadAnns(coco.getAnnIds(imgIds=[1]))[0]
    assert (first["bbox"], first["area"], first["score"]) == ([10, 5, 50, 25], 625, 1.0)
    assert coco.annToMask(first).sum() == pytest.approx(625, rel=0.05)


def test_yolo_holds_outlines_as_shares(folder, pictures, supervision):
    names = str(pictures), str(folder / "yolo" / "labels"), str(folder / "yolo" / "data.yaml")
    dataset = supervision.DetectionDataset.from_yolo(*names, force_masks=True)
    detections = {Path(path).name: of for path, _, of in dataset}["a.png"]
    assert np.allclose(detections.xyxy, [[10, 5, 60, 30]], atol=1)
    assert detections.mask[0].sum() == pytest.approx(625, rel=0.15)


def test_csv_has_the_outline_beside_its_box(folder):
    with (folder / "annotations.csv").open(encoding="utf-8", newline="") as file:
        cat, dog, *_ = csv.DictReader(file)
    assert json.loads(cat["outline"]) == [list(point) for point in TRIANGLE] and cat["width"] == "50.0"
    assert (dog["class"], dog["outline"], dog["x"]) == (CATEGORIES[1], "", "")


def test_label_studio_gets_polygons_in_percent_and_gives_them_back(folder, job):
    control = ElementTree.parse(folder / "label-studio.xml").getroot().find("PolygonLabels")
    assert [part.get("value") for part in control] == list(CATEGORIES)
    task = json.loads((folder / "label-studio.json").read_text())[0]
    outline = task["predictions"][0]["result"][0]
    assert (outline["type"], outline["from_name"]) == ("polygonlabels", control.get("name"))
    assert outline["value"]["points"] == [[10, 10], [60, 10], [10, 60]]
    assert outline["value"]["polygonlabels"] == ["cat"] and outline["value"]["closed"]
    stated = Answer("cat", Polygons((TRIANGLE, corners((70.0, 10.0, 20.0, 30.0)))), parts=(1.0, 0.5))
    results = results_of(job.run, AnnotatedPicture(Picture("a.png", "", 100, 50), (stated,)))
    back = annotation_of(job.run, results, 100, 50, "cat")
    for outline, given in zip(back.outlines, stated.annotation.outlines, strict=True):
        assert np.allclose(outline, given)
    with pytest.raises(UnusableError, match=rf"labelled cat, and {CATEGORIES[1]} was asked for"):
        annotation_of(job.run, results, 100, 50, CATEGORIES[1])
    with pytest.raises(UnusableError, match="the picture was turned"):
        annotation_of(job.run, [result | {"image_rotation": 90} for result in results], 100, 50, "cat")


def test_a_region_has_the_confidence_of_its_own(folder):
    lines = [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]
    cats = [line for line in lines if line["category"] == "cat"]
    assert {tuple(line["parts"]) for line in cats} == {(1.0,)}
    assert [line["confidence"] for line in cats] == pytest.approx([2 / 3] * 3)  # one region of two


def test_cvat_gets_polygons(job):
    function = CvatFunction(job)
    assert [label.type for label in function.spec.labels] == ["polygon", "polygon"]
    context = SimpleNamespace(frame_name="a.png", conf_threshold=None, conv_mask_to_poly=False)
    (shape,) = function.detect(context, Image.new("L", (100, 50)))
    assert (shape.type.value, shape.points) == ("polygon", [side for point in TRIANGLE for side in point])


GOLD = Gold("a", Polygons((TRIANGLE, corners((70, 10, 20, 30)))), 100, 50, "", "What is <b>round</b>?")


def test_a_report_draws_outlines():
    text = "<answer>[[[100, 100], [600, 100], [100, 600]]]</answer>"
    rollout = Rollout("a", step=1, group=0, reward=0.5, cot="It is round.", reconstruction=text)
    card = _card(rollout, GOLD, AnswerFormat(), ()) | {"title": "a", "picture": "data:,"}
    html = str(render("rollout_cards.html.j2", cards=[card]))
    assert html.count('<polygon points="10.0,5.0 60.0,5.0 10.0,30.0"/>') == 2  # truth, and what is stated
    assert html.count("<polygon") == 3 and "<b>round" not in html


def test_an_audit_draws_outlines():
    item = ReviewItem("a", 100, 50, given=GOLD.annotation, suggested=Polygons((TRIANGLE,)))
    card = audit_card(item, 1, "") | {"picture": "data:,"}
    html = str(render("audit.html.j2", title="Audit", facts={}, headings=(), measured=(), cards=[card]))
    assert html.count('<polygon points="10.0,5.0 60.0,5.0 10.0,30.0"/>') == 2 and html.count("<polygon") == 3


def test_the_board_and_the_review_page_are_given_outlines():
    points = [[list(map(float, point)) for point in outline] for outline in GOLD.annotation.outlines]
    assert _drawing(GOLD.annotation) == {"outlines": points}
    shown = _annotation(GOLD.annotation)
    assert json.loads(json.dumps(shown["outlines"])) == shown["values"] == points
