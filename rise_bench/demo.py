"""`rise-bench demo`: the whole way of a benchmark, from nothing to a table, without a download.

Draw a benchmark, make a tiny model, run it through lmms-eval, score it beside the floors. Every step leaves a
complete result or none, and a step whose result is there is not done again; so the same command goes on after
a crash.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rise_bench.bootstrap import RESAMPLES
from rise_bench.dataset import BenchmarkDataset, open_dataset
from rise_bench.dataset_writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation import evaluate
from rise_bench.extras import require_extra
from rise_bench.json_text import json_text
from rise_bench.manifest import MANIFEST_NAME
from rise_bench.registry import load_component
from rise_bench.samples import read_responses
from rise_bench.scored_run import ScoredRun, score_run
from rise_bench.shard_store import Progress
from rise_bench.storage import atomic_write_text
from rise_bench.tiny_model import make_tiny_model

#: An untrained model says nothing; more tokens only take longer.
MAX_NEW_TOKENS = 64

#: Told what happens, a line at a time.
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo makes.

    Attributes:
        out: Folder for everything.
        benchmark: A drawn benchmark: moods, scenes or kinds.
        train: Training rows.
        test: Test rows.
        seed: Seed of the pictures and of the model.
    """

    out: Path
    benchmark: str = "moods"
    train: int = 280
    test: int = 60
    seed: int = 0

    @property
    def data(self) -> Path:
        """Folder of the dataset."""
        return self.out / "data" / self.benchmark

    @property
    def task(self) -> str:
        """Task of lmms-eval."""
        return f"rise_{self.benchmark}"

    @property
    def scores(self) -> Path:
        """File with the scores."""
        return self.out / "scores.json"


def run_demo(demo: Demo, *, tell: Tell, progress: Progress) -> ScoredRun:
    """Do what is not done yet, and return the scores.

    Args:
        demo: What to make.
        tell: Told of each step.
        progress: Told of each picture drawn.

    Raises:
        PrerequisiteError: If the `eval` extra is missing, or lmms-eval leaves no results.
        ConfigError: If `out` holds a demo with other settings.
    """
    require_extra("eval")
    tell(f"1/4 dataset: {demo.train} + {demo.test} pictures of {demo.benchmark}")
    dataset = _dataset(demo, progress)
    tell("2/4 model: a tiny Qwen2-VL with random weights")
    model = make_tiny_model(demo.out / "models" / f"tiny-qwen2-vl-{demo.seed}", seed=demo.seed)
    tell(f"3/4 evaluation: {demo.task} through lmms-eval")
    run = _finished_run(demo, dataset)
    if run is None:
        os.environ["RISE_BENCH_DATA"] = str(demo.data.parent.absolute())
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a tiny model only loses time over more threads
        (evaluated,) = evaluate(_lmms_arguments(demo, model))
        run = evaluated.run
    else:
        tell("    done before")
    tell("4/4 scores, floors beside them")
    atomic_write_text(demo.scores, json_text(run.to_json()) + "\n")
    return run


def next_steps(demo: Demo) -> str:
    """Return the three commands that lead on from here."""
    return "\n".join(
        (
            "Next:",
            "  your data:    rise-bench build custom --source IMAGES --annotations labels.csv --name mine",
            f"  a real model: RISE_BENCH_DATA={demo.data.parent} rise-bench eval --tasks {demo.task} "
            "--model qwen2_vl --model_args pretrained=Qwen/Qwen2-VL-2B-Instruct",
            f"  one answer:   rise-bench explain --data {demo.data} --id {demo.benchmark}/test/000000 "
            "--text 'joy: 0.6, fear: 0.4'",
        )
    )


def _dataset(demo: Demo, progress: Progress) -> BenchmarkDataset:
    if not (demo.data / MANIFEST_NAME).is_file():
        plan = load_component("builders", "world.plan").plan(
            benchmark=demo.benchmark, train=demo.train, test=demo.test, seed=demo.seed
        )
        write_dataset(plan, demo.data, seed=demo.seed, progress=progress)
    dataset = open_dataset(demo.data)
    made = (dataset.manifest.counts, dataset.manifest.seed)
    if made != ({"train": demo.train, "test": demo.test}, demo.seed):
        raise ConfigError(
            f"{demo.data} holds {made[0]} rows of seed {made[1]}, not what this demo asks for; "
            "choose another --out or remove it"
        )
    return dataset


def _finished_run(demo: Demo, dataset: BenchmarkDataset) -> ScoredRun | None:
    """Return the scores of an earlier run on this dataset, if one is complete."""
    for samples in sorted(demo.out.glob(f"results/*/*_samples_{demo.task}.jsonl"), reverse=True):
        try:
            return score_run(read_responses(samples), dataset, resamples=RESAMPLES)
        except DataError:
            continue  # a run that was cut, or of another dataset: it is run again
    return None


def _lmms_arguments(demo: Demo, model: Path) -> list[str]:
    return [
        *("--tasks", demo.task, "--model", "qwen2_vl"),
        *("--model_args", f"pretrained={model},device=cpu,device_map=cpu"),
        *("--gen_kwargs", f"max_new_tokens={MAX_NEW_TOKENS}"),
        *("--output_path", str(demo.out / "results"), "--verbosity", "WARNING"),
    ]
