"""Groundedness of a chain of thought in its image, from a model's likelihoods, without ground truth.

The reward of the closed loop (eq. 1) cannot distinguish a true chain of thought from a code word that both
halves agree on. A frozen base model without the annotation can: a text that is true of an image should be
more likely beside that image than beside others. `rise_bench.models.likelihood` supplies the likelihoods.

The measure is `sentence_pmi`. For each sentence s after the text t before it, the pointwise mutual
information of sentence and image, in nats, where the I' are K other images:

    PMI(s) = log p(s | I, t) - log (1/K sum over I' of p(s | I', t)).

A text has the soft minimum of its sentences, -log mean exp(-PMI), which does not fall with their number as
the minimum does. exp(-PMI) has the expectation 1 for a sentence that the judge itself says of I, whatever the
other images are, and so has the mean over the sentences of a text: by Markov's inequality at most a share
exp(-x) of such texts scores below -x.

Up to version 0.1 the measure was `token_mean`: log p(s | I, t) - mean over I' of log p(s | I', t), divided by
the tokens of s; a text had the same over all its tokens, and was held by its lowest sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Version of the measure, as it is recorded beside scores.
GroundedMeasure = Literal["token_mean", "sentence_pmi"]


#: The version that is computed.
MEASURE: GroundedMeasure = "sentence_pmi"


#: Other images that a text is compared on, unless asked otherwise.
SWAPS = 16


#: A sentence takes the signs and line breaks behind it, so that no token of a text is left unjudged.
_SENTENCE = re.compile(r"[^.!?\n]*[^.!?\s][^.!?\n]*(?:[.!?]+|\n|\Z)(?:[ \t]*+[.!?\n]++)*+")


@dataclass(frozen=True, slots=True)
class Grounded:
    """Groundedness of a text and of its sentences by `MEASURE`, in nats.

    Attributes:
        sentences: (start, end, PMI) of each sentence, in characters of the text.
    """

    sentences: tuple[tuple[int, int, float], ...] = ()

    @property
    def score(self) -> float:
        """Soft minimum over the sentences; 0 without any."""
        return soft_minimum(value for _, _, value in self.sentences)

    @property
    def worst(self) -> float:
        """PMI of the least grounded sentence; 0 without any."""
        return min((value for _, _, value in self.sentences), default=0.0)


def pointwise_information(own: npt.ArrayLike, others: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the pointwise mutual information of texts and an image, in nats.

    Args:
        own: log p of each text beside its own image, shape (texts,).
        others: log p of each beside other images, shape (images, texts), at least one image.

    Raises:
        ValueError: There is no other image, or the numbers of texts differ.

    >>> pointwise_information([-0.5, -0.5], [[-2.5, -0.5], [-2.5, -0.5]]).tolist()
    [2.0, 0.0]
    """
    import numpy as np

    beside, elsewhere = np.asarray(own, np.float64), np.asarray(others, np.float64)
    if not len(elsewhere):
        raise ValueError("groundedness needs at least one other image")
    if elsewhere.shape[1:] != beside.shape:
        raise ValueError(f"{beside.shape} texts beside the own image, {elsewhere.shape[1:]} beside others")
    mean: npt.NDArray[np.float64] = np.logaddexp.reduce(elsewhere, axis=0) - math.log(len(elsewhere))
    return beside - mean


def soft_minimum(values: Iterable[float]) -> float:
    """Return -log mean exp(-v): between minimum and mean, and the same if all values appear twice.

    0 without values.

    >>> round(soft_minimum([2.0, 2.0]), 6), round(soft_minimum([2.0, -9.0]), 3)
    (2.0, -8.307)
    """
    numbers = list(values)
    if not numbers:
        return 0.0
    lowest = min(numbers)
    return lowest - math.log(math.fsum(math.exp(lowest - value) for value in numbers) / len(numbers))


def threshold_of(true_scores: npt.ArrayLike, refused: float = 0.05) -> float:
    """Return the threshold of groundedness that refuses a share of true texts, their quantile.

    Args:
        true_scores: Groundedness of texts that are true of their images, in nats.
        refused: Share of true texts that may be refused, in [0, 1].

    Raises:
        ValueError: There are no scores.
    """
    import numpy as np

    scores = np.asarray(true_scores, np.float64)
    if not scores.size:
        raise ValueError("a threshold is a quantile of the scores of true texts, and there are none")
    return float(np.quantile(scores, refused))


def token_information(own: Sequence[float], others: Sequence[Sequence[float]]) -> list[float]:
    """Return what `token_mean` averages: log p of each token minus its mean beside other images, in nats.

    Args:
        own: log p of each token beside its own image.
        others: Likewise beside other images, a sequence for each image, at least one.

    Raises:
        ValueError: If there is no other image, or the lengths differ.

    >>> token_information([-0.5, -0.5], [[-2.5, -0.5], [-4.5, -0.5]])
    [3.0, 0.0]
    """
    if not others:
        raise ValueError("groundedness needs at least one other image")
    if any(len(other) != len(own) for other in others):
        raise ValueError(f"{len(own)} tokens beside the own image, {[len(o) for o in others]} beside others")
    return [p - math.fsum(column) / len(others) for p, *column in zip(own, *others, strict=True)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return start and end of each sentence, end mark included.

    >>> sentence_spans("The ground is dark. It is red.")
    [(0, 19), (19, 30)]
    """
    return [match.span() for match in _SENTENCE.finditer(text)]


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return the chance that a random positive scores above a random negative, ties counting half.

    Raises:
        ValueError: If one side is empty.

    >>> auroc([0.9, 0.4], [0.1, 0.4])
    0.875
    """
    if not positives or not negatives:
        raise ValueError(
            f"AUROC needs both sides; got {len(positives)} positives, {len(negatives)} negatives"
        )
    from scipy.stats import mannwhitneyu

    pairs_won = mannwhitneyu(positives, negatives, method="asymptotic").statistic
    return float(pairs_won) / (len(positives) * len(negatives))
