"""The kind of annotation that is a list of closed outlines."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random
from typing import Any

from rise_bench.annotations.annotation_kind import AnnotationKind, Predictor
from rise_bench.annotations.average_precision import MAX_STATED
from rise_bench.annotations.base import Frame, Gold, Outline, SimilarityVariant
from rise_bench.annotations.boxes.kind import EDGE_TOLERANCE_PX, BoxesKind
from rise_bench.annotations.boxes.values import TARGET, Box, Boxes, BoxUnit, as_number
from rise_bench.annotations.leak_rule import Secrets
from rise_bench.annotations.metric import RankedScore
from rise_bench.annotations.polygons.masks import covers
from rise_bench.annotations.polygons.metrics import METRICS, match_samples, outcomes
from rise_bench.annotations.polygons.parsing import MAX_POINTS, read_polygons
from rise_bench.annotations.polygons.planted_errors import planted_errors
from rise_bench.annotations.polygons.similarity import match_outlines, polygons_similarity
from rise_bench.annotations.polygons.values import MIN_POINTS, Polygons, bounds, clipped, corners
from rise_bench.annotations.ranked import ranked_scores

_BOXES = BoxesKind()


class PolygonsKind(AnnotationKind[Polygons]):
    """Outlines of the regions that a row asks for; what is true of the boxes around them is asked there."""

    name = "polygons"
    metrics = METRICS
    columns = ("objects", "ignored")
    task_category = "image-segmentation"
    secret = _BOXES.secret
    fitted = _BOXES.fitted
    prior = _BOXES.prior
    in_frame = True
    outlined = True
    variants = _BOXES.variants
    audit_variant = _BOXES.audit_variant
    limits = ("Extra outlines cost nothing in the similarity; gIoU and cIoU count what they cover.",)
    editor = "outlines"

    def parse(self, answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Polygons | None, str]:
        """Read outlines in the unit of the answer."""
        return read_polygons(answer)

    def render(self, annotation: Polygons, digits: int | None = None) -> str:
        """Write points in whole numbers, or with decimals where they are asked for."""
        return json.dumps([_rounded(outline, digits) for outline in annotation.outlines])

    def instructions(self, classes: Sequence[str], unit: BoxUnit, frame: Frame) -> str:
        """Ask for a JSON list in the unit."""
        scale = (
            "in thousandths of the image's width and height, from 0 to 1000"
            if unit == "norm1000"
            else f"in pixels of the image, which is {frame.width:g} wide and {frame.height:g} high"
        )
        return (
            "Answer with a JSON list of closed outlines [[[x, y], [x, y], [x, y], ...], ...]: the corners of "
            f"each region in order, x from the left and y from the top, {scale}; [] if there is none."
        )

    def examples(self, classes: tuple[str, ...]) -> tuple[Polygons, ...]:
        """Return one outline of five corners."""
        return (Polygons((((64.0, 48.0), (384.0, 48.0), (384.0, 192.0), (200.0, 288.0), (64.0, 192.0)),)),)

    def explained(self, annotation: Polygons) -> str:
        """Say that an empty list means that there is none."""
        return _BOXES.explained(_boxes(annotation))

    def describe(self, classes: Sequence[str]) -> str:
        """Say what the numbers are."""
        return "outlines, lists of [x, y] in pixels"

    def secrets(self, annotation: Polygons, category: str) -> Secrets:
        """Return what boxes keep secret: any number, the category, and an empty list where there is none."""
        return _BOXES.secrets(_boxes(annotation), category)

    def problem(self, gold: Gold, classes: tuple[str, ...]) -> str:
        """Find too many outlines or points, and outlines that cover nothing or leave the image."""
        assert isinstance(gold.annotation, Polygons)
        outlines = gold.annotation.outlines
        if len(outlines) > MAX_STATED:
            return f"{len(outlines)} outlines, and AP looks at {MAX_STATED} of a class in an image"
        if (points := sum(map(len, outlines))) > MAX_POINTS:
            return f"outlines of {points} points, and no more than {MAX_POINTS} are read of an answer"
        for name, of in (("outline", outlines), ("ignored outline", gold.annotation.ignored)):
            for number, outline in enumerate(of, start=1):
                if problem := _problem(outline, gold):
                    return f"{name} {number} {problem}"
        return ""

    def is_empty(self, annotation: Polygons) -> bool:
        """Whether there is no outline."""
        return not annotation.outlines

    def group(self, annotation: Polygons, category: str) -> str:
        """Return the category; all images without the object asked for are a class of their own."""
        return _BOXES.group(_boxes(annotation), category)

    def features(self, classes: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
        """Return `objects`, outlines as COCO writes them ([x1, y1, ...]) with classes, and `ignored`."""
        from datasets import ClassLabel, List, Value

        names = ClassLabel(names=list(categories) or [TARGET])
        flat = List(List(Value("float64")))
        return {"objects": {"segmentation": flat, "category": List(names)}, "ignored": flat}

    def to_columns(self, gold: Gold, categories: tuple[str, ...]) -> dict[str, Any]:
        """Return `objects`, all of the row's category, and `ignored`."""
        assert isinstance(gold.annotation, Polygons)
        flat, ignored = (
            [[float(side) for point in outline for side in point] for outline in of]
            for of in (gold.annotation.outlines, gold.annotation.ignored)
        )
        label = categories.index(gold.category) if categories else 0
        return {"objects": {"segmentation": flat, "category": [label] * len(flat)}, "ignored": ignored}

    def from_columns(self, row: Mapping[str, Any], classes: tuple[str, ...]) -> Polygons:
        """Read `objects` and `ignored`."""
        outlines, ignored = (
            tuple(tuple(zip(flat[::2], flat[1::2], strict=True)) for flat in of)
            for of in (row["objects"]["segmentation"], row["ignored"])
        )
        return Polygons(outlines, ignored)

    def to_json(self, annotation: Polygons) -> list[Any]:
        """Return the outlines as lists of points, and last `{"ignored": outlines}` if there are any."""
        outlines, ignored = (
            [[[float(x), float(y)] for x, y in outline] for outline in of]
            for of in (annotation.outlines, annotation.ignored)
        )
        return [*outlines, *([{"ignored": ignored}] if ignored else [])]

    def from_json(self, values: Sequence[Any], classes: tuple[str, ...]) -> Polygons:
        """Read the values of `to_json`."""
        listed = [outline for outline in values if not isinstance(outline, Mapping)]
        ignored = [outline for of in values if isinstance(of, Mapping) for outline in of["ignored"]]
        outlines = (
            tuple(tuple((as_number(x), as_number(y)) for x, y in outline) for outline in of)
            for of in (listed, ignored)
        )
        return Polygons(*outlines)

    def similarity(self, gold: Polygons, stated: Polygons, variant: SimilarityVariant = "paper") -> float:
        """Eq. 6 with the IoU of masks."""
        return polygons_similarity(gold, stated, variant)

    def baselines(self, train: Sequence[Gold]) -> dict[str, Predictor]:
        """Return the baselines of the boxes around the outlines, drawn as outlines."""
        boxes = _BOXES.baselines([replace(gold, annotation=_boxes(gold.annotation)) for gold in train])
        return {name: _outlined(predict) for name, predict in boxes.items()}

    def in_place_of(self, annotation: Polygons, given: Polygons) -> Polygons:
        """Keep the ignored regions of the given label."""
        return annotation if annotation.ignored else replace(annotation, ignored=given.ignored)

    def rescale(self, annotation: Polygons, source: Frame, target: Frame) -> Polygons:
        """Scale the points; no rounding, cut at the border of the image."""
        return annotation.rescale(source, target)

    def tidied(self, annotation: Polygons, frame: Frame) -> Polygons | None:
        """Clip outlines to the image; leave out what covers nothing, is repeated or is more than is read."""
        inside = (
            clipped(outline, (0.0, 0.0), (frame.width, frame.height)) for outline in annotation.outlines
        )
        kept: list[Outline] = []
        for outline in dict.fromkeys(inside):
            fits = len(kept) < MAX_STATED and sum(map(len, kept)) + len(outline) <= MAX_POINTS
            if fits and len(outline) >= MIN_POINTS and covers(outline):
                kept.append(outline)
        return None if annotation.outlines and not kept else replace(annotation, outlines=tuple(kept))

    def ranked_scores(
        self, golds: Sequence[Gold], stated: Sequence[Polygons | None], confidences: Sequence[Sequence[float]]
    ) -> dict[str, RankedScore]:
        """Return AP and F1 on masks at IoU 0.5."""
        return ranked_scores(match_samples(golds, stated), outcomes(golds, stated, confidences))

    def planted_errors(self, gold: Gold, other: Gold, rng: Random) -> dict[str, Polygons]:
        """Drop, shift, add, swap or box an outline."""
        assert isinstance(gold.annotation, Polygons)
        return planted_errors(gold.annotation, gold.frame_px, rng)

    def label_quality(
        self, given: Sequence[Polygons], answers: Sequence[Sequence[Polygons]]
    ) -> list[float] | None:
        """Return ObjectLab's score of the boxes around the outlines."""
        return _BOXES.label_quality(
            [_boxes(of) for of in given], [[_boxes(of) for of in told] for told in answers]
        )

    def coordinates(self, gold: Gold, stated: Polygons) -> tuple[float, ...]:
        """Return the box around the first outline, relative to the image."""
        return _BOXES.coordinates(gold, _boxes(stated))

    def matches(self, gold: Polygons, stated: Polygons) -> tuple[tuple[int, int, float], ...]:
        """Match outlines one to one by the IoU of their masks."""
        return tuple(match_outlines(gold, stated))

    def compare(self, gold: Polygons, stated: Polygons) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Put matched outlines beside each other, then the rest."""
        partners = {i: (j, iou) for i, j, iou in match_outlines(gold, stated)}
        rows = []
        for i, outline in enumerate(gold.outlines):
            j, iou = partners.get(i, (-1, 0.0))
            told = _summary(stated.outlines[j]) if i in partners else "none"
            rows.append((_summary(outline), told, f"{iou:.4f}"))
        matched = {j for j, _ in partners.values()}
        rows += [("none", _summary(of), "") for j, of in enumerate(stated.outlines) if j not in matched]
        return ("true", "stated", "mask IoU"), rows or [("none", "none", "")]

    def overlay(self, annotation: Polygons) -> tuple[Box, ...]:
        """Return the boxes around the outlines."""
        return annotation.bounds_xywh

    def outlines(self, annotation: Polygons) -> tuple[Outline, ...]:
        """Return the outlines."""
        return annotation.outlines


def _boxes(annotation: Any) -> Boxes:
    return Boxes(annotation.bounds_xywh)


def _outlined(predict: Predictor) -> Predictor:
    def outlined(gold: Gold) -> Polygons:
        boxes = predict(gold)
        assert isinstance(boxes, Boxes)
        return Polygons(tuple(map(corners, boxes.xywh)))

    return outlined


def _problem(outline: Outline, gold: Gold) -> str:
    if len(outline) < MIN_POINTS:
        return f"has {len(outline)} points, expected {MIN_POINTS} or more"
    if not all(math.isfinite(side) for point in outline for side in point):
        return "has a point that is not finite"
    x, y, w, h = bounds(outline)
    size = f"{gold.width_px} x {gold.height_px} px"
    over = max(-x, -y, x + w - gold.width_px, y + h - gold.height_px)
    if over > EDGE_TOLERANCE_PX:
        return f"leaves the image of {size} by {over:.3g} px"
    if not covers(clipped(outline, (0.0, 0.0), (gold.width_px, gold.height_px))):
        return f"covers no pixel of the image of {size}"
    return ""


def _rounded(outline: Outline, digits: int | None) -> list[list[float]]:
    """Round points; where that leaves two corners or no area, write a box with sides of at least 1."""
    if digits:
        return [[round(x, digits), round(y, digits)] for x, y in outline]
    whole = [point for point, _ in groupby((round(x), round(y)) for x, y in outline)]
    if len(set(whole)) < MIN_POINTS or 0 in bounds(tuple(whole))[2:]:
        x, y, w, h = (round(side) for side in bounds(outline))
        whole = [(x, y), (x + max(1, w), y), (x + max(1, w), y + max(1, h)), (x, y + max(1, h))]
    return [[x, y] for x, y in whole]


def _summary(outline: Outline) -> str:
    sides = " ".join(f"{side:.1f}" for side in bounds(outline))
    return f"{len(outline)} points in {sides}"
