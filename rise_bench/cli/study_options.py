"""Options of `rise-bench study` about model, launcher and time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rise_bench.errors import ConfigError, PrerequisiteError

if TYPE_CHECKING:
    from rise_bench.data.dataset import BenchmarkDataset
    from rise_bench.experiments.cell import Setup
    from rise_bench.experiments.job_folder import Job
    from rise_bench.experiments.jobs import Launcher
    from rise_bench.experiments.study.grid import Study
    from rise_bench.experiments.study.tuning import Tuning

#: Settings that the study decides itself.
_OWN = {"stage", "phases", "seed", "run.output_dir", "reward.response_form"}
_OWN |= {"model.name", "model.revision", "model.max_pixels", "model.box_unit"}
_OWN_DATA = {"data.benchmark", "data.shots", "data.cots", "data.tau"}
_OWN_DATA |= {"data.min_groundedness", "data.min_reward_blind", "data.min_lift"}
_OWN_STEPS = {"sft.steps", "grpo.steps", "run.save_steps", "run.save_total_limit"}


def own_dataset(benchmark: str) -> "BenchmarkDataset | None":
    """Return the dataset that a study was given in place of a benchmark of the catalogue, whose name is None.

    Args:
        benchmark: A benchmark of the catalogue; or name, folder or Hub id of a dataset, the recipe of
            `rise-bench init`, or its folder.

    Raises:
        ConfigError: It is the further test of a benchmark, or a recipe that cannot be read.
        DataError: There is no such dataset, or it cannot be studied.
        PrerequisiteError: The dataset of the recipe is not built.
    """
    from rise_bench.catalog.benchmarks import BENCHMARKS

    if benchmark in BENCHMARKS:
        if whole := BENCHMARKS[benchmark].part_of:
            raise ConfigError(f"{benchmark} is a further test of {whole}; name {whole}, which has train")
        return None
    from rise_bench.curation.own.plan import RECIPE_NAME, Plan
    from rise_bench.data.manifest import MANIFEST_NAME
    from rise_bench.experiments.study.setup import find_own

    path = Path(benchmark).expanduser()
    if path.is_dir() and not (path / MANIFEST_NAME).exists() and (path / RECIPE_NAME).is_file():
        path /= RECIPE_NAME
    if path.suffix not in (".yaml", ".yml"):
        return find_own(benchmark)
    dataset = Plan.read(path).dataset
    if not (dataset / MANIFEST_NAME).is_file():
        raise PrerequisiteError(
            f"{path}: its dataset {dataset} is not built; do it with `rise-bench run {path} --stage build`"
        )
    return find_own(dataset)


def checked_setup(
    model: str, scale: Literal["auto", "paper", "world", "smoke"], settings: Sequence[str], *, drawn: bool
) -> "tuple[str, Setup]":
    """Return model, scale and settings of a study; the embedded model as "".

    Args:
        model: Folder or Hub id; empty for that of the scale.
        scale: Scale; auto for that of drawn benchmarks or of others.
        settings: Settings of every training.
        drawn: Whether the benchmark is drawn.

    Raises:
        ConfigError: Model or setting does not exist, or the study decides the setting itself.
    """
    from rise_bench.experiments.scale import ScaleName
    from rise_bench.experiments.study.setup import setup_of
    from rise_bench.models.base_model import BASE_MODEL
    from rise_bench.trainers.settings.config import ModelConfig
    from rise_bench.trainers.settings.recipe_loader import load_config

    load_config(None, settings)
    if decided := sorted({text.partition("=")[0] for text in settings} & (_OWN | _OWN_DATA | _OWN_STEPS)):
        raise ConfigError(f"--set {', '.join(decided)}: the study decides it itself; leave it out")
    usual_scale: ScaleName = "world" if drawn else "paper"
    chosen = usual_scale if scale == "auto" else scale
    usual = {"paper": ModelConfig().name, "world": BASE_MODEL, "smoke": "tiny-qwen2_vl"}
    return setup_of(model or usual[chosen], chosen, tuple(settings))


#: Settings of RISE-CoT that `collect` and `verify` do not have for a model that was not trained.
_OF_TEACHER = {"grpo.max_cot_length", "grpo.max_reconstruction_length", "grpo.temperature", "grpo.top_p"}


def refuse_unshared(settings: Sequence[str], jobs: "Sequence[Job]") -> None:
    """Refuse settings that would reach the texts of RISE and not those of the untrained model.

    Raises:
        ConfigError: A setting is about sampling or the reward, and a job samples the untrained model.
    """
    names = {text.partition("=")[0] for text in settings}
    unshared = sorted(name for name in names if name in _OF_TEACHER or name.startswith("reward."))
    untrained = [
        job for job in jobs if job.arguments[0] == "verify" or job.arguments[:2] == ("collect", "--benchmark")
    ]
    if unshared and untrained:
        raise ConfigError(
            f"--set {', '.join(unshared)}: {untrained[0].label} would not have it, and the comparison would "
            "not be fair; leave it out, or the methods on such chains of thought (reason_rft, …)"
        )


def untuned_methods(plan: "Study") -> list[str]:
    """Return `METHOD at SHOTS` for methods with the rates of their recipes, where others were tuned."""
    from rise_bench.experiments.methods import find_method
    from rise_bench.experiments.study.settings import Setting, policy_sections

    if not plan.tuned:
        return []
    return [
        f"{method} at {shots}"
        for method in plan.methods
        for shots in plan.shots
        if policy_sections(find_method(method)) and plan.setting(method, shots) == Setting()
    ]


def tuning_notes(plan: "Study") -> list[str]:
    """Return a line about methods that were not tuned, and one about those tuned by fewer trials."""
    untuned, partly = untuned_methods(plan), partly_tuned(plan)
    return [
        *([f"not tuned, with the rates of their recipes: {', '.join(untuned)}"] if untuned else ()),
        *([f"tuned by fewer trials, as others have no score: {', '.join(partly)}"] if partly else ()),
    ]


def partly_tuned(plan: "Study") -> list[str]:
    """Return `METHOD at SHOTS (7 of 8)` for settings of the study whose trials have not all a score."""
    import json

    from rise_bench.experiments.study.settings import choice_of, scored_trials, tuned_name

    if not plan.tuned:
        return []
    used = {choice_of(method, shots, plan.tuned) for method in plan.methods for shots in plan.shots}
    known = json.loads((plan.out / "tuned.json").read_text(encoding="utf-8"))
    return [
        f"{method} at {name.rpartition('/')[2]} ({scored})"
        for name, chosen in known.items()
        if name.startswith(tuned_name(plan.benchmark, plan.budget, ""))
        for method, choice in chosen.items()
        if (name.rpartition("/")[2], method) in used and (scored := scored_trials(choice))
    ]


def launcher_of(name: Literal["process", "local", "slurm"], resources: Sequence[str]) -> "Launcher | None":
    """Return a launcher of submitit; None for child processes.

    Raises:
        PrerequisiteError: submitit or Slurm is not there.
        ConfigError: A resource is not NAME=VALUE, or submitit does not know it.
    """
    if name == "process":
        if resources:
            raise ConfigError("--resource is for --launcher local or slurm; give one of them")
        return None
    from rise_bench.experiments.launchers import SubmititLauncher

    launcher = SubmititLauncher(name, dict(map(_resource, resources)))
    launcher.check()
    return launcher


def _resource(text: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--resource {text!r} is not NAME=VALUE; write e.g. gpus_per_node=8")
    return name, yaml.safe_load(value)


def gpus_of(resources: Sequence[str]) -> int:
    """Return the GPUs of a job by the resources that it asks for; 0 if they do not say so."""
    asked = dict(map(_resource, resources))
    each, nodes = asked.get("gpus_per_node"), asked.get("nodes", 1)
    return each * nodes if isinstance(each, int) and isinstance(nodes, int) else 0


def time_left(
    plan: "Study | Tuning", jobs: "list[Job]", at_once: int, gpus: int = 0
) -> tuple[float, float | None, str]:
    """Return the hours of the remaining jobs side by side, their GPU hours, and a sentence about them.

    Args:
        plan: Study or trials.
        jobs: All of its jobs.
        at_once: Number of concurrent jobs.
        gpus: GPUs of a job; 0 if not known, and GPU hours are then None.
    """
    from rise_bench.experiments.study.cost import remaining_seconds
    from rise_bench.experiments.study.estimate import estimate
    from rise_bench.experiments.study.grid import Study

    if not isinstance(plan, Study) or plan.setup.scale == "world":
        hours = remaining_seconds(jobs, plan.jobs_folder, at_once) / 3600
        return hours, None, f"about {hours:.1f} hours, {at_once} side by side"
    left = estimate(plan)
    hours = left.seconds / 3600
    cards = f"{hours * gpus:.1f} GPU hours with {gpus} a job" if gpus else "to be multiplied by a job's GPUs"
    sentence = f"about {hours:.1f} hours one after the other, {cards}"
    if left.unmeasured:
        listed = ", ".join(f"{count} of {kind}" for kind, count in sorted(left.unmeasured.items()))
        sentence += (
            f"; without what was not measured yet: {listed} (--measure runs three steps of each stage)"
        )
    return hours / at_once, hours * gpus if gpus else None, sentence
