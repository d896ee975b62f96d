"""cleanlab's score of labels that are boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.boxes.values import Boxes


def label_quality(given: Sequence[Boxes], answers: Sequence[Sequence[Boxes]]) -> list[float]:
    """Return ObjectLab's scores, low for a bad label: the mean over a sample's answers.

    The boxes of a sample have one class, and answers no confidence, so every stated box has confidence 1.
    A sample without an answer has no predictions, which cleanlab does not count against its label.
    """
    from cleanlab.object_detection.rank import get_label_quality_scores

    stated = [tuple(boxes) or (Boxes(()),) for boxes in answers]
    total, count = np.zeros(len(given)), np.zeros(len(given))
    for number in range(max(map(len, stated), default=0)):
        rows = [i for i, boxes in enumerate(stated) if number < len(boxes)]
        labels = [
            {"bboxes": _corners(given[i]), "labels": np.zeros(len(given[i].xywh), dtype=int)} for i in rows
        ]
        predictions = np.empty((len(rows), 1), dtype=object)
        for place, i in enumerate(rows):
            predictions[place, 0] = _with_confidence(stated[i][number])
        total[rows] += get_label_quality_scores(labels, list(predictions), verbose=False)
        count[rows] += 1
    return [float(score) for score in total / count]


def _corners(boxes: Boxes) -> NDArray[np.float64]:
    return np.array([(x, y, x + w, y + h) for x, y, w, h in boxes.xywh], dtype=float).reshape(-1, 4)


def _with_confidence(boxes: Boxes) -> NDArray[np.float64]:
    return np.hstack([_corners(boxes), np.ones((len(boxes.xywh), 1))])
