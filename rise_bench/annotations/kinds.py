"""The kinds of annotation that exist; `KINDS["name"] = MyKind()` registers another."""

from collections.abc import Sequence
from typing import Any

from rise_bench.annotations.annotation_kind import AnnotationKind, Predictor
from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Annotation, Gold, SimilarityVariant
from rise_bench.annotations.boxes.kind import BoxesKind
from rise_bench.annotations.distribution.kind import DistributionKind
from rise_bench.annotations.metric import SHARED, Metric
from rise_bench.annotations.polygons.kind import PolygonsKind
from rise_bench.annotations.steps.kind import StepsKind
from rise_bench.annotations.value.kind import ValueKind
from rise_bench.errors import DataError

#: The kinds by name.
KINDS: dict[str, AnnotationKind[Any]] = {
    kind.name: kind for kind in (DistributionKind(), BoxesKind(), ValueKind(), PolygonsKind(), StepsKind())
}


def kind_of(annotation: Annotation) -> AnnotationKind[Any]:
    """Return the kind of an annotation."""
    return KINDS[annotation.kind]


def all_metrics() -> dict[str, Metric]:
    """Return the metrics of every kind by name."""
    of_kinds = (metric for kind in KINDS.values() for metric in kind.metrics)
    return {metric.name: metric for metric in (*of_kinds, *SHARED)}


def label_problem(gold: Gold, classes: tuple[str, ...]) -> str:
    """Return why an annotation cannot become the ground truth of its image; empty if it can."""
    kind = kind_of(gold.annotation)
    return kind.problem(gold, classes) or kind.build_problem(gold)


def fit_baselines(train: Sequence[Gold], like: Sequence[Gold] = ()) -> dict[str, Predictor]:
    """Return the baselines of a kind, constant predictors by name, fitted to the training ground truth.

    Without training samples, those that need none are fitted to the kind of `like`. Boxes are in pixels of
    the sample's image.
    """
    samples = train or like
    if not samples:
        raise DataError("baselines need samples, and the dataset has none; build it again")
    kind = kind_of(samples[0].annotation)
    baselines = kind.baselines(samples)
    return {name: predict for name, predict in baselines.items() if train or name not in kind.fitted}


def render_annotation(annotation: Annotation, *, digits: int | None = None) -> str:
    """Return an annotation in the format of an answer, in its own frame.

    `digits` are decimals; if None, 3 for a distribution (rounded so that the sum is kept) and 0 for boxes
    (sides at least 1).

    >>> from rise_bench.annotations.boxes.values import Boxes
    >>> from rise_bench.annotations.distribution.values import Distribution
    >>> render_annotation(Distribution(("joy", "fear"), (2 / 3, 1 / 3)))
    '{"joy": 0.667, "fear": 0.333}'
    >>> render_annotation(Distribution(("tabby", "hen"), (0.0, 1.0)))
    '{"hen": 1.0}'
    >>> render_annotation(Boxes(((1.2, 2, 3, 0.3),)))
    '[[1, 2, 3, 1]]'
    """
    return kind_of(annotation).render(annotation, digits)


def render_gold(
    gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT, *, digits: int | None = None
) -> str:
    """Write a sample's ground truth as the answer in the unit that the model was told to use."""
    kind = kind_of(gold.annotation)
    return kind.render(kind.rescale(gold.annotation, gold.frame_px, answer_format.frame(gold)), digits)


def similarity(gold: Annotation, stated: Annotation, variant: SimilarityVariant = "paper") -> float:
    """Return the similarity of a stated annotation to the ground truth, in [0, 1] (`literal` may exceed 1).

    Both have the same frame (boxes) or class order (distribution); it is finite on any finite input. The
    variants of eqs. 2-6 are in docs/decisions/similarity.md.
    """
    if gold.kind != stated.kind:
        raise TypeError(f"cannot compare {type(gold).__name__} with {type(stated).__name__}")
    return kind_of(gold).similarity(gold, stated, variant)
