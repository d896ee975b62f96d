"""cleanlab's score of labels that are calls: each call that occurs is a class, and a label has several."""

from collections.abc import Sequence

import numpy as np

from rise_bench.annotations.steps.values import Steps


def label_quality(given: Sequence[Steps], answers: Sequence[Sequence[Steps]]) -> list[float]:
    """Return `cleanlab.multilabel_classification.get_label_quality_scores`, low for a bad label.

    The probability of a call is its share of a sample's answers; a half where there is no answer.
    """
    from cleanlab.multilabel_classification import get_label_quality_scores

    calls = sorted({call for stated in (given, *answers) for steps in stated for call in steps.calls})
    index = {call: i for i, call in enumerate(calls)}
    probs = np.full((len(given), len(calls)), 0.5)
    for row, stated in zip(probs, answers, strict=True):
        if stated:
            row[:] = [sum(call in steps.calls for steps in stated) / len(stated) for call in calls]
    labels = [sorted({index[call] for call in steps.calls}) for steps in given]
    return [float(score) for score in get_label_quality_scores(labels, probs)]
