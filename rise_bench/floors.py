"""Constant predictors: what a table must be beaten by before it means anything.

On the real Emotion6 labels the mean of the training labels scores better than the paper's own 4-shot RISE.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from rise_bench.errors import DataError
from rise_bench.values import Annotation, Boxes, Distribution, Frame, Gold, Kind

Predictor = Callable[[Gold], Annotation]
_UNIT_FRAME = Frame(1, 1)


#: Constant predictors that are fitted to training samples, by kind of annotation.
FITTED: dict[Kind, tuple[str, ...]] = {
    "distribution": ("train_mean", "majority_class"),
    "boxes": ("mean_box",),
}


def floor_predictors(train: Sequence[Gold], like: Sequence[Gold] = ()) -> dict[str, Predictor]:
    """Return the constant predictors fitted to the training truth.

    Args:
        train: Training samples, all of one kind.
        like: Samples of the same kind, where there are no training samples.

    Returns:
        For distributions `uniform`, `train_mean`, `majority_class`; for boxes `whole_image`, `mean_box` (the
        mean training box, relative to the image). Boxes are in pixels of the sample's image. Without training
        samples those of `FITTED` are left out.

    Raises:
        DataError: If there is no sample at all.
    """
    samples = train or like
    if not samples:
        raise DataError("floors need samples and there is none; build the dataset again")
    first = samples[0].annotation
    floors = (
        _distribution_floors(samples, first.classes)
        if isinstance(first, Distribution)
        else _box_floors(samples)
    )
    return {name: predict for name, predict in floors.items() if train or name not in FITTED[samples[0].kind]}


def _distribution_floors(train: Sequence[Gold], classes: tuple[str, ...]) -> dict[str, Predictor]:
    probs = np.array([g.annotation.probs for g in train if isinstance(g.annotation, Distribution)])
    mean = probs.mean(axis=0)
    majority = Counter(probs.argmax(axis=1).tolist()).most_common()
    top = min((-count, index) for index, count in majority)[1]
    return {
        "uniform": _constant(classes, [1 / len(classes)] * len(classes)),
        "train_mean": _constant(classes, (mean / mean.sum()).tolist()),
        "majority_class": _constant(classes, [float(i == top) for i in range(len(classes))]),
    }


def _constant(classes: tuple[str, ...], probs: Sequence[float]) -> Predictor:
    distribution = Distribution(classes, tuple(probs))
    return lambda gold: distribution  # noqa: ARG005


def _box_floors(train: Sequence[Gold]) -> dict[str, Predictor]:
    relative = [
        box
        for gold in train
        if isinstance(gold.annotation, Boxes)
        for box in gold.annotation.rescale(gold.frame_px, _UNIT_FRAME).xywh
    ]
    x, y, w, h = np.array(relative).mean(axis=0).tolist() if relative else (0.0, 0.0, 1.0, 1.0)
    return {
        "whole_image": lambda gold: Boxes(((0.0, 0.0, float(gold.width_px), float(gold.height_px)),)),
        "mean_box": lambda gold: Boxes(((x, y, w, h),)).rescale(_UNIT_FRAME, gold.frame_px),
    }
