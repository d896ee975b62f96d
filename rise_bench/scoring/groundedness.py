"""Groundedness of a chain of thought in its image, from a model's likelihoods, without ground truth.

The reward of the closed loop (eq. 1) cannot distinguish a true chain of thought from a code word that both
halves agree on. A frozen base model without the annotation can: a text that is true of an image should be
more likely beside that image than beside others. The score is the pointwise mutual information of text and
image, log p(R | I) - mean over other images I' of log p(R | I'), in nats per token. It needs no labels and is
limited by the base model. `rise_bench.models.likelihood` supplies the likelihoods.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SENTENCE = re.compile(r"[^.!?\n]*[^.!?\s][^.!?\n]*(?:[.!?]+|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Grounded:
    """Groundedness of a text and of its sentences, in nats per token.

    Attributes:
        score: Mean over all tokens.
        sentences: (start, end, score) of each sentence, in characters of the text.
    """

    score: float
    sentences: tuple[tuple[int, int, float], ...]

    @property
    def worst(self) -> float:
        """Score of the least grounded sentence; that of the text if it has none."""
        return min((score for _, _, score in self.sentences), default=self.score)


def token_information(own: Sequence[float], others: Sequence[Sequence[float]]) -> list[float]:
    """Return the information of each token about the image, in nats.

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


def groundedness(own: Sequence[float], others: Sequence[Sequence[float]]) -> float:
    """Return the mean information of the tokens of a text about its image, in nats per token.

    Above 0, the text fits its image better than other images. 0 for an empty text. Arguments and errors as
    `token_information`.
    """
    information = token_information(own, others)
    return math.fsum(information) / len(information) if information else 0.0


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
