"""Signs that responses were not written by the model that is named: copies, constants, the truth itself.

Fingerprints ignore case, digits, punctuation and invisible characters, and look at three parts of a chain of
thought, so that a changed word does not hide a copy. Formulas that a model repeats in many samples prove
nothing and do not count.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rise_bench.registry import BenchmarkSpec
from rise_bench.scoring import SampleScore
from rise_bench.submission import Reason, Submission, quoted
from rise_bench.values import Boxes, Distribution, Gold

#: Letters of a part of a CoT that is compared; shorter CoTs are not.
_PART_LETTERS = 60
_LEAST_SAMPLES = 20

#: A hash that no text has: `_digest` gives 63 bits.
_NEVER = np.uint64(2**64 - 1)

_LOWER = bytes(range(256)).lower()
_NO_LETTERS = bytes(i for i in range(256) if not chr(i).isalpha() or i > 127)


@dataclass(frozen=True)
class Fingerprint:
    """What is compared with other submissions.

    Attributes:
        path: Folder of the submission.
        model: Id of the model.
        samples_sha256: Hash of `samples.jsonl`.
        parts: Hashes of head, middle and tail of each CoT; shape (samples, 3), 0 where it is too short or not
            its own.
        answers: Hash of each answer without spaces; shape (samples,), 0 where there is none.
    """

    path: str
    model: str
    samples_sha256: str
    parts: NDArray[np.uint64]
    answers: NDArray[np.uint64]


def fingerprint(
    path: str, submission: Submission, thinks: Sequence[str], answers: Sequence[str]
) -> Fingerprint:
    """Take the fingerprint of a submission, samples in order of ids."""
    parts = np.array([_parts(think) for think in thinks], dtype=np.uint64).reshape(-1, 3)
    for column in parts.T:
        _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        column[counts[inverse] > 1] = 0
    hashes = [_digest("".join(answer.split())) if answer else 0 for answer in answers]
    return Fingerprint(
        path, submission.model.id, submission.samples.sha256, parts, np.array(hashes, dtype=np.uint64)
    )


def _parts(think: str) -> tuple[int, int, int]:
    letters = _letters(think)
    if len(letters) < _PART_LETTERS:
        return 0, 0, 0
    middle = (len(letters) - _PART_LETTERS) // 2
    return (
        _digest(letters[:_PART_LETTERS]),
        _digest(letters[middle : middle + _PART_LETTERS]),
        _digest(letters[-_PART_LETTERS:]),
    )


def _letters(text: str) -> str:
    if text.isascii():  # the same, several times faster
        return text.encode().translate(_LOWER, _NO_LETTERS).decode()
    return "".join(filter(str.isalpha, text)).casefold()


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 or 1


def resemblance(new: Fingerprint, known: Sequence[Fingerprint]) -> list[Reason]:
    """Compare with submissions to the same benchmark; each gives at most one reason, the strongest."""
    others = [k for k in known if k.path != new.path and len(k.answers) == len(new.answers)]
    if not others:
        return []
    own, answered = (new.parts != 0).any(axis=1), new.answers != 0
    parts = np.where(new.parts != 0, new.parts, _NEVER)
    same = [(a := k.parts == parts)[:, 0] | a[:, 1] | a[:, 2] for k in others]
    thoughts = _shares([int(np.count_nonzero(hits)) for hits in same], int(own.sum()))
    stated = np.where(answered, new.answers, _NEVER)
    answers = _shares([int(np.count_nonzero(k.answers == stated)) for k in others], int(answered.sum()))
    reasons = (_reason(new, *found) for found in zip(others, thoughts, answers, strict=True))
    return [reason for reason in reasons if reason is not None]


def _shares(counts: Sequence[int], total: int) -> list[float]:
    """Counts as shares; 0 where there is too little to compare."""
    return [count / total if total >= _LEAST_SAMPLES else 0.0 for count in counts]


def _reason(new: Fingerprint, other: Fingerprint, thoughts: float, answers: float) -> Reason | None:
    if other.samples_sha256 == new.samples_sha256:
        same = "same model" if other.model == new.model else f"model {quoted(other.model)}"
        return Reason("copied", f"the samples are byte for byte those of {other.path} ({same})")
    if other.model == new.model:
        return None
    if thoughts >= 0.5:
        return Reason("copied", f"{thoughts:.0%} of the CoTs are those of {other.path}")
    if thoughts >= 0.1:
        return Reason("resembles", f"{thoughts:.0%} of the CoTs are those of {other.path}", "hold")
    if answers >= 0.9:
        return Reason("same_answers", f"{answers:.0%} of the answers are those of {other.path}", "hold")
    return None


def constancy(new: Fingerprint, scores: Sequence[SampleScore], golds: Sequence[Gold]) -> list[Reason]:
    """Find responses that do not depend on the image."""
    if len(scores) < _LEAST_SAMPLES:
        return []
    answered = [int(value) for value in new.answers if value]
    if len(answered) < len(scores) / 2:
        share = 1 - len(answered) / len(scores)
        return [Reason("mostly_empty", f"{share:.0%} of the responses have no answer", "hold")]
    most = Counter(answered).most_common(1)[0][1] / len(answered)
    if most == 1:
        return [
            Reason("constant", "every answer is the same; the floors of the board show constants already")
        ]
    spread = _spread(scores, golds)
    if spread is not None and spread < 0.005:
        return [Reason("constant", f"the answers differ by {spread:.4f} on average: a constant with noise")]
    if most >= 0.9:
        return [Reason("nearly_constant", f"{most:.0%} of the answers are the same", "hold")]
    return []


def _spread(scores: Sequence[SampleScore], golds: Sequence[Gold]) -> float | None:
    """Mean distance of a stated annotation from the mean one (boxes: the first, relative to the image)."""
    rows = []
    for score, gold in zip(scores, golds, strict=True):
        if isinstance(score.stated, Distribution):
            total = sum(score.stated.probs) or 1.0
            rows.append([p / total for p in score.stated.probs])
        elif isinstance(score.stated, Boxes) and score.stated.xywh:
            x, y, w, h = score.stated.xywh[0]
            rows.append([x / gold.width_px, y / gold.height_px, w / gold.width_px, h / gold.height_px])
    if len(rows) < _LEAST_SAMPLES:
        return None
    table = np.clip(np.array(rows, dtype=np.float64), -1e6, 1e6)
    return float(np.abs(table - table.mean(axis=0)).max(axis=1).mean())


def perfection(spec: BenchmarkSpec, scores: Sequence[SampleScore], golds: Sequence[Gold]) -> list[Reason]:
    """Find scores that only someone who has seen the truth reaches."""
    if len(scores) < _LEAST_SAMPLES:
        return []
    soft = [isinstance(gold.annotation, Boxes) or max(gold.annotation.probs) < 0.99 for gold in golds]
    exact = [score.similarity > 0.99 for score, counts in zip(scores, soft, strict=True) if counts]
    if len(exact) >= _LEAST_SAMPLES and sum(exact) >= 0.5 * len(exact):
        share = sum(exact) / len(exact)
        return [Reason("too_good", f"{share:.0%} of the answers equal the truth", "hold")]
    if spec.metric == "accuracy" and all(score.correct for score in scores):
        return [Reason("too_good", "every answer is right", "hold")]
    return []
