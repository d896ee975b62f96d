"""Scores of labels, and the one number that they are sorted by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.audit.answers import Answers, medoid
from rise_bench.curation.audit.loops import Loop


@dataclass(frozen=True, slots=True)
class Score:
    """A score of labels.

    Attributes:
        title: Title in tables.
        low_is_suspicious: Direction.
    """

    title: str
    low_is_suspicious: bool = True


#: Scores of a label by the name of their column.
SCORES: Mapping[str, Score] = {
    "reward": Score("r_i: best reward of its group (eq. 1)"),
    "group_mean": Score("mean reward of its group"),
    "answer_similarity": Score("similarity of the model's image-only answer"),
    "reward_gap": Score("reward of the model's own label minus that of the given one", False),
    "groundedness": Score("groundedness of its chain of thought"),
    "cleanlab": Score("cleanlab on the model's answers"),
}

#: Scores whose mean rank is `suspicion`; chosen on planted errors, for every dataset (docs/results.md).
COMBINED = ("reward", "group_mean", "answer_similarity")


@dataclass(frozen=True, slots=True)
class RowScores:
    """Scores of a label in an audit.

    Attributes:
        split: Split of the row.
        gold: The row with the label it has.
        own: The model's own label; None if no answer could be read.
        reason: Chain of thought of the best rollout that explains the given label.
        scores: Score by name; scores that a row lacks are absent.
        suspicion: From 0 to 1, the most suspicious label last.
    """

    split: str
    gold: Gold
    own: Annotation | None
    reason: str
    scores: Mapping[str, float]
    suspicion: float = 0.0


def score_rows(
    rows: Mapping[str, tuple[str, Gold]],
    answers: Answers | None,
    given: Mapping[str, Loop],
    own: Mapping[str, Loop],
) -> list[RowScores]:
    """Score labels, the most suspicious first.

    Args:
        rows: Split and label by row id.
        answers: Image-only answers; None if no model was asked.
        given: Closed loops on the given labels, by row id.
        own: Closed loops on the model's own labels; the given one's where both are the same label.
    """
    quality = label_quality([gold for _, gold in rows.values()], answers) if answers else {}
    scored = []
    for uid, (split, gold) in rows.items():
        scores: dict[str, float] = {}
        stated = answers.stated(gold) if answers else []
        if (loop := given.get(uid)) is not None:
            scores |= {"reward": loop.reward, "group_mean": loop.mean}
            if loop.groundedness is not None:
                scores["groundedness"] = loop.groundedness
            if uid in own and loop.comparable:
                scores["reward_gap"] = own[uid].mean - loop.mean
        if answers and uid in answers.texts:
            scores["answer_similarity"] = answers.agreement(gold)
        if uid in quality:
            scores["cleanlab"] = quality[uid]
        scored.append(RowScores(split, gold, medoid(stated), loop.cot if loop else "", scores))
    return _sorted(scored)


def label_quality(golds: Sequence[Gold], answers: Answers) -> dict[str, float]:
    """Return cleanlab's scores of the answered rows; none where it is absent or has none for the kind."""
    answered = [gold for gold in golds if gold.id in answers.texts]
    if not answered:
        return {}
    try:
        scores = KINDS[answered[0].kind].label_quality(
            [gold.annotation for gold in answered], [answers.stated(gold) for gold in answered]
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cleanlab":
            raise
        return {}
    return {} if scores is None else {g.id: s for g, s in zip(answered, scores, strict=True)}


def suspicion(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean of a row's ranks by the scores that it has, from 0 to 1; 0.5 of a row without any."""
    ranks = np.full((len(names), len(rows)), np.nan)
    for ranked, name in zip(ranks, names, strict=True):
        there = [i for i, scores in enumerate(rows) if name in scores]
        if there:
            sign = -1 if SCORES[name].low_is_suspicious else 1
            ranked[there] = _rank([sign * rows[i][name] for i in there])
    counts = (~np.isnan(ranks)).sum(axis=0)
    means: NDArray[np.float64] = np.where(counts > 0, np.nansum(ranks, axis=0) / np.maximum(counts, 1), 0.5)
    return means


def _rank(values: Sequence[float]) -> NDArray[np.float64]:
    """Return ranks from 0 (smallest) to 1; equal values share their mean rank, and a single one is at 0.5."""
    from scipy.stats import rankdata

    if len(values) == 1:
        return np.array([0.5])
    ranks: NDArray[np.float64] = (rankdata(values) - 1) / (len(values) - 1)
    return ranks


def _sorted(rows: Sequence[RowScores]) -> list[RowScores]:
    """Sort by suspicion; of equals, by the similarity of the answer, then by id."""
    values = suspicion([row.scores for row in rows], COMBINED)
    if not any(name in row.scores for row in rows for name in COMBINED):
        values = suspicion([row.scores for row in rows], tuple(SCORES))
    made = [replace(row, suspicion=float(value)) for row, value in zip(rows, values, strict=True)]
    return sorted(
        made, key=lambda row: (-row.suspicion, row.scores.get("answer_similarity", 1.0), row.gold.id)
    )
