"""The kind of annotation that is a list of boxes."""

import json
import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from rise_bench.annotations.annotation_kind import AnnotationKind, Predictor
from rise_bench.annotations.average_precision import MAX_STATED, coco_outcomes
from rise_bench.annotations.base import Frame, Gold, SimilarityVariant
from rise_bench.annotations.boxes.label_quality import label_quality
from rise_bench.annotations.boxes.metrics import METRICS, match_samples
from rise_bench.annotations.boxes.parsing import MAX_BOXES, read_boxes
from rise_bench.annotations.boxes.planted_errors import planted_errors
from rise_bench.annotations.boxes.similarity import boxes_similarity, match_boxes
from rise_bench.annotations.boxes.trainer_forms import CornerForms
from rise_bench.annotations.boxes.values import TARGET, Box, Boxes, BoxUnit, as_number
from rise_bench.annotations.leak_rule import Secrets
from rise_bench.annotations.metric import RankedScore
from rise_bench.annotations.ranked import ranked_scores

#: How far a gold box may leave the image: annotation tools round to the nearest pixel.
EDGE_TOLERANCE_PX = 1.0

#: Class that few-shot sets count images without an object as.
NO_OBJECT = "(no object)"

_UNIT_FRAME = Frame(1, 1)
_NOTHING = " (an empty list: the image shows none; say what can be seen instead, and do not write the list)"


