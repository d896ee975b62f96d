"""The kind of annotation that is a probability distribution over classes."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from rise_bench.annotations.annotation_kind import AnnotationKind, Predictor
from rise_bench.annotations.base import Frame, Gold, SimilarityVariant
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.annotations.distribution.class_names import class_problem
from rise_bench.annotations.distribution.label_quality import label_quality
from rise_bench.annotations.distribution.metrics import METRICS, normalised
from rise_bench.annotations.distribution.parsing import read_distribution
from rise_bench.annotations.distribution.planted_errors import planted_errors
from rise_bench.annotations.distribution.similarity import distribution_similarity
from rise_bench.annotations.distribution.trainer_forms import ClassForms
from rise_bench.annotations.distribution.values import Distribution, round_to_one

#: How far the probabilities of a row may sum from 1.
SUM_TOLERANCE = 1e-3


class DistributionKind(AnnotationKind[Distribution]):
    """Probabilities of classes that sum to 1."""

    name = "distribution"
    metrics = METRICS
    columns = ("probs", "label")
    task_category = "image-classification"
    secret = "probabilities, percentages or any other number"
    fitted = ("train_mean", "majority_class")
    prior = "train_mean"
    references = ("train_mean", "uniform")
    variants = ("paper", "literal", "upstream", "jsd", "floor")
    min_classes = 2
    trainer_forms = {"accuracy": ClassForms()}  # noqa: RUF012
    limits = ("A constant predictor scores well here: read results beside the baselines.",)
    editor = "shares"

    def parse(self, answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Distribution | None, str]:
        """Read a number for each class, 0 where none is stated."""
        return read_distribution(answer, classes, closed)

    def render(self, annotation: Distribution, digits: int | None = None) -> str:
        """Name all classes with 3 decimals, rounded so that the sum is kept.

        Where one class has everything it is the only one named: beside nineteen zeros the one token that
        matters would be a hundredth of what SFT learns.
        """
        probs = round_to_one(annotation.probs, 3 if digits is None else digits)
        stated = {c: p for c, p in zip(annotation.classes, probs, strict=True) if p or 1.0 not in probs}
        return json.dumps(stated, ensure_ascii=False)

    def instructions(self, classes: Sequence[str], unit: BoxUnit, frame: Frame) -> str:
        """Name the classes and ask for a JSON object."""
        return (
            f"The classes are: {', '.join(classes)}. Answer with JSON that gives the classes probabilities "
            f'that sum to 1, like {{"{classes[0]}": p, "{classes[1]}": p}}; a class left out has '
            "probability 0."
        )

    def examples(self, classes: tuple[str, ...]) -> tuple[Distribution, ...]:
        """Return the even distribution, and one that is sure."""
        return _even(classes), _sure(classes, 0)

    def describe(self, classes: Sequence[str]) -> str:
        """Say over how many classes."""
        return f"distributions over {len(classes)} classes"

    def class_problem(self, classes: Sequence[str]) -> str:
        """Find classes that cannot be told apart in an answer."""
        return class_problem(tuple(classes))

    def classes_of(self, annotation: Distribution) -> tuple[str, ...]:
        """Return the classes that have a number."""
        return annotation.classes

    def problem(self, gold: Gold, classes: tuple[str, ...]) -> str:
        """Find other classes, and probabilities that are negative, not finite or do not sum to 1."""
        annotation = gold.annotation
        assert isinstance(annotation, Distribution)
        if annotation.classes != classes:
            return f"classes are {annotation.classes}, expected {classes}"
        if not all(math.isfinite(p) and p >= 0 for p in annotation.probs):
            return f"probabilities {annotation.probs} are not all finite and at least 0"
        total = math.fsum(annotation.probs)
        if abs(total - 1) > SUM_TOLERANCE:
            return f"probabilities sum to {total:.6g}, expected 1 within {SUM_TOLERANCE:g}"
        return ""

    def group(self, annotation: Distribution, category: str) -> str:
        """Return the most probable class, the first of equals."""
        return annotation.top

    def features(self, classes: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
        """Return `probs` as float32, and `label`, the most probable class."""
        from datasets import ClassLabel, List, Value

        probs = List(Value("float32"), length=len(classes))
        return {"probs": probs, "label": ClassLabel(names=list(classes))}

    def to_columns(self, gold: Gold, categories: tuple[str, ...]) -> dict[str, Any]:
        """Return `probs` and `label`."""
        assert isinstance(gold.annotation, Distribution)
        probs = gold.annotation.probs
        return {"probs": list(probs), "label": probs.index(max(probs))}

    def from_columns(self, row: Mapping[str, Any], classes: tuple[str, ...]) -> Distribution:
        """Read `probs`."""
        return self.from_json(row["probs"], classes)

    def stored(self, annotation: Distribution) -> Distribution:
        """Round to float32."""
        return Distribution(annotation.classes, tuple(float(np.float32(p)) for p in annotation.probs))

    def to_json(self, annotation: Distribution) -> list[Any]:
        """Return the probabilities in the order of the classes."""
        return list(annotation.probs)

    def from_json(self, values: Sequence[Any], classes: tuple[str, ...]) -> Distribution:
        """Read probabilities in the order of the classes."""
        return Distribution(classes, tuple(float(p) for p in values))

    def canonical(self, annotation: Distribution) -> list[Any]:
        """Write each probability with all digits of a float32."""
        return [f"{np.float32(p):.9g}" for p in annotation.probs]

    def similarity(
        self, gold: Distribution, stated: Distribution, variant: SimilarityVariant = "paper"
    ) -> float:
        """Eqs. 2-5."""
        if gold.classes != stated.classes:
            raise ValueError("the two distributions name different classes")
        return distribution_similarity(gold.probs, stated.probs, variant)

    def entropy(self, annotation: Distribution) -> float | None:
        """Return the entropy of the normalised probabilities; None without any mass."""
        shares = normalised(annotation.probs)
        return None if shares is None else -math.fsum(p * math.log(p) for p in shares if p > 0)

    def baselines(self, train: Sequence[Gold]) -> dict[str, Predictor]:
        """Return `uniform`, `train_mean` and `majority_class`."""
        golds = [gold.annotation for gold in train if isinstance(gold.annotation, Distribution)]
        classes, probs = golds[0].classes, np.array([gold.probs for gold in golds])
        mean = probs.mean(axis=0)
        counts = Counter(probs.argmax(axis=1).tolist())
        most = min(counts, key=lambda index: (-counts[index], index))
        answers = {
            "uniform": _even(classes),
            "train_mean": Distribution(classes, tuple((mean / mean.sum()).tolist())),
            "majority_class": _sure(classes, most),
        }
        return {name: _always(answer) for name, answer in answers.items()}

    def tidied(self, annotation: Distribution, frame: Frame) -> Distribution | None:
        """Normalise the probabilities; None without any mass."""
        shares = normalised(annotation.probs)
        return None if shares is None else Distribution(annotation.classes, tuple(shares))

    def planted_errors(self, gold: Gold, other: Gold, rng: Random) -> dict[str, Distribution]:
        """Swap probabilities, or shift mass."""
        assert isinstance(gold.annotation, Distribution)
        return planted_errors(gold.annotation, rng)

    def label_quality(
        self, given: Sequence[Distribution], answers: Sequence[Sequence[Distribution]]
    ) -> list[float] | None:
        """Return the self-confidence of the most probable class."""
        return label_quality(given, answers)

    def coordinates(self, gold: Gold, stated: Distribution) -> tuple[float, ...]:
        """Return the probabilities, normalised."""
        total = sum(stated.probs) or 1.0
        return tuple(p / total for p in stated.probs)

    def landmarks(self, gold: Gold, stated: Distribution) -> tuple[float, ...]:
        """Return class and value of the largest probability, and value of the second."""
        total = sum(stated.probs)
        if total <= 0:
            return ()
        first, second, *_ = (*sorted(stated.probs, reverse=True), 0.0)
        return stated.probs.index(first), first / total, second / total

    def is_wrong(self, gold: Distribution, stated: Distribution) -> bool:
        """Whether a probability is off by more than 0.1."""
        total = sum(stated.probs) or 1.0
        return max(abs(p / total - q) for p, q in zip(stated.probs, gold.probs, strict=True)) > 0.1

    def is_certain(self, gold: Distribution) -> bool:
        """Whether one class has everything."""
        return max(gold.probs) >= 0.99

    def is_round(self, stated: Distribution) -> bool:
        """Whether all probabilities are in steps of 0.05."""
        return all(abs(20 * p - round(20 * p)) < 1e-6 for p in stated.probs)

    def compare(
        self, gold: Distribution, stated: Distribution
    ) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Put the probabilities of each class beside each other, and the sums."""
        columns = (*gold.classes, "sum"), (*gold.probs, sum(gold.probs)), (*stated.probs, sum(stated.probs))
        rows = [(name, f"{true:.4f}", f"{told:.4f}") for name, true, told in zip(*columns, strict=True)]
        return ("class", "true", "stated"), rows

    def shares(self, annotation: Distribution) -> dict[str, float]:
        """Return the probabilities by class."""
        return dict(zip(annotation.classes, annotation.probs, strict=True))


def _always(answer: Distribution) -> Predictor:
    return lambda gold: answer  # noqa: ARG005


def _even(classes: tuple[str, ...]) -> Distribution:
    return Distribution(classes, (1 / len(classes),) * len(classes))


def _sure(classes: tuple[str, ...], index: int) -> Distribution:
    return Distribution(classes, tuple(float(i == index) for i in range(len(classes))))
