"""Ranking of true texts above false ones by scores without ground truth, and thresholds on such scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rise_bench.scoring.groundedness import auroc, threshold_of


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of a text.

    Attributes:
        text: Scores of the whole text by name.
        statements: Whether each statement is true, and its scores by name.
        sentences: Number of sentences.
        unchecked: Number of sentences that make no statement.
    """

    text: dict[str, float]
    statements: tuple[tuple[bool, dict[str, float]], ...]
    sentences: int = 1
    unchecked: int = 0

    @property
    def true(self) -> bool | None:
        """Whether the text is true; None if that is not known of a sentence and no statement is false."""
        if any(not true for true, _ in self.statements):
            return False
        return None if self.unchecked or not self.statements else True


def rank_truth(scored: Sequence[Scored]) -> dict[str, Any]:
    """Return the share of false statements, and AUROCs of each score.

    Returns:
        texts, true_texts, false_texts, statements, false_statements, false_statement_rate,
        false_statements_per_text; `auroc_texts` and `auroc_statements` by name of the score, empty without
        true or false ones.
    """
    claims = [statement for item in scored for statement in item.statements]
    false = sum(not true for true, _ in claims)
    texts = [(item.true, item.text) for item in scored if item.true is not None]
    return {
        "texts": len(scored),
        "true_texts": sum(true for true, _ in texts),
        "false_texts": sum(not true for true, _ in texts),
        "statements": len(claims),
        "false_statements": false,
        "false_statement_rate": false / len(claims) if claims else 0.0,
        "false_statements_per_text": false / len(scored),
        "auroc_texts": _aurocs(texts),
        "auroc_statements": _aurocs(claims),
    }


def gate(
    scored: Sequence[Scored], name: str, refused: float, threshold: float | None = None
) -> dict[str, Any]:
    """Return what a threshold on a score of whole texts does.

    Args:
        scored: The texts.
        name: Name of the score.
        refused: Share of the true texts that the threshold refuses.
        threshold: The threshold; their quantile if None.

    Returns:
        threshold, true_refused, false_passed; true_refused_by_sentences: "refused of texts" by number of
        sentences. Empty without true or without false texts.
    """
    true, false = ([item for item in scored if item.true is side] for side in (True, False))
    if not true or not false:
        return {}
    if threshold is None:
        threshold = threshold_of([item.text[name] for item in true], refused)
    by_sentences: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for item in true:
        by_sentences[item.sentences][0] += item.text[name] < threshold
        by_sentences[item.sentences][1] += 1
    return {
        "threshold": threshold,
        "true_refused": sum(item.text[name] < threshold for item in true) / len(true),
        "false_passed": sum(item.text[name] >= threshold for item in false) / len(false),
        "true_refused_by_sentences": {n: "{} of {}".format(*by_sentences[n]) for n in sorted(by_sentences)},
    }


def _aurocs(chosen: Sequence[tuple[bool, dict[str, float]]]) -> dict[str, float]:
    if len({true for true, _ in chosen}) < 2:
        return {}
    return {
        name: auroc([s[name] for true, s in chosen if true], [s[name] for true, s in chosen if not true])
        for name in chosen[0][1]
    }
