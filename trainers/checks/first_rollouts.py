"""Check of the first rollouts: can they teach anything?

They are judged when they are sampled, which is before the first optimiser step, so the check costs nothing
and works in every mode of sampling (sharded, vLLM) alike.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from rise_bench.cot.rollout_log import Rollout
from rise_bench.trainers.runs.run_folder import is_main_process

#: Metric: share of the answers of a step that can be read.
READABLE = "readable"

_log = logging.getLogger(__name__)


class FirstRollouts:
    """Looks at the first rollouts that a process samples and warns if they cannot teach anything."""

    def __init__(self, warn: Callable[[str], None] = _log.warning) -> None:
        self._warn: Callable[[str], None] | None = warn if is_main_process() else None

    def see(self, rollouts: Sequence[Rollout]) -> None:
        """Judge the rollouts of the first call; once."""
        warn, self._warn = self._warn, None
        if warn is None or not rollouts:
            return
        reasons = Counter(rollout.reason for rollout in rollouts)
        if "ok" not in reasons:
            warn(
                f"none of the first {len(rollouts)} responses can be read ({_counted(reasons)}). The first: "
                f"{rollouts[0].answer[:200]!r}. If they are cut off, raise the completion length "
                "(grpo.max_*_length); else start from a model that knows the form, e.g. by an SFT phase."
            )
            return
        groups: dict[tuple[str, int], list[float]] = defaultdict(list)
        for rollout in rollouts:
            groups[rollout.id, rollout.group].append(rollout.earned)
        equal = all(len({*rewards}) == 1 for rewards in groups.values())
        if equal and max(map(len, groups.values())) > 1:
            warn(
                f"all {len(groups)} groups of the first step have equal rewards, which gives no gradient. "
                "Raise grpo.num_generations or grpo.temperature, or start from a better model."
            )


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
