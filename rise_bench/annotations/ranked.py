"""AP and F1 at IoU 0.5 of parts that have a confidence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.average_precision import Matches, ap50, ap_of_category, hits_of
from rise_bench.annotations.metric import RankedScore

_Floats = NDArray[np.float64]


def ranked_scores(unranked: Sequence[Matches], outcomes: Sequence[Any]) -> dict[str, RankedScore]:
    """Return AP50 as COCOeval computes it, and the F1 of the threshold at which it is greatest.

    Args:
        unranked: Matches of each sample with all parts alike, in order of ids.
        outcomes: COCOeval's record of each sample with the confidence of each stated part.
    """
    hits = [hits_of(outcome) for outcome in outcomes]
    scores = [np.array(outcome["dtScores"] if outcome else (), dtype=np.float64) for outcome in outcomes]
    total = sum(sample.gold for sample in unranked)
    order = _order(np.concatenate([np.zeros(0), *scores]))
    hit, score = np.concatenate([np.zeros(0, bool), *hits])[order], np.concatenate([np.zeros(0), *scores])
    best, threshold = _best_f1(hit, score[order], total)
    plain = np.concatenate([np.zeros(0, bool), *(sample.hit for sample in unranked)])
    return {
        "ap50": RankedScore("AP50", _ap50(unranked, hits, scores), ap50(unranked)),
        "f1_50": RankedScore("F1 at IoU 0.5", best, _f1(plain.sum(), len(plain), total), threshold),
    }


def _ap50(samples: Sequence[Matches], hits: Sequence[NDArray[np.bool_]], scores: Sequence[_Floats]) -> float:
    """AP of each category that has a true part, averaged."""
    values = []
    for category in dict.fromkeys(sample.category for sample in samples):
        of = [i for i, sample in enumerate(samples) if sample.category == category]
        if total := sum(samples[i].gold for i in of):
            order = _order(np.concatenate([scores[i] for i in of]))
            values.append(ap_of_category(np.concatenate([hits[i] for i in of])[order], total))
    return float(np.mean(values)) if values else float("nan")


def _order(scores: _Floats) -> NDArray[np.intp]:
    """The largest score first; equal ones stay in order, as in COCOeval."""
    return np.argsort(-scores, kind="mergesort")


def _best_f1(hit: NDArray[np.bool_], score: _Floats, total: int) -> tuple[float, float | None]:
    """Greatest F1 over all thresholds, and the threshold: parts of one confidence are kept together."""
    if not len(hit):
        return _f1(0, 0, total), None
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    values = [_f1(true, kept, total) for true, kept in zip(np.cumsum(hit)[last], last + 1, strict=True)]
    best = int(np.argmax(values))
    return values[best], float(score[last[best]])


def _f1(true: int, stated: int, total: int) -> float:
    """F1 over all parts; 1 where there is nothing to find and nothing is stated."""
    return float(2 * true / (stated + total)) if stated + total else 1.0
