"""Commands of an experiment as jobs: train, collect, evaluate."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rise_bench.evaluation.lmms_command import task_of
from rise_bench.experiments.cell import Cell, Method
from rise_bench.experiments.job_folder import Job


def train(cell: Cell, stage: str, *needs: Job, settings: Sequence[str] = (), run: str = "") -> Job:
    """Return the job that trains a stage.

    Args:
        cell: Cell of the job.
        stage: Stage, and name of its recipe.
        needs: Jobs with its inputs.
        settings: Settings after the recipe's.
        run: Name of the job; the stage if empty.
    """
    name, unit = run or stage, cell.setup.other_box_unit
    given = (
        f"data.benchmark={cell.data.absolute()}",  # so that its report finds the pictures later
        f"data.shots={cell.shots}",
        f"seed={cell.seed}",
        f"run.output_dir={cell.run(name)}",
        *((f"model.name={cell.base}",) if cell.base else ()),
        *((f"model.box_unit={unit}",) if unit else ()),
        *cell.setup.settings,
        *settings,
        *cell.overrides.get(name, ()),
    )
    recipe = f"{cell.place}/{stage}"
    return _job(cell, name, f"train {name}", ("train", stage, "--recipe", recipe, *given), needs)


def collect(
    cell: Cell, training: Job, run: str = "rise_cot", *, folder: str = "", options: Sequence[str] = ()
) -> Job:
    """Return the job that collects the chains of thought of a RISE-CoT run.

    Args:
        cell: Cell of the job.
        training: Job of the run.
        run: Name of the run.
        folder: Folder in the run for the CoT dataset.
        options: Further options of `rise-bench collect`.
    """
    arguments = ("collect", str(cell.run(run)), "--batch-rows", str(cell.setup.limits.sweep_batch), *options)
    name = run.replace("rise_cot", "collect")
    if folder:
        arguments = (*arguments, "--out", str(cell.run(run) / folder))
        name = f"{name}_{folder}"
    return _job(cell, name, "collect the chains of thought", arguments, (training,))


def sweep_base(
    cell: Cell,
    *needs: Job,
    run: str = "base_cots",
    only_high_of: Path | None = None,
    samples: int = 1,
) -> Job:
    """Return the job of the base model's chains of thought, those of an untrained teacher.

    Args:
        cell: Cell of the job.
        needs: Jobs with its inputs.
        run: Name of the job.
        only_high_of: CoT dataset whose `high` samples are used; None for all samples.
        samples: Chains of thought per sample; the best by reward is kept.
    """
    limits, unit = cell.setup.limits, cell.setup.other_box_unit
    arguments = (
        *("collect", "--benchmark", cell.benchmark, "--shots", cell.shots, "--model", cell.base_model),
        *("--max-pixels", str(cell.max_pixels), "--samples", str(samples)),
        *("--batch-rows", str(max(1, 8 * limits.sweep_batch // samples)), "--seed", str(cell.seed)),
        *("--max-cot-length", str(limits.max_cot_length)),
        *("--max-reconstruction-length", str(limits.max_reconstruction_length), "--judge", "none"),
        *(("--box-unit", unit) if unit else ()),
        *(("--only-high-of", str(only_high_of)) if only_high_of else ()),
        *("--out", str(cell.run(run))),
    )
    return _job(cell, run, "chains of thought of the base model", arguments, needs)


def drawn_cots(cell: Cell, run: str = "oracle_cots", *, false_share: float = 0.0) -> Job:
    """Return the job of the chains of thought that the drawn world itself can write.

    Args:
        cell: Cell of the job.
        run: Name of the job.
        false_share: Chance that a statement is false; by default they are true, and always complete.
    """
    where = ("--benchmark", cell.benchmark, "--shots", cell.shots, "--out", str(cell.run(run)))
    errors = ("--false-share", str(false_share), "--seed", str(cell.seed)) if false_share else ()
    arguments = ("drawn-cots", *where, *errors, "--overwrite")
    return _job(cell, run, "chains of thought of the drawn world", arguments, ())


def true_cots(cell: Cell, training: Job) -> Job:
    """Return the job that chooses chains of thought of RISE-CoT that say nothing false."""
    where = ("--benchmark", cell.benchmark, "--of-run", str(cell.run("rise_cot")))
    arguments = ("drawn-cots", *where, "--out", str(cell.run("true_cots")), "--overwrite")
    return _job(cell, "true_cots", "choose true chains of thought", arguments, (training,))


def verify(cell: Cell, written: Job, cots: Path, reconstructions: int) -> Job:
    """Return the job that scores another writer's chains of thought with the base model.

    Args:
        cell: Cell of the job.
        written: Job of the chains of thought.
        cots: Their folder; the scored ones are in `…_verified` beside it.
        reconstructions: Number of reconstructions from each.
    """
    limits, name = cell.setup.limits, f"{cots.name}_verified"
    arguments = (
        *("verify", str(cots), "--benchmark", cell.benchmark, "--shots", cell.shots),
        *("--model", cell.base_model, "--reconstructions", str(reconstructions)),
        *("--no-blind", "--no-lift"),
        *(
            "--max-pixels",
            str(cell.max_pixels),
            "--batch-rows",
            str(max(1, 8 * limits.sweep_batch // reconstructions)),
        ),
        *("--max-reconstruction-length", str(limits.max_reconstruction_length), "--judge", "none"),
        *("--out", str(cell.run(name))),
    )
    return _job(cell, name, "score another writer's chains of thought", arguments, (written,))


def evaluate(cell: Cell, name: str, method: Method, needs: Sequence[Job]) -> Job:
    """Return the job that scores a method by lmms-eval."""
    limits = cell.setup.limits
    device = "device=cpu,device_map=cpu," if limits.on_cpu else ""
    task, environment = task_of(cell.benchmark)
    arguments = (
        *("eval", "--tasks", task, "--model", cell.setup.engine, "--style", method.style),
        "--model_args",
        f"pretrained={method.model(cell)},{device}max_pixels={cell.max_pixels}",
        *("--batch_size", str(limits.eval_batch), "--gen_kwargs", f"max_new_tokens={limits.max_new_tokens}"),
        *("--output_path", str(cell.results(name)), "--verbosity", "WARNING", "--json"),
    )
    return _job(cell, f"eval_{name}", f"lmms-eval of {method.title}", arguments, needs, environment)


def _job(
    cell: Cell,
    name: str,
    label: str,
    arguments: tuple[str, ...],
    needs: Sequence[Job],
    more: Mapping[str, str] | None = None,
) -> Job:
    environment = {
        **(more or {}),
        "RISE_BENCH_DATA": str(cell.data.parent.absolute()),
        "TOKENIZERS_PARALLELISM": "false",
    }
    if cell.setup.limits.on_cpu:
        environment["OMP_NUM_THREADS"] = "1"  # so small a model only loses time over more
    if not cell.setup.on_hub:
        environment["HF_HUB_OFFLINE"] = "1"
    full = f"{cell.prefix}{cell.tagged(name)}"
    where = f" ({cell.prefix.rstrip('/')}{full.removeprefix(f'{cell.prefix}{name}')})" if cell.prefix else ""
    return Job(full, f"{label}{where}", arguments, tuple(job.name for job in needs), environment)
