"""cleanlab's score of labels that are distributions; cleanlab sees their most probable class only."""

from collections.abc import Sequence

import numpy as np

from rise_bench.annotations.distribution.metrics import normalised
from rise_bench.annotations.distribution.values import Distribution


def label_quality(given: Sequence[Distribution], answers: Sequence[Sequence[Distribution]]) -> list[float]:
    """Return `cleanlab.rank.get_label_quality_scores` (self-confidence), low for a bad label.

    The probabilities are the mean of a sample's answers, even where there is no answer with any mass.
    """
    from cleanlab.rank import get_label_quality_scores

    classes = len(given[0].probs)
    labels = np.array([label.probs.index(max(label.probs)) for label in given])
    probs = np.array([_mean([answer.probs for answer in stated], classes) for stated in answers])
    return [float(score) for score in get_label_quality_scores(labels, probs)]


def _mean(stated: Sequence[Sequence[float]], classes: int) -> list[float]:
    shares = [share for probs in stated if (share := normalised(probs)) is not None]
    if not shares:
        return [1 / classes] * classes
    mean: list[float] = np.mean(shares, axis=0).tolist()
    return mean
