"""Where methods are compared, and the `rise-bench` commands of which they consist.

A cell is one benchmark, one number of shots, one seed. Jobs that make chains of thought are one for the whole
cell; the jobs that train and score a policy may carry a tag, so that several settings stand side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rise_bench.base_model import BASE_MODEL, MAX_PIXELS
from rise_bench.jobs import Job
from rise_bench.parsing import Style

#: Longest answer that the base model gives, with room.
_NEW_TOKENS = 256
_EVAL_BATCH = 20
_SWEEP_BATCH = 16

#: How the names of jobs begin whose chains of thought all methods of a cell share.
_SHARED = ("rise_cot", "collect", "base_cots")

Section = Literal["sft", "grpo"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark, one number of shots, one seed: where its methods are compared.

    Attributes:
        data: Folder of the built benchmark; its name is the benchmark's.
        shots: 4-shot, 16-shot or full.
        seed: Seed of training.
        out: Folder of runs and evaluations.
        prefix: Put before the names of the jobs.
        tag: Put behind the names of the jobs that train and score a policy.
        overrides: Settings (`key=value`) by training job (rise_cot, rise_r1, sft, …), after the recipe's.
    """

    data: Path
    shots: str
    seed: int
    out: Path
    prefix: str = ""
    tag: str = ""
    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.data.name

    def tagged(self, job: str) -> str:
        """Return the name of a job within the cell."""
        return job if job.startswith(_SHARED) else f"{job}{self.tag}"

    def run(self, job: str) -> Path:
        """Return the run folder of a training job."""
        return self.out / "runs" / self.tagged(job)

    def results(self, method: str) -> Path:
        """Return the folder of a method's evaluation."""
        return self.out / "eval" / self.tagged(method)

    def evaluation(self, method: str) -> str:
        """Return the full name of the job that scores a method."""
        return f"{self.prefix}{self.tagged(f'eval_{method}')}"

    @property
    def cots(self) -> Path:
        """The CoT dataset of RISE-CoT."""
        return self.run("rise_cot") / "cots"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to train.

    Attributes:
        title: How tables call it.
        trainings: Makes its training jobs, those that are needed first.
        model: Where its model is, given the cell, or its name.
        style: Form in which it is asked.
        phases: Training jobs and sections of their settings, in order: every optimiser step of the method.
        cots: Where the CoT dataset is on which its SFT phase trains; None if there is none.
        tau: Smallest reward of a chain of thought that it trains on; None if it takes all.
        min_groundedness: Smallest groundedness of its least grounded sentence, in nats a token; None if that
            is not asked for.
        teacher_counts: Whether the steps of RISE-CoT are part of the budget.
        share_of_steps: Share of the budget that it uses.
        tuned_as: Method whose settings it has, if they are not its own or, of an ablation, those of RISE.
    """

    title: str
    trainings: Callable[[Cell], list[Job]]
    model: Callable[[Cell], Path | str]
    style: Style = "think_answer"
    phases: tuple[tuple[str, Section], ...] = ()
    cots: Callable[[Cell], Path] | None = None
    tau: float | None = None
    min_groundedness: float | None = None
    teacher_counts: bool = True
    share_of_steps: float = 1.0
    tuned_as: str = ""


def train(cell: Cell, stage: str, *needs: Job, settings: Sequence[str] = (), run: str = "") -> Job:
    """Return the job that trains a stage.

    Args:
        cell: Where.
        stage: Stage, and name of its recipe.
        needs: Jobs whose results it reads.
        settings: Settings after the recipe's.
        run: Name of the job, if it is not the stage's.
    """
    name = run or stage
    given = (
        f"data.benchmark={cell.data.absolute()}",  # so that its report finds the pictures later
        f"data.shots={cell.shots}",
        f"seed={cell.seed}",
        f"run.output_dir={cell.run(name)}",
        *settings,
        *cell.overrides.get(name, ()),
    )
    return _job(cell, name, f"train {name}", ("train", stage, "--recipe", f"world/{stage}", *given), needs)


def collect(
    cell: Cell, training: Job, run: str = "rise_cot", *, folder: str = "", options: Sequence[str] = ()
) -> Job:
    """Return the job that collects the chains of thought of a RISE-CoT run.

    Args:
        cell: Where.
        training: The job of the run.
        run: Its name.
        folder: Folder in the run for the CoT dataset, if it is not `cots`.
        options: Further options of `rise-bench collect`.
    """
    arguments = ("collect", str(cell.run(run)), "--batch-rows", str(_SWEEP_BATCH), *options)
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
        cell: Where.
        needs: Jobs whose results it reads.
        run: Name of the job.
        only_high_of: CoT dataset to whose `high` samples it is restricted; None for all samples.
        samples: Chains of thought a sample, of which the best by reward is kept; 1 is no choice at all.
    """
    arguments = (
        *("collect", "--benchmark", cell.benchmark, "--shots", cell.shots, "--model", BASE_MODEL),
        *("--max-pixels", str(MAX_PIXELS), "--samples", str(samples)),
        *("--batch-rows", str(8 * _SWEEP_BATCH // samples)),
        *("--max-cot-length", "96", "--max-reconstruction-length", "96", "--judge", "none"),
        *(("--only-high-of", str(only_high_of)) if only_high_of else ()),
        *("--out", str(cell.run(run))),
    )
    return _job(cell, run, "chains of thought of the base model", arguments, needs)


def evaluate(cell: Cell, name: str, method: Method, needs: Sequence[Job]) -> Job:
    """Return the job that scores a method by lmms-eval."""
    arguments = (
        *("eval", "--tasks", f"rise_{cell.benchmark}", "--model", "qwen2_vl", "--style", method.style),
        "--model_args",
        f"pretrained={method.model(cell)},device=cpu,device_map=cpu,max_pixels={MAX_PIXELS}",
        *("--batch_size", str(_EVAL_BATCH), "--gen_kwargs", f"max_new_tokens={_NEW_TOKENS}"),
        *("--output_path", str(cell.results(name)), "--verbosity", "WARNING", "--json"),
    )
    return _job(cell, f"eval_{name}", f"lmms-eval of {method.title}", arguments, needs)


def _job(cell: Cell, name: str, label: str, arguments: tuple[str, ...], needs: Sequence[Job]) -> Job:
    environment = {
        "RISE_BENCH_DATA": str(cell.data.parent.absolute()),
        "OMP_NUM_THREADS": "1",  # so small a model only loses time over more
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }
    full = f"{cell.prefix}{cell.tagged(name)}"
    where = f" ({cell.prefix.rstrip('/')}{full.removeprefix(f'{cell.prefix}{name}')})" if cell.prefix else ""
    return Job(full, f"{label}{where}", arguments, tuple(job.name for job in needs), environment)