class BoxesKind(AnnotationKind[Boxes]):
    """Boxes around what a row asks for."""

    name = "boxes"
    metrics = METRICS
    columns = ("objects",)
    task_category = "object-detection"
    secret = "coordinates, sizes or any other number"
    fitted = ("mean_box",)
    prior = "mean_box"
    in_frame = True
    variants = ("paper", "upstream", "f1")
    audit_variant = "f1"
    trainer_forms = {"ap50": CornerForms()}  # noqa: RUF012
    limits = ("Extra boxes cost nothing in the similarity of eq. 6; see `precision_iou`.",)
    editor = "boxes"

    def parse(self, answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Boxes | None, str]:
        """Read boxes in the unit of the answer."""
        return read_boxes(answer, classes)

    def render(self, annotation: Boxes, digits: int | None = None) -> str:
        """Write whole numbers, sides at least 1, or decimals where they are asked for."""
        if digits:
            return json.dumps([[round(side, digits) for side in box] for box in annotation.xywh])
        whole = [[round(x), round(y), max(1, round(w)), max(1, round(h))] for x, y, w, h in annotation.xywh]
        return json.dumps(whole)

    def instructions(self, classes: Sequence[str], unit: BoxUnit, frame: Frame) -> str:
        """Ask for a JSON list in the unit."""
        scale = (
            "in thousandths of the image's width (x, w) and height (y, h), from 0 to 1000"
            if unit == "norm1000"
            else f"in pixels of the image, which is {frame.width:g} wide and {frame.height:g} high"
        )
        return (
            "Answer with a JSON list of boxes [[x, y, w, h], ...]: left, top, width and height of each box, "
            f"{scale}; [] if there is none."
        )

    def examples(self, classes: tuple[str, ...]) -> tuple[Boxes, ...]:
        """Return one box."""
        return (Boxes(((64.0, 48.0, 320.0, 240.0),)),)

    def explained(self, annotation: Boxes) -> str:
        """Say that an empty list means that there is none."""
        return "" if annotation.xywh else _NOTHING

    def describe(self, classes: Sequence[str]) -> str:
        """Say what the four numbers are."""
        return "boxes, [x, y, w, h] in pixels"

    def secrets(self, annotation: Boxes, category: str) -> Secrets:
        """Return any number, and the category under the strict rule.

        Without such an object they are any number and the empty list: that there is none may be said in
        words, which needs its name.
        """
        if annotation.xywh:
            return Secrets(classes=(category,) if category else ())
        return Secrets(texts=("[]", "empty list"))

    def problem(self, gold: Gold, classes: tuple[str, ...]) -> str:
        """Find too many boxes, and boxes that are empty, not finite or outside the image."""
        assert isinstance(gold.annotation, Boxes)
        if len(gold.annotation.xywh) > MAX_BOXES:
            return f"{len(gold.annotation.xywh)} boxes, and no more than {MAX_BOXES} are read of an answer"
        for box in gold.annotation.xywh:
            x, y, w, h = box
            if not all(map(math.isfinite, box)):
                return f"box {box} is not finite"
            if w <= 0 or h <= 0:
                return f"box {box} is empty (w and h must be above 0)"
            over = max(-x, -y, x + w - gold.width_px, y + h - gold.height_px)
            if over > EDGE_TOLERANCE_PX:
                size = f"{gold.width_px} x {gold.height_px} px"
                return f"box {box} leaves the image of {size} by {over:.3g} px"
        return ""

    def build_problem(self, gold: Gold) -> str:
        """Find more boxes than AP counts, shares in the place of pixels, and centres outside the image."""
        assert isinstance(gold.annotation, Boxes)
        if len(gold.annotation.xywh) > MAX_STATED:
            return f"{len(gold.annotation.xywh)} boxes, and AP looks at {MAX_STATED} of a class in an image"
        for box in gold.annotation.xywh:
            x, y, w, h = box
            if min(x, y) >= 0 and max(x + w, y + h) <= 1 < min(gold.width_px, gold.height_px) / 2:
                return f"box {box} lies in the first pixel; write pixels, not shares of the image"
            if not (0 <= x + w / 2 <= gold.width_px and 0 <= y + h / 2 <= gold.height_px):
                return (
                    f"box {box} has its centre outside the image of {gold.width_px} x {gold.height_px} px, "
                    "so that hardly a pixel of it can be seen"
                )
        return ""

    def is_empty(self, annotation: Boxes) -> bool:
        """Whether there is no box."""
        return not annotation.xywh

    def group(self, annotation: Boxes, category: str) -> str:
        """Return the category; all images without the object asked for are a class of their own."""
        return category if annotation.xywh else NO_OBJECT

    def features(self, classes: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
        """Return `objects`: boxes as float64 and their classes."""
        from datasets import ClassLabel, List, Value

        names = ClassLabel(names=list(categories) or [TARGET])
        return {"objects": {"bbox": List(List(Value("float64"), length=4)), "category": List(names)}}

    def to_columns(self, gold: Gold, categories: tuple[str, ...]) -> dict[str, Any]:
        """Return `objects`; all boxes of a row have its category."""
        assert isinstance(gold.annotation, Boxes)
        boxes = self.to_json(gold.annotation)
        label = categories.index(gold.category) if categories else 0
        return {"objects": {"bbox": boxes, "category": [label] * len(boxes)}}

    def from_columns(self, row: Mapping[str, Any], classes: tuple[str, ...]) -> Boxes:
        """Read `objects`."""
        return self.from_json(row["objects"]["bbox"], classes)

    def to_json(self, annotation: Boxes) -> list[Any]:
        """Return the boxes as lists of four numbers."""
        return [list(map(float, box)) for box in annotation.xywh]

    def from_json(self, values: Sequence[Any], classes: tuple[str, ...]) -> Boxes:
        """Read lists of four numbers."""
        sides = (tuple(map(as_number, (b[0], b[1], b[2], b[3]))) for b in values)
        return Boxes(tuple((x, y, w, h) for x, y, w, h in sides))

    def similarity(self, gold: Boxes, stated: Boxes, variant: SimilarityVariant = "paper") -> float:
        """Eq. 6."""
        return boxes_similarity(gold, stated, variant)

    def baselines(self, train: Sequence[Gold]) -> dict[str, Predictor]:
        """Return `whole_image`, `mean_box` (the mean training box, relative to the image), and `no_box`.

        `no_box` is there if a sample has no box.
        """
        relative: list[Box] = []
        empty = False
        for gold in train:
            assert isinstance(gold.annotation, Boxes)
            relative += gold.annotation.rescale(gold.frame_px, _UNIT_FRAME).xywh
            empty = empty or not gold.annotation.xywh
        x, y, w, h = np.array(relative).mean(axis=0).tolist() if relative else (0.0, 0.0, 1.0, 1.0)
        return {
            "whole_image": lambda gold: Boxes(((0.0, 0.0, float(gold.width_px), float(gold.height_px)),)),
            "mean_box": lambda gold: Boxes(((x, y, w, h),)).rescale(_UNIT_FRAME, gold.frame_px),
            **({"no_box": lambda _: Boxes(())} if empty else {}),
        }

    def rescale(self, annotation: Boxes, source: Frame, target: Frame) -> Boxes:
        """Scale the sides; no rounding, no clipping."""
        return annotation.rescale(source, target)

    def tidied(self, annotation: Boxes, frame: Frame) -> Boxes | None:
        """Clip boxes to the image; leave out what is outside, repeated, or more than AP counts."""
        clipped = (_clipped(box, frame) for box in annotation.xywh)
        inside = tuple(dict.fromkeys(box for box in clipped if box[2] > 0 and box[3] > 0))[:MAX_STATED]
        return None if annotation.xywh and not inside else Boxes(inside)

    def ranked_scores(
        self, golds: Sequence[Gold], stated: Sequence[Boxes | None], confidences: Sequence[Sequence[float]]
    ) -> dict[str, RankedScore]:
        """Return AP and F1 at IoU 0.5."""
        truth = [gold.annotation.xywh if isinstance(gold.annotation, Boxes) else () for gold in golds]
        boxes = [answer.xywh if answer else () for answer in stated]
        return ranked_scores(match_samples(golds, stated), coco_outcomes(truth, boxes, confidences))

    def planted_errors(self, gold: Gold, other: Gold, rng: Random) -> dict[str, Boxes]:
        """Drop, shift, add or swap a box."""
        assert isinstance(gold.annotation, Boxes)
        return planted_errors(gold.annotation, gold.frame_px, rng)

    def label_quality(self, given: Sequence[Boxes], answers: Sequence[Sequence[Boxes]]) -> list[float] | None:
        """Return ObjectLab's score."""
        return label_quality(given, answers)

    def coordinates(self, gold: Gold, stated: Boxes) -> tuple[float, ...]:
        """Return the first box, relative to the image."""
        if not stated.xywh:
            return ()
        x, y, w, h = (max(-1e6, min(side, 1e6)) for side in stated.xywh[0])
        return x / gold.width_px, y / gold.height_px, w / gold.width_px, h / gold.height_px

    def matches(self, gold: Boxes, stated: Boxes) -> tuple[tuple[int, int, float], ...]:
        """Match boxes one to one by IoU."""
        return tuple(match_boxes(gold, stated))

    def compare(self, gold: Boxes, stated: Boxes) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Put matched boxes beside each other, then the rest."""
        partners = {i: (j, iou) for i, j, iou in match_boxes(gold, stated)}
        rows = []
        for i, box in enumerate(gold.xywh):
            j, iou = partners.get(i, (-1, 0.0))
            rows.append((_sides(box), _sides(stated.xywh[j]) if i in partners else "none", f"{iou:.4f}"))
        matched = {j for j, _ in partners.values()}
        rows += [("none", _sides(box), "") for j, box in enumerate(stated.xywh) if j not in matched]
        return ("true", "stated", "IoU"), rows or [("none", "none", "")]

    def overlay(self, annotation: Boxes) -> tuple[Box, ...]:
        """Return the boxes."""
        return annotation.xywh


def _clipped(box: Box, frame: Frame) -> Box:
    x, y, w, h = box
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(x + w, frame.width) - left, min(y + h, frame.height) - top


def _sides(box: Box) -> str:
    return " ".join(f"{side:.1f}" for side in box)
