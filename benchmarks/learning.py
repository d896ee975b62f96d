"""Measure how far RISE-CoT raises its reward on the drawn moods, over several seeds.

    python benchmarks/learning.py

The recipe world/rise_cot as it ships: the embedded base model, the paper's reward with all terms, 16-shot.
Before and after training, the closed loop is run on every training picture, 8 rollouts each; prints the mean
rewards, and mean and spread of the rise over the seeds.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from rise_bench.builders import synthetic
from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.data.dataset import open_dataset
from rise_bench.data.pictures import pictures_of
from rise_bench.data.schema import row_to_gold
from rise_bench.data.writer import write_dataset
from rise_bench.models.local import LocalModel
from rise_bench.trainers import rise_cot
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config

BATCH = 14  #: pictures in one call


def mean_reward(model, moods, config):
    """Mean reward (eq. 1) of the closed loop over the training pictures."""
    dataset = open_dataset(moods)
    samples = [
        (row_to_gold(dataset.spec, row), pictures_of(row)) for row in dataset.rows("train", config.data.shots)
    ]
    grpo = config.grpo
    settings = LoopSettings(
        max_cot_length=grpo.max_cot_length, max_reconstruction_length=grpo.max_reconstruction_length
    )
    sampler = LocalModel(str(model), max_pixels=config.model.max_pixels)
    loop, rollouts = ClosedLoop(dataset.spec, settings), []
    for begin in range(0, len(samples), BATCH):
        rollouts += loop.annotate(sampler, samples[begin : begin + BATCH])
    return statistics.mean(rollout.reward for rollout in rollouts)


def measure(out, seeds, overrides):
    """Train each seed, or go on from what `out` holds of it, and measure."""
    moods = out / "moods"
    if not moods.exists():
        plan = synthetic.plan(benchmark="moods", train=280, test=1, seed=0)
        write_dataset(plan, moods, seed=0)
    after = {}
    for seed in seeds:
        own = [f"seed={seed}", f"data.benchmark={moods}", f"run.output_dir={out / str(seed)}"]
        config = load_config("world/rise_cot", [*own, *overrides])
        after[seed] = mean_reward(rise_cot.train(config, RunFolder.create(config)), moods, config)
    before = mean_reward(config.model.name, moods, config)
    rises = [value - before for value in after.values()]
    return {
        "steps": config.grpo.steps,
        "learning_rate": config.grpo.learning_rate,
        "before": round(before, 3),
        "after": {seed: round(value, 3) for seed, value in after.items()},
        "rise_mean": round(statistics.mean(rises), 3),
        "rise_sd": round(statistics.stdev(rises), 3) if rises[1:] else None,
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--out", type=Path, help="keep the runs here; the same command again goes on from them"
    )
    parser.add_argument("overrides", nargs="*", help="key=value, as `rise-bench train` takes them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measured = measure(options.out or Path(temporary), options.seeds, options.overrides)
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
