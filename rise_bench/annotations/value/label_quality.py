"""cleanlab's score of labels that are values: each value that occurs is a class."""

from collections.abc import Sequence

import numpy as np

from rise_bench.annotations.value.values import Value


def label_quality(given: Sequence[Value], answers: Sequence[Sequence[Value]]) -> list[float]:
    """Return `cleanlab.rank.get_label_quality_scores` (self-confidence), low for a bad label.

    The probability of a value is its share of a sample's answers, even where there is no answer.
    """
    from cleanlab.rank import get_label_quality_scores

    classes = sorted({value.text for values in (given, *answers) for value in values})
    index = {text: i for i, text in enumerate(classes)}
    if len(classes) < 2:
        return [1.0] * len(given)
    probs = np.full((len(given), len(classes)), 1 / len(classes))
    for row, stated in zip(probs, answers, strict=True):
        if stated:
            row[:] = np.bincount([index[value.text] for value in stated], minlength=len(classes)) / len(
                stated
            )
    labels = np.array([index[value.text] for value in given])
    return [float(score) for score in get_label_quality_scores(labels, probs)]
