"""Tuned settings of a method at a number of shots: learning rates, and the split of its steps.

Every method has the same number of trials, on validation pictures of a seed outside the study (`rise-bench
study --tune`): eight, or four with the paper's budget, which leaves no steps to split. The rates of two
phases are tried in all pairs. Each number of shots can have its own trials. RISE-CoT is not tuned: its
chains of thought are shared by all methods.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product, starmap
from pathlib import Path
from typing import Any, Literal

from rise_bench.errors import DataError
from rise_bench.experiments.cell import Method, Section
from rise_bench.experiments.methods import METHODS, find_method

Budget = Literal["steps", "time", "paper"]

#: Number of shots whose settings serve those without their own.
USUAL_SHOTS = "16-shot"

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


_SHARES = (1 / 3, 2 / 3)
_SFT_RATES = (1e-4, 2e-4, 5e-4, 1e-3)
_GRPO_RATES = (2e-5, 5e-5, 1e-4, 2e-4)
_BETWEEN_SFT_RATES = (1.5e-4, 3e-4, 7e-4, 1.5e-3)
_BETWEEN_GRPO_RATES = (3e-5, 7e-5, 1.5e-4, 3e-4)

#: SFT on annotations alone learns at higher rates than on reasons: the base model answers badly in that form.
_ANSWER_RATES = (2e-4, 5e-4, 1e-3, 2e-3)
_BETWEEN_ANSWER_RATES = (3e-4, 7e-4, 1.5e-3, 3e-3)


def policy_sections(method: Method) -> tuple[Section, ...]:
    """Return the phases of a method's policy in order; empty for the base model."""
    return tuple(section for job, section in method.phases if not job.startswith(COT_TRAINING))


def candidates(name: str, budget: Budget = "steps") -> tuple[Setting, ...]:
    """Return the settings of a method's trials, equally many for all trained methods."""
    method, paper = find_method(name), budget == "paper"
    sections = set(policy_sections(method))
    if sections == {"sft", "grpo"}:
        shares = (0.5,) if paper else _SHARES
        return tuple(starmap(Setting, product(shares, _SFT_RATES[1:3], _GRPO_RATES[1:3])))
    if sections == {"sft"}:
        answers = method.style == "answer_only"
        rates = (_ANSWER_RATES, _BETWEEN_ANSWER_RATES) if answers else (_SFT_RATES, _BETWEEN_SFT_RATES)
        return tuple(Setting(sft_learning_rate=rate) for rate in _tried(rates, paper))
    rates = (_GRPO_RATES, _BETWEEN_GRPO_RATES)
    return tuple(Setting(grpo_learning_rate=rate) for rate in _tried(rates, paper)) if sections else ()


def _tried(rates: Sequence[Sequence[float]], paper: bool) -> Sequence[float]:
    return rates[0] if paper else [*rates[0], *rates[1]]


def settings_at(shots: str, tuned: Mapping[str, Mapping[str, Setting]]) -> dict[str, Setting]:
    """Return the settings by method at a number of shots: its own, or else those of 16-shot."""
    return {**tuned.get(USUAL_SHOTS, {}), **tuned.get(shots, {})}


def setting_of(name: str, tuned: Mapping[str, Setting]) -> Setting:
    """Return the setting of a method; that of its base method for an ablation."""
    setting, of_grpo = tuned.get(_source(name, tuned), Setting()), find_method(name).grpo_tuned_as
    if of_grpo not in tuned:
        return setting
    return replace(setting, grpo_learning_rate=tuned[of_grpo].grpo_learning_rate)


def choice_of(name: str, shots: str, tuned: Mapping[str, Mapping[str, Setting]]) -> tuple[str, str] | None:
    """Return number of shots and method of the trials that a method's setting is of; None without any."""
    source = _source(name, settings_at(shots, tuned))
    if not policy_sections(find_method(name)):
        return None
    return next(((at, source) for at in (shots, USUAL_SHOTS) if source in tuned.get(at, {})), None)


def is_tuned(name: str, tuned: Mapping[str, Setting]) -> bool:
    """Whether the setting of a method was chosen by trials, or there is nothing to choose."""
    return _tuned_as(name) in tuned or not policy_sections(find_method(name))


def _source(name: str, tuned: Mapping[str, Setting]) -> str:
    """RISE without GRPO has the rate of RISE if it had no trials of its own."""
    source = _tuned_as(name)
    return "rise" if source == "rise_sft" and source not in tuned else source


def _tuned_as(name: str) -> str:
    method = find_method(name)
    if name in METHODS:
        return name
    return method.tuned_as or ("rise" if "grpo" in policy_sections(method) else "rise_sft")


def scored_trials(choice: Mapping[str, Any]) -> str:
    """Return how many trials of a choice in tuned.json have a score, `7 of 8`; empty if all have one."""
    trials = choice.get("trials", ())
    scored = sum(None not in trial.values() for trial in trials)
    return f"{scored} of {len(trials)}" if scored < len(trials) else ""


def tuned_name(benchmark: str, budget: str, shots: str) -> str:
    """Return the key of settings in tuned.json; those of equal steps serve equal time too."""
    return f"{benchmark}/{_tuned_for(budget)}/{shots}"


def trials_name(benchmark: str, budget: str) -> str:
    """Return the name of the plan of trials in study.json."""
    return f"{benchmark}/tune-{_tuned_for(budget)}"


def _tuned_for(budget: str) -> str:
    return "paper" if budget == "paper" else "steps"


def read_settings(path: Path, benchmark: str, budget: str = "steps") -> dict[str, dict[str, Setting]]:
    """Return the tuned settings by number of shots and method; empty before tuning.

    Raises:
        DataError: The file is not that of `rise-bench study --tune`.
    """
    if not path.is_file():
        return {}
    tuned: dict[str, dict[str, Setting]] = {}
    try:
        for name, chosen in json.loads(path.read_text(encoding="utf-8")).items():
            of, _, shots = name.rpartition("/")
            settings = {method: Setting(**entry["chosen"]) for method, entry in chosen.items()}
            if f"{of}/" == tuned_name(benchmark, budget, ""):
                tuned[shots] = settings
            elif "/" not in of:
                raise KeyError(name)
        return tuned
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} is not what `rise-bench study --tune` writes ({error}). Remove it and tune again."
        ) from error
