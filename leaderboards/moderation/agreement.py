"""Choice of samples to run again, and comparison with the submitted responses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rise_bench import __version__
from rise_bench.errors import ConfigError
from rise_bench.leaderboards.submissions.schema import Submission
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.scoring.bootstrap import draw, interval
from rise_bench.scoring.scores import collect, score_response

#: Largest difference of the scores of honest runs.
_CLOSE = 0.02


@dataclass(frozen=True, slots=True)
class Agreement:
    """Comparison of the responses of a second run with the submitted ones.

    Attributes:
        samples: Samples in the part.
        identical: Share of responses that are equal except for white space.
        submitted: Score of the submitted responses by the metric that ranks.
        again: That of the second run.
        difference: `again - submitted`, with its 95% interval over samples.
        agrees: Whether the difference is small and its interval contains zero.
    """

    samples: int
    identical: float
    submitted: float
    again: float
    difference: float
    low: float
    high: float
    agrees: bool


def choose(ids: Sequence[str], seed: str, samples_sha256: str, fraction: float) -> list[str]:
    """Choose the samples to run again: those with the smallest sha256 of seed, submission and id.

    Args:
        ids: Ids of all samples.
        seed: Text that was unknown at the time of the submission.
        samples_sha256: Hash of the submitted samples.
        fraction: Share to choose, above 0 and at most 1; at least one sample.

    Raises:
        ConfigError: If the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"--fraction {fraction} is out of range; choose above 0 and at most 1, e.g. 0.1")

    def rank(sample_id: str) -> str:
        return hashlib.sha256(f"{seed}:{samples_sha256}:{sample_id}".encode()).hexdigest()

    return sorted(sorted(ids, key=rank)[: max(1, round(fraction * len(ids)))])


def compare(
    board: GoldBoard, submission: Submission, submitted: Mapping[str, str], again: Mapping[str, str]
) -> Agreement:
    """Compare the responses of a second run, `again`, with the submitted ones."""
    answer_format = submission.prompt.answer_format
    golds = [board.by_id[i] for i in sorted(again)]
    sent, repeated = (
        collect(
            board.spec.ranking,
            golds,
            [score_response(gold, texts[gold.id], answer_format) for gold in golds],
        )
        for texts in (submitted, again)
    )
    identical = float(np.mean([submitted[i].split() == again[i].split() for i in again]))
    picks = draw(len(golds), seed=0)
    difference = interval(repeated.value() - sent.value(), repeated.resample(picks) - sent.resample(picks))
    agrees = abs(difference.value) <= _CLOSE and difference.low <= 0 <= difference.high
    return Agreement(
        len(again),
        identical,
        sent.value(),
        repeated.value(),
        difference.value,
        difference.low,
        difference.high,
        agrees,
    )


def record(
    path: str,
    submission: Submission,
    seed: str,
    fraction: float,
    chosen: Sequence[str],
    agreement: Agreement,
    confinement: Mapping[str, Any],
    *,
    hidden: bool,
) -> dict[str, Any]:
    """Return the content of `reproductions/<author>/<name>.json`; without scores if the truth is hidden.

    Scores of a known part of the samples to many digits tell single ones.
    """
    compared = asdict(agreement)
    if hidden:
        compared = {name: compared[name] for name in ("samples", "identical", "agrees")}
    return {
        "record_version": 1,
        "rise_bench": __version__,
        "path": path,
        "samples_sha256": submission.samples.sha256,
        "model": submission.model.model_dump(mode="json"),
        "seed": seed,
        "fraction": fraction,
        "ids": list(chosen),
        "confinement": dict(confinement),
        **compared,
    }
