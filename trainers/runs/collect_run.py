"""Settings of a collection, read from a training run."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_bench.errors import ConfigError
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_recorded

if TYPE_CHECKING:
    from rise_bench.cot.collect_job import CollectJob
    from rise_bench.models.sampler import Sampling


def run_config(run: Path | None) -> Any:
    """Config of a training run; None without one."""
    if run is None:
        return None
    if not (run / "config.yaml").is_file():
        raise ConfigError(
            f"{run} is not a run folder: it has no config.yaml. Name the folder that `train` wrote."
        )
    config = load_recorded(run / "config.yaml")
    if not config.declared_stage.is_closed_loop:
        raise ConfigError(
            f"{run} is a run of {config.stage}, whose responses do not explain annotations. Name the run of "
            "rise_cot."
        )
    return config


def plan_of_sweep(
    run: Path | None, config: Any, benchmark: str, shots: str, out: Path | None, asked: dict[str, Any]
) -> tuple["CollectJob", "Sampling"]:
    """The job without its sampler, and how tokens are drawn."""
    from rise_bench.cot.closed_loop import LoopSettings
    from rise_bench.cot.collect_job import CollectJob
    from rise_bench.files.paths import cache_folder
    from rise_bench.hub.find import find_benchmark
    from rise_bench.models.sampler import Sampling

    sampling = Sampling()
    if config:
        sampling = Sampling(config.grpo.temperature, config.grpo.top_p, config.seed)
    drawn = {name: asked.pop(name) for name in ("temperature", "seed") if name in asked}
    sampling = replace(sampling, **drawn)
    settings = LoopSettings()
    if config:
        rule = replace(config.loop.rule, grounded="none")  # rows are compared by eq. 1
        settings = replace(config.loop, rule=rule, step=config.grpo.steps)
    stated = {name: asked.pop(name) for name in ("unit", "max_pixels") if name in asked}
    if view := asked.pop("view", None):
        settings = replace(settings, rule=replace(settings.rule, view=view))
    settings = replace(settings, answer_format=replace(settings.answer_format, **stated), **asked)
    name = benchmark or (config.data.benchmark if config else "")
    if not name:
        raise ConfigError("nothing to collect for; name a run folder, or --benchmark and --model")
    dataset = find_benchmark(name)
    if run:
        RunFolder(run).refuse_other_benchmark(dataset.sha256)
    target = out or (run / "cots" if run else cache_folder(f"{dataset.spec.name}-cot"))
    job = CollectJob(
        dataset,
        config.data.shots if config else shots,
        target,
        target.with_name(f"{target.name}.rollouts"),
        settings,
        train_log=run / "rollouts" if run else None,
        tau=config.data.tau if config else 0.75,
        provenance=_provenance_of(run, config) if run else {},
    )
    return job, sampling


def _provenance_of(run: Path, config: Any) -> dict[str, Any]:
    """Of rows that the run sampled, by its packages."""
    return {
        "model": config.model.name,
        "revision": config.model.revision,
        "stage": config.stage,
        "temperature": config.grpo.temperature,
        "top_p": config.grpo.top_p,
        "samples": config.grpo.num_generations,
        "seed": config.seed,
        "versions": RunFolder(run).versions(),
        **({"policy_reward": asdict(config.reward)} if _differs_from_eq1(config.reward) else {}),
    }


def _differs_from_eq1(rule: Any) -> bool:
    return rule.grounded != "none" or rule.view != "picture"


def final_model(run: Path | None) -> str:
    """Folder of the final model of a run.

    Raises:
        ConfigError: There is no run, or it is not finished.
    """
    if run is None:
        raise ConfigError("a sweep without a run needs --model (and --benchmark)")
    final = RunFolder(run).final_dir("grpo")
    if not final.is_dir():
        raise ConfigError(
            f"{run} is not finished: {final} is missing. Finish it, or pass --no-sweep or --model."
        )
    return str(final)
