"""Rollouts, and the logs that keep them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from rise_bench.cot.row_log import read_at, read_rows
from rise_bench.errors import DataError
from rise_bench.scoring.rewards import Verdict

#: What only a rollout of the closed loop has.
_LOOP_ONLY = ("cot", "reconstruction", "leak_numbers", "leak_strict")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A sampled text and its reward: chain of thought and reconstruction (eq. 1), or a response (eq. 9).

    Attributes:
        id: Id of the sample.
        step: Optimiser step of the policy that sampled it.
        group: Copy of the prompt; the rollouts of a group were sampled from one prompt by one policy.
        reward: Eq. 1 or 9.
        similarity: S of the equation.
        format_ok: F of the equation.
        reason: "ok", or why the answer is unreadable.
        leak_numbers: Whether the chain of thought has a number in it.
        leak_strict: Whether it has a number or a class name in it.
        cot: Chain of thought; empty for eq. 9.
        reconstruction: What the model answered to image and chain of thought; empty for eq. 9.
        response: Response of eq. 9; None for eq. 1.
        cot_tokens: Length of the chain of thought, where it is known.
        reconstruction_tokens: Length of the reconstruction.
        response_tokens: Length of the response.
        groundedness: Of the chain of thought, in nats per token; None without a judge.
        groundedness_worst_sentence: Of its least grounded sentence.
        paid: What groundedness leaves of the reward; None without a judge.
        attempt: Start of the program that sampled it; a resumed run samples the steps after its checkpoint
            again.
    """

    id: str
    step: int
    group: int
    reward: float
    similarity: float = 0.0
    format_ok: bool = False
    reason: str = "ok"
    leak_numbers: bool = False
    leak_strict: bool = False
    cot: str = ""
    reconstruction: str = ""
    response: str | None = None
    cot_tokens: int | None = None
    reconstruction_tokens: int | None = None
    response_tokens: int | None = None
    groundedness: float | None = None
    groundedness_worst_sentence: float | None = None
    paid: float | None = None
    attempt: str = ""

    @property
    def answer(self) -> str:
        """Text that states the annotation."""
        return self.reconstruction if self.response is None else self.response

    @property
    def earned(self) -> float:
        """What the policy is paid."""
        return self.reward if self.paid is None else self.paid

    @classmethod
    def of(cls, verdict: Verdict, **known: Any) -> Self:
        """Rollout with a verdict and the fields that are known beside it."""
        judged = ("reward", "similarity", "format_ok", "reason", "leak_numbers", "leak_strict")
        return cls(**{name: getattr(verdict, name) for name in judged}, **known)

    def to_json(self) -> dict[str, Any]:
        """Row of the log, without what does not apply."""
        left_out = {"attempt", *(() if self.response is None else _LOOP_ONLY)}
        return {
            name: value for name, value in asdict(self).items() if value is not None and name not in left_out
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; unknown names are ignored.

        Raises:
            KeyError, TypeError, ValueError: The row lacks its step, group or reward.
        """
        numbers = {"step": int(row["step"]), "group": int(row["group"]), "reward": float(row["reward"])}
        known = {name: row[name] for name in _NAMES if row.get(name) is not None}
        return cls(**known | numbers)


_NAMES = tuple(field.name for field in fields(Rollout))


class Located(NamedTuple):
    """A rollout and where its line begins, so that a reader of millions need not hold their texts."""

    rollout: Rollout
    path: Path
    offset: int


def read_rollouts(folders: Iterable[Path | str]) -> Iterator[Located]:
    """Every whole rollout of every log in the folders; truncated lines are skipped.

    Raises:
        DataError: A row is no rollout.
    """
    for row, path, offset in read_rows(folders):
        yield Located(_rollout(row, path, offset), path, offset)


def latest_rollouts(folders: Iterable[Path | str]) -> list[Rollout]:
    """Every rollout in order of steps; of a group that a resumed run sampled again, the later attempt."""
    rollouts = [located.rollout for located in read_rollouts(folders)]
    latest: dict[tuple[str, int, int], str] = {}
    for r in rollouts:
        key = (r.id, r.step, r.group)
        latest[key] = max(latest.get(key, ""), r.attempt)
    kept = (r for r in rollouts if r.attempt == latest[r.id, r.step, r.group])
    return sorted(kept, key=lambda rollout: rollout.step)


def rollout_at(path: Path, offset: int) -> Rollout:
    """The rollout whose line begins at `offset`."""
    return _rollout(read_at(path, offset), path, offset)


def _rollout(row: Mapping[str, Any], path: Path, offset: int) -> Rollout:
    try:
        return Rollout.from_json(row)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}, byte {offset}: a rollout without {error}. Delete that line, and start the same command "
            "again."
        ) from error
