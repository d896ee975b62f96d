"""Tuned settings of a method: learning rates, and the split of its steps between SFT and GRPO.

Every method has the same number of trials, on validation pictures of a seed outside the study (`rise-bench
study --tune`). RISE-CoT is not tuned: its chains of thought are shared by all methods.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rise_bench.errors import DataError
from rise_bench.experiments.cell import Method, Section
from rise_bench.experiments.methods import METHODS, find_method

#: Prefixes of trainings that make chains of thought.
COT_TRAINING = "rise_cot"


@dataclass(frozen=True, slots=True)
class Setting:
    """Setting of a method.

    Attributes:
        sft_share: Share of the SFT phase in the policy's steps, beside a GRPO phase.
        sft_learning_rate: Learning rate of the SFT phase; the recipe's if None.
        grpo_learning_rate: Learning rate of the GRPO phase; the recipe's if None.
    """

    sft_share: float = 0.5
    sft_learning_rate: float | None = None
    grpo_learning_rate: float | None = None


_BOTH = tuple(
    Setting(share, sft, grpo) for share in (1 / 3, 2 / 3) for sft, grpo in ((2e-4, 5e-5), (5e-4, 1e-4))
)
_SFT = tuple(Setting(sft_learning_rate=rate) for rate in (1e-4, 2e-4, 5e-4, 1e-3))
_GRPO = tuple(Setting(grpo_learning_rate=rate) for rate in (2e-5, 5e-5, 1e-4, 2e-4))


def policy_sections(method: Method) -> tuple[Section, ...]:
    """Return the phases of a method's policy in order; empty for the base model."""
    return tuple(section for job, section in method.phases if not job.startswith(COT_TRAINING))


def candidates(name: str) -> tuple[Setting, ...]:
    """Return the settings of a method's trials, equally many for all trained methods."""
    sections = set(policy_sections(find_method(name)))
    if sections == {"sft", "grpo"}:
        return _BOTH
    if sections == {"sft"}:
        return _SFT
    return _GRPO if sections else ()


def setting_of(name: str, tuned: Mapping[str, Setting]) -> Setting:
    """Return the setting of a method; that of its base method for an ablation."""
    if name not in METHODS:
        method = find_method(name)
        name = method.tuned_as or ("rise" if "grpo" in policy_sections(method) else "rise_sft")
    return tuned.get(name, Setting())


def read_settings(path: Path, benchmark: str) -> dict[str, Setting]:
    """Return the tuned settings by method; empty before tuning.

    Raises:
        DataError: The file is not that of `rise-bench study --tune`.
    """
    if not path.is_file():
        return {}
    try:
        tuned = json.loads(path.read_text(encoding="utf-8")).get(benchmark, {})
        return {name: Setting(**entry["chosen"]) for name, entry in tuned.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} is not what `rise-bench study --tune` writes ({error}). Remove it and tune again."
        ) from error
