"""RISE, its rivals and its ablations as jobs: what is trained in which order, and scored by lmms-eval.

A method is a few `rise-bench` commands over the recipes of the drawn benchmarks; methods that share a part,
such as the chains of thought of RISE-CoT, share its job. Every model is asked in the form that it was taught.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench.base_model import BASE_MODEL, MAX_PIXELS, base_model_folder
from rise_bench.errors import ConfigError
from rise_bench.jobs import Job
from rise_bench.parsing import Style

#: Longest answer that the base model gives, with room.
_NEW_TOKENS = 256
_EVAL_BATCH = 20
_SWEEP_BATCH = 16


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark, one number of shots, one seed: where its methods are compared.

    Attributes:
        data: Folder of the built benchmark; its name is the benchmark's.
        shots: 4-shot, 16-shot or full.
        seed: Seed of training.
        out: Folder of runs and evaluations.
        prefix: Put before the names of the jobs.
        overrides: Settings (`key=value`) by training job (rise_cot, rise_r1, sft, …), after the recipe's.
    """

    data: Path
    shots: str
    seed: int
    out: Path
    prefix: str = ""
    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.data.name

    def run(self, job: str) -> Path:
        """Return the run folder of a training job."""
        return self.out / "runs" / job

    def results(self, method: str) -> Path:
        """Return the folder of a method's evaluation."""
        return self.out / "eval" / method

    @property
    def cots(self) -> Path:
        """The CoT dataset of RISE-CoT."""
        return self.run("rise_cot") / "cots"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to train.

    Attributes:
        title: How tables call it.
        trainings: Makes its training jobs.
        model: Where its model is, given the cell.
        style: Form in which it is asked.
    """

    title: str
    trainings: Callable[[Cell], list[Job]]
    model: Callable[[Cell], Path]
    style: Style = "think_answer"


def method_jobs(cell: Cell, methods: list[str]) -> list[Job]:
    """Return the jobs of some methods, each job once, those that are needed first."""
    jobs: dict[str, Job] = {}
    for name in methods:
        if name not in METHODS:
            raise ConfigError(f"no method {name!r}; choose from {', '.join(METHODS)}")
        trainings = METHODS[name].trainings(cell)
        jobs |= {job.name: job for job in trainings}
        evaluation = _evaluate(cell, name, trainings[-1:])
        jobs[evaluation.name] = evaluation
    return list(jobs.values())


def _train(cell: Cell, stage: str, *needs: Job, settings: tuple[str, ...] = (), run: str = "") -> Job:
    name = run or stage
    given = (
        f"data.benchmark={cell.benchmark}",
        f"data.shots={cell.shots}",
        f"seed={cell.seed}",
        f"run.output_dir={cell.run(name)}",
        *settings,
        *cell.overrides.get(name, ()),
    )
    return _job(cell, name, f"train {name}", ("train", stage, "--recipe", f"world/{stage}", *given), needs)


def _collect(cell: Cell, *needs: Job) -> Job:
    arguments = ("collect", str(cell.run("rise_cot")), "--batch-rows", str(_SWEEP_BATCH))
    return _job(cell, "collect", "collect the chains of thought", arguments, needs)


def _sweep_base(cell: Cell) -> Job:
    """One chain of thought a sample from the base model, none left out: what an unfiltered teacher gives."""
    arguments = (
        *("collect", "--benchmark", cell.benchmark, "--shots", cell.shots, "--model", BASE_MODEL),
        *("--max-pixels", str(MAX_PIXELS), "--samples", "1", "--batch-rows", str(8 * _SWEEP_BATCH)),
        *("--max-cot-length", "96", "--max-reconstruction-length", "96"),
        *("--out", str(cell.run("base_cots"))),
    )
    return _job(cell, "base_cots", "chains of thought of the base model", arguments, ())


def _evaluate(cell: Cell, method: str, needs: list[Job]) -> Job:
    chosen = METHODS[method]
    arguments = (
        *("eval", "--tasks", f"rise_{cell.benchmark}", "--model", "qwen2_vl", "--style", chosen.style),
        "--model_args",
        f"pretrained={chosen.model(cell)},device=cpu,device_map=cpu,max_pixels={MAX_PIXELS}",
        *("--batch_size", str(_EVAL_BATCH), "--gen_kwargs", f"max_new_tokens={_NEW_TOKENS}"),
        *("--output_path", str(cell.results(method)), "--verbosity", "WARNING", "--json"),
    )
    return _job(cell, f"eval_{method}", f"lmms-eval of {chosen.title}", arguments, tuple(needs))


def _job(cell: Cell, name: str, label: str, arguments: tuple[str, ...], needs: tuple[Job, ...]) -> Job:
    environment = {
        "RISE_BENCH_DATA": str(cell.data.parent.absolute()),
        "OMP_NUM_THREADS": "1",  # so small a model only loses time over more
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }
    return Job(f"{cell.prefix}{name}", label, arguments, tuple(job.name for job in needs), environment)


def _rise_cot(cell: Cell) -> list[Job]:
    train = _train(cell, "rise_cot")
    return [train, _collect(cell, train)]


def _rise(cell: Cell) -> list[Job]:
    before = _rise_cot(cell)
    return [*before, _train(cell, "rise_r1", before[-1], settings=(f"data.cots={cell.cots}",))]


def _reason_rft(cell: Cell) -> list[Job]:
    before = _sweep_base(cell)
    cots = f"data.cots={cell.run('base_cots')}"
    return [before, _train(cell, "reason_rft", before, settings=(cots,))]


def _metis_rise(cell: Cell) -> list[Job]:
    before = _rise_cot(cell)
    return [*before, _train(cell, "metis_rise", before[-1], settings=(f"data.expert_cots={cell.cots}",))]


METHODS: dict[str, Method] = {
    "rise": Method("RISE", _rise, lambda cell: cell.run("rise_r1") / "grpo" / "final"),
    "rise_sft": Method("RISE without RFT", _rise, lambda cell: cell.run("rise_r1") / "sft" / "final"),
    "visual_rft": Method(
        "Visual-RFT",
        lambda cell: [_train(cell, "visual_rft")],
        lambda cell: cell.run("visual_rft") / "grpo" / "final",
    ),
    "sft": Method(
        "SFT",
        lambda cell: [_train(cell, "sft")],
        lambda cell: cell.run("sft") / "sft" / "final",
        "answer_only",
    ),
    "reason_rft": Method("Reason-RFT", _reason_rft, lambda cell: cell.run("reason_rft") / "grpo" / "final"),
    "metis_rise": Method("Metis-RISE", _metis_rise, lambda cell: cell.run("metis_rise") / "sft" / "final"),
    "base": Method("base model", lambda _: [], lambda _: base_model_folder()),
}
"""Every method by name; the longest chain of jobs first, so that it starts first."""
