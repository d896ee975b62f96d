"""The kinds of annotation that exist, and what is asked of them by kind."""

import json
from collections.abc import Sequence

from rise_bench.annotations.base import Annotation, Gold, Kind, Predictor, SimilarityVariant
from rise_bench.annotations.boxes.kind import _box_floors
from rise_bench.annotations.boxes.similarity import _boxes_similarity
from rise_bench.annotations.boxes.values import MAX_PIXELS, Boxes, BoxUnit, frame_of
from rise_bench.annotations.distribution.kind import _distribution_floors
from rise_bench.annotations.distribution.similarity import _distribution_similarity
from rise_bench.annotations.distribution.values import Distribution, _round_to_one
from rise_bench.errors import DataError

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


def render_annotation(annotation: Annotation, *, digits: int | None = None) -> str:
    """Write an annotation as the JSON that a model is asked for.

    A distribution names all its classes, but where one has everything it is the only one named: beside
    nineteen zeros the one token that matters would be a hundredth of what SFT learns.

    Args:
        annotation: A distribution or boxes, in whatever frame they are.
        digits: Decimals; 3 for a distribution (rounded so that the sum is kept) and 0 for boxes (sides at
            least 1) when None.

    >>> render_annotation(Distribution(("joy", "fear"), (2 / 3, 1 / 3)))
    '{"joy": 0.667, "fear": 0.333}'
    >>> render_annotation(Distribution(("tabby", "hen"), (0.0, 1.0)))
    '{"hen": 1.0}'
    >>> render_annotation(Boxes(((1.2, 2, 3, 0.3),)))
    '[[1, 2, 3, 1]]'
    """
    if isinstance(annotation, Distribution):
        probs = _round_to_one(annotation.probs, 3 if digits is None else digits)
        stated = {c: p for c, p in zip(annotation.classes, probs, strict=True) if p or 1.0 not in probs}
        return json.dumps(stated, ensure_ascii=False)
    if digits is None or digits == 0:
        whole = [[round(x), round(y), max(1, round(w)), max(1, round(h))] for x, y, w, h in annotation.xywh]
        return json.dumps(whole)
    return json.dumps([[round(side, digits) for side in box] for box in annotation.xywh])


def render_gold(
    gold: Gold, unit: BoxUnit = "norm1000", *, digits: int | None = None, max_pixels: int = MAX_PIXELS
) -> str:
    """Write a sample's truth as the JSON answer in the unit that the model was told to use."""
    if isinstance(gold.annotation, Distribution):
        return render_annotation(gold.annotation, digits=digits)
    target = frame_of(unit, gold.width_px, gold.height_px, max_pixels=max_pixels)
    return render_annotation(gold.annotation.rescale(gold.frame_px, target), digits=digits)


def similarity(gold: Annotation, stated: Annotation, variant: SimilarityVariant = "paper") -> float:
    """Return how well a stated annotation matches the truth; finite on any finite input.

    Args:
        gold: The truth.
        stated: What a model stated, in the same frame (boxes) and class order (distribution).
        variant: See the module's docstring.

    Returns:
        A number in [0, 1] (`literal` may exceed 1).
    """
    if isinstance(gold, Distribution) and isinstance(stated, Distribution):
        if gold.classes != stated.classes:
            raise ValueError("the two distributions name different classes")
        return _distribution_similarity(gold.probs, stated.probs, variant)
    if isinstance(gold, Boxes) and isinstance(stated, Boxes):
        return _boxes_similarity(gold, stated, variant)
    raise TypeError(f"cannot compare {type(gold).__name__} with {type(stated).__name__}")
