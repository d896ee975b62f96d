"""Kill a training run before its 1st, 2nd, 3rd … write; run by test_kill_training.py in a process of its own.

Usage: kill_training.py RECIPE, with tests/ on the path. The run of the recipe is started, killed before its
n-th step that changes the disk, and started again with the next n until it ends by itself. As every start
goes on from the last checkpoint, n passes over every write of a start, a step and a checkpoint, and over the
deletion of an old one. After each kill at most the step in flight is lost. At the end weights, rollouts and
metrics are those of a run that was never killed. Prints the number of kills.
"""

import functools
import itertools
import sys
from dataclasses import replace
from pathlib import Path

from kills import in_child, kill_at_step

from rise_bench.reports.run_report import read_metrics


def train(config, kill_at=None):
    """Train, with a reward that any text earns."""
    from replay import graded

    from rise_bench.cot import closed_loop
    from rise_bench.trainers import rise_cot
    from rise_bench.trainers.runs.run_folder import RunFolder

    closed_loop.cot_reward = graded
    if kill_at:
        kill_at_step(kill_at)
    rise_cot.train(config, RunFolder.create(config))


def must_have_lost_at_most_the_step_in_flight(run):
    """Fail unless the last checkpoint is whole, and at most one step older than the last step logged."""
    import torch
    from safetensors.torch import load_file

    logged = max((row["step"] for row in read_metrics(run.path)), default=0)
    checkpoint = run.last_checkpoint("grpo")
    saved = int(checkpoint.name.rsplit("-", 1)[-1]) if checkpoint else 0
    if not run.final_dir("grpo").exists() and saved < logged - 1:
        raise SystemExit(f"step {logged} was logged and the last checkpoint is that of step {saved}")
    if checkpoint:
        load_file(checkpoint / "model.safetensors")
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            torch.load(checkpoint / name, weights_only=False)


def rollouts_of(run):
    """Rewards of every group as `rise-bench collect` counts them, and the texts of its best rollout."""
    from rise_bench.cot.rollout_groups import groups

    return {
        (uid, group.step, i): (group.rewards, group.read().cot, group.read().reconstruction)
        for uid, found in groups([run.rollouts_dir]).items()
        for i, group in enumerate(sorted(found, key=lambda g: g.step))
    }


def must_equal(run, whole):
    """Fail unless a run came out as one that was never killed."""
    import torch
    from safetensors.torch import load_file

    weights, expected = (load_file(r.final_dir("grpo") / "model.safetensors") for r in (run, whole))
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, atol=0, rtol=0, msg=name)
    if rollouts_of(run) != rollouts_of(whole):
        raise SystemExit("rollouts were lost, doubled or changed")
    steps = [[row["step"] for row in read_metrics(r.path) if "reward" in row] for r in (run, whole)]
    if steps[0] != steps[1]:
        raise SystemExit(f"logged steps are {steps[0]}, not {steps[1]}")


def main(recipe):
    """Train once undisturbed, then kill."""
    import datasets.io.parquet  # noqa: F401 - once here, so that no child spends seconds on it
    import scipy.io  # noqa: F401
    import trl.trainer.grpo_trainer  # noqa: F401

    import rise_bench.trainers.rise_cot  # noqa: F401
    from rise_bench.trainers.runs.run_folder import RunFolder
    from rise_bench.trainers.settings.recipe_loader import load_config

    config = load_config(recipe)
    other = replace(config, run=replace(config.run, output_dir=config.run.output_dir + "-whole"))
    run, whole = (RunFolder(Path(c.run.output_dir)) for c in (config, other))
    if in_child(functools.partial(train, other)):
        raise SystemExit("the undisturbed run was killed")
    for kills, n in enumerate(itertools.count(1)):
        if not in_child(functools.partial(train, config, kill_at=n)):
            must_equal(run, whole)
            sys.stdout.write(f"{kills}\n")
            return
        must_have_lost_at_most_the_step_in_flight(run)


if __name__ == "__main__":
    main(sys.argv[1])
