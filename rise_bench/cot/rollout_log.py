"""Rollouts and their logs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from rise_bench.cot.row_log import read_at, read_rows
from rise_bench.errors import DataError
from rise_bench.scoring.rewards import Verdict

#: Fields that only rollouts of the closed loop have.
_LOOP_ONLY = ("cot", "reconstruction", "leak_numbers", "leak_strict")


@dataclass(frozen=True, slots=True)
class Rollout:
    """Sampled text and its reward: chain of thought and reconstruction (eq. 1), or a response (eq. 9).

    Attributes:
        id: Id of the sample.
        step: Optimiser step of the policy that sampled it.
        group: Number of the copy of the prompt in its step; rollouts of a group share prompt and policy.
        reward: R of eq. 1 or 9.
        similarity: S of the equation.
        format_ok: F of the equation.
        reason: "ok", or why the answer is unreadable.
        leak_numbers: Whether the chain of thought contains a number.
        leak_strict: Whether it contains a number or a class name.
        cot: Chain of thought; empty for eq. 9.
        reconstruction: Response to image and chain of thought; empty for eq. 9.
        response: Response to the image (eq. 9); None for eq. 1.
        cot_tokens: Length of the chain of thought in tokens, if known.
        reconstruction_tokens: Length of the reconstruction in tokens.
        response_tokens: Length of the response in tokens.
        groundedness: Groundedness of the chain of thought in nats; None without a judge.
        groundedness_worst_sentence: PMI of its worst sentence.
        groundedness_measure: Version of the measure; rollouts of version 0.1.0 have none, and `token_mean`.
        paid: Reward after the rules of view, groundedness and length; None if none of them applies.
        reward_blind: Eq. 1 with the reconstruction made without the images; None if there is none.
        lift: Reward minus that of a reconstruction beside an empty chain of thought; None if there is none.
        reward_selected: Reward by which the chain of thought was selected, before new reconstructions; None
            if there are none.
        reconstruction_blind: Response to the chain of thought alone; None if there is none.
        view: `blind` if `reconstruction`, and with it reward and similarity, was made without the images.
        attempt: Start of the program that sampled it; a resumed run repeats the steps after its checkpoint.
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
    groundedness_measure: str | None = None
    paid: float | None = None
    reward_blind: float | None = None
    lift: float | None = None
    reward_selected: float | None = None
    reconstruction_blind: str | None = None
    view: Literal["picture", "blind"] = "picture"
    attempt: str = ""

    @property
    def answer(self) -> str:
        """Text that contains the annotation."""
        return self.reconstruction if self.response is None else self.response

    @property
    def earned(self) -> float:
        """Reward that the policy receives."""
        return self.reward if self.paid is None else self.paid

    @classmethod
    def of(cls, verdict: Verdict, **known: Any) -> Self:
        """Make a rollout from a verdict and further fields."""
        judged = ("reward", "similarity", "format_ok", "reason", "leak_numbers", "leak_strict")
        return cls(**{name: getattr(verdict, name) for name in judged}, **known)

    def to_json(self) -> dict[str, Any]:
        """Return the row of the log, without fields that do not apply."""
        left_out = {"attempt", *(() if self.response is None else _LOOP_ONLY)}
        left_out |= {"view"} if self.view == "picture" else set()
        return {
            name: value
            for name in _NAMES
            if name not in left_out and (value := getattr(self, name)) is not None
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of the log; unknown names are ignored.

        Raises:
            KeyError, TypeError, ValueError: The row lacks its step, group or reward.
        """
        numbers = {"step": int(row["step"]), "group": int(row["group"]), "reward": float(row["reward"])}
        known = {name: row[name] for name in _NAMES if row.get(name) is not None}
        return cls(**known | numbers)


_NAMES = tuple(field.name for field in fields(Rollout))


class Located(NamedTuple):
    """Rollout and the byte offset of its line, so that a reader of millions need not hold their texts."""

    rollout: Rollout
    path: Path
    offset: int


def read_rollouts(folders: Iterable[Path | str]) -> Iterator[Located]:
    """Yield every rollout of the logs in the folders; truncated lines are skipped.

    Raises:
        DataError: A row is not a rollout.
    """
    for row, path, offset in read_rows(folders):
        yield Located(_rollout(row, path, offset), path, offset)


def latest_rollouts(folders: Iterable[Path | str]) -> list[Rollout]:
    """Return the rollouts in order of steps; of a group that was sampled again, the later attempt."""
    rollouts = [located.rollout for located in read_rollouts(folders)]
    latest: dict[tuple[str, int, int], str] = {}
    for r in rollouts:
        key = (r.id, r.step, r.group)
        latest[key] = max(latest.get(key, ""), r.attempt)
    kept = (r for r in rollouts if r.attempt == latest[r.id, r.step, r.group])
    return sorted(kept, key=lambda rollout: rollout.step)


def rollout_at(path: Path, offset: int) -> Rollout:
    """Return the rollout whose line begins at byte `offset`."""
    return _rollout(read_at(path, offset), path, offset)


def _rollout(row: Mapping[str, Any], path: Path, offset: int) -> Rollout:
    try:
        return Rollout.from_json(row)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}, byte {offset}: a rollout without {error}. Delete that line, and start the same command "
            "again."
        ) from error
