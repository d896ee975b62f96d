"""Signs of responses that the named model did not write: copies, constants, the ground truth.

Fingerprints ignore case, digits, punctuation, accents, invisible characters and look-alike letters, and use
three parts of a chain of thought, so that a changed word does not hide a copy. Phrases that a model repeats
in many samples do not count. Only wrong answers are compared: good models agree on correct answers.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import kind_of
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.files.atomic import sha256_bytes
from rise_bench.leaderboards.submissions.reasons import Reason, quoted
from rise_bench.leaderboards.submissions.samples import render_samples
from rise_bench.scoring.scores import SampleScore

#: Letters in each compared part of a CoT; shorter CoTs are not compared.
_PART_LETTERS = 60
_LEAST_SAMPLES = 20

#: Largest distance, in probability or image side, of equal answers.
_SAME_ANSWER = 0.02
#: Largest distance of answers that are equal to the digit.
_SAME_DIGITS = 1e-4
#: Agreement on errors, and to the digit, from which a submission is held; 0 is chance, 1 a copy.
_SAME_ERRORS, _SAME_TO_THE_DIGIT = 0.8, 0.5

#: Letters of other alphabets that look like Latin ones.
_LOOK_ALIKES = str.maketrans(
    "аАвВсСԁеЕԍнНһіІјЈкКӏмМоОрРԛԚѕЅтТυѵԝԜхХуУɡıɑΑΒΕΖΗΙΚΜΝΟΡΤΥΧαιкνορτυχϲϳօսոհ",
    "aabbccdeeghhhiijjkklmmooppqqssttuvwwxxyygiaabezhikmnoptyxaiknoptuxcjounh",
)

#: Submissions of an account to a benchmark with hidden ground truth that nobody looks at.
FREE_SUBMISSIONS = 5

#: Hash of no text, because `_digest` has 63 bits.
_NEVER = np.uint64(2**64 - 1)

_LOWER = bytes(range(256)).lower()
_NO_LETTERS = bytes(i for i in range(256) if not chr(i).isalpha() or i > 127)


@dataclass(frozen=True)
class Fingerprint:
    """Features of a submission for comparisons.

    Attributes:
        path: Folder of the submission.
        model: Id of the model, in lower case.
        responses: Hash of the responses, independent of the file format.
        parts: Hashes of head, middle and tail of each CoT; shape (samples, 3), 0 if too short or repeated.
        answers: Hash of each answer without spaces; shape (samples,), 0 without an answer.
        stated: Landmarks of each stated annotation; shape (samples, 4), NaN if unreadable.
        wrong: Whether each answer is wrong; shape (samples,).
        fine: Whether each answer has digits of its own; shape (samples,).
    """

    path: str
    model: str
    responses: str
    parts: NDArray[np.uint64]
    answers: NDArray[np.uint64]
    stated: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    fine: NDArray[np.bool_]

    @property
    def author(self) -> str:
        """Account that sent it; empty for a folder outside a board."""
        return self.path.split("/")[1].casefold() if self.path.count("/") == 2 else ""


def fingerprint(
    path: str,
    model: str,
    responses: Mapping[str, str],
    scores: Sequence[SampleScore],
    golds: Sequence[Gold],
) -> Fingerprint:
    """Return the fingerprint of a submission.

    Args:
        path: Its folder.
        model: Id of its model.
        responses: Raw response by sample id.
        scores: Score of each sample, in order of ids.
        golds: Samples, in the same order.
    """
    parts = np.array([_parts(score.reading.think) for score in scores], dtype=np.uint64).reshape(-1, 3)
    for column in parts.T:
        _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        column[counts[inverse] > 1] = 0
    answers = [score.reading.answer for score in scores]
    hashes = [_digest("".join(answer.split())) if answer else 0 for answer in answers]
    pairs = list(zip(scores, golds, strict=True))
    return Fingerprint(
        path,
        model.casefold(),
        sha256_bytes(render_samples(responses)),
        parts,
        np.array(hashes, dtype=np.uint64),
        np.array([_landmarks(*pair) for pair in pairs], dtype=np.float32).reshape(-1, 4),
        np.array([_is_wrong(*pair) for pair in pairs], dtype=np.bool_),
        np.array([_is_fine(*pair) for pair in pairs], dtype=np.bool_),
    )


def _landmarks(score: SampleScore, gold: Gold) -> tuple[float, ...]:
    numbers = () if score.stated is None else kind_of(score.stated).landmarks(gold, score.stated)
    return (*numbers, 0.0, 0.0, 0.0, 0.0)[:4] if numbers else (math.nan,) * 4


def _is_wrong(score: SampleScore, gold: Gold) -> bool:
    return score.stated is None or kind_of(score.stated).is_wrong(gold.annotation, score.stated)


def _is_fine(score: SampleScore, gold: Gold) -> bool:
    if score.stated is None:
        return False
    kind = kind_of(score.stated)
    return not kind.is_certain(gold.annotation) and not kind.is_round(score.stated)


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
    plain = unicodedata.normalize("NFKD", text).translate(_LOOK_ALIKES)
    return "".join(filter(str.isalpha, plain)).casefold()


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 or 1


def resemblance(new: Fingerprint, known: Sequence[Fingerprint], *, hidden: bool = False) -> list[Reason]:
    """Compare with submissions to the same benchmark; each adds at most its strongest reason.

    Where the truth is hidden, no number says how much: two runs that differ in one answer would tell of it.

    Runs of a model by the same account may resemble each other. A model that only other accounts have sent is
    a reason too.
    """
    own = int((new.parts != 0).any(axis=1).sum())
    parts = np.where(new.parts != 0, new.parts, _NEVER)
    others = (k for k in known if k.path != new.path and len(k.answers) == len(new.answers))
    reasons = (_reason(new, other, parts, own, hidden=hidden) for other in others)
    return [*(reason for reason in reasons if reason is not None), *_of_another_account(new, known)]


def _of_another_account(new: Fingerprint, known: Sequence[Fingerprint]) -> list[Reason]:
    """Return a reason if only other accounts have sent runs of the model: its page would speak for them."""
    authors = {other.author for other in known if other.model == new.model and other.path != new.path}
    if not authors or not new.author or new.author in authors:
        return []
    message = (
        f"{quoted(new.model)} was sent by {', '.join(sorted(authors))} before; a maintainer decides whether "
        f"{new.author} may speak for it"
    )
    return [Reason("model_of_others", message, "hold")]


def probing(new: Fingerprint, known: Sequence[Fingerprint]) -> list[Reason]:
    """Return a reason if an account sends many submissions: each score tells a little of hidden truth."""
    sent = sum(1 for other in known if new.author and other.author == new.author and other.path != new.path)
    if sent < FREE_SUBMISSIONS:
        return []
    message = (
        f"{new.author} has sent {sent} submissions to this benchmark, whose truth is hidden; from the "
        f"{FREE_SUBMISSIONS + 1}th on a maintainer decides, because each score tells a little of it"
    )
    return [Reason("many_submissions", message, "hold")]


def _reason(
    new: Fingerprint, other: Fingerprint, parts: NDArray[np.uint64], own: int, *, hidden: bool
) -> Reason | None:
    same_model = other.model == new.model
    of_model = "the same model" if same_model else f"model {quoted(other.model)}"
    if other.responses == new.responses:
        return Reason("copied", f"the responses are those of {other.path} ({of_model}), every one")
    if same_model and new.author and other.author == new.author:
        return None
    thoughts = int((other.parts == parts).any(axis=1).sum()) / own if own >= _LEAST_SAMPLES else 0.0
    if thoughts >= 0.1:
        message = f"{thoughts:.0%} of the CoTs are those of {other.path} ({of_model})"
        if thoughts < 0.5:
            return Reason("resembles", message, "hold")
        # Running public weights again, greedily, gives much the same: a maintainer has to decide.
        return Reason("copied", message, "hold" if same_model else "reject")
    errors, digits = agreement_on_errors(new, other), agreement_to_the_digit(new, other)
    if errors >= _SAME_ERRORS or digits >= _SAME_TO_THE_DIGIT:
        shares = f"errors ({errors:.2f} from 0, chance, to 1) or digits ({digits:.2f})"
        shares = "errors or digits" if hidden else shares
        return Reason("same_answers", f"its {shares} are those of {other.path} ({of_model})", "hold")
    return None


def agreement_on_errors(new: Fingerprint, other: Fingerprint) -> float:
    """Return the agreement of two submissions where either is wrong, beyond chance; see `_agreement`."""
    return _agreement(new, other, new.wrong | other.wrong, _SAME_ANSWER)


def agreement_to_the_digit(new: Fingerprint, other: Fingerprint) -> float:
    """Return the agreement of two submissions to the digit, beyond chance; see `_agreement`."""
    return _agreement(new, other, new.fine & other.fine, _SAME_DIGITS)


def _agreement(new: Fingerprint, other: Fingerprint, chosen: NDArray[np.bool_], tolerance: float) -> float:
    """Return the agreement on the chosen samples that both answer, beyond chance.

    It is (agreement - chance) / (1 - chance), as Cohen's kappa: about 0 for unrelated models, 1 for a copy, 0
    with too few samples. Chance is the agreement of answers to *different* samples, which allows for models
    that favour a class or a place.
    """
    rows = np.flatnonzero(chosen & ~np.isnan(new.stated[:, 0] + other.stated[:, 0]))
    if len(rows) < _LEAST_SAMPLES:
        return 0.0
    first, second = new.stated[rows], other.stated[rows]

    def agree(shift: int) -> float:
        apart = np.abs(first - np.roll(second, shift, axis=0)).max(axis=1)
        return float((apart <= tolerance).mean())

    chance = float(np.mean([agree(len(rows) * k // 6) for k in range(1, 6)]))
    return (agree(0) - chance) / (1 - chance) if chance < 1 else 0.0


def constancy(new: Fingerprint, scores: Sequence[SampleScore], golds: Sequence[Gold]) -> list[Reason]:
    """Return reasons against responses that do not depend on the image."""
    if len(scores) < _LEAST_SAMPLES:
        return []
    answered = [int(value) for value in new.answers if value]
    if len(answered) < len(scores) / 2:
        share = 1 - len(answered) / len(scores)
        return [Reason("mostly_empty", f"{share:.0%} of the responses have no answer", "hold")]
    most = Counter(answered).most_common(1)[0][1] / len(answered)
    if most == 1:
        return [Reason("constant", "every answer is the same; the board already shows constant baselines")]
    spread = _spread(scores, golds)
    if spread is not None and spread < 0.005:
        return [Reason("constant", f"the answers differ by {spread:.4f} on average: a constant with noise")]
    if most >= 0.9:
        return [Reason("nearly_constant", f"{most:.0%} of the answers are the same", "hold")]
    return []


def _spread(scores: Sequence[SampleScore], golds: Sequence[Gold]) -> float | None:
    """Return the mean distance of stated annotations from their mean, in their coordinates."""
    stated = [(gold, s.stated) for s, gold in zip(scores, golds, strict=True) if s.stated is not None]
    rows = [row for gold, answer in stated if (row := kind_of(answer).coordinates(gold, answer))]
    if len(rows) < _LEAST_SAMPLES:
        return None
    table = np.clip(np.array(rows, dtype=np.float64), -1e6, 1e6)
    return float(np.abs(table - table.mean(axis=0)).max(axis=1).mean())


def perfection(
    spec: BenchmarkSpec, scores: Sequence[SampleScore], golds: Sequence[Gold], *, hidden: bool = False
) -> list[Reason]:
    """Return reasons against scores that need access to the ground truth; without numbers if it is hidden."""
    if len(scores) < _LEAST_SAMPLES:
        return []
    soft = [not kind_of(gold.annotation).is_certain(gold.annotation) for gold in golds]
    exact = [score.similarity > 0.99 for score, counts in zip(scores, soft, strict=True) if counts]
    if len(exact) >= _LEAST_SAMPLES and sum(exact) >= 0.5 * len(exact):
        share = "many" if hidden else f"{sum(exact) / len(exact):.0%}"
        return [Reason("too_good", f"{share} of the answers equal the ground truth", "hold")]
    if spec.ranking.sample and all(score.value(spec.ranking) == spec.ranking.best for score in scores):
        return [Reason("too_good", "every answer is right", "hold")]
    return []
