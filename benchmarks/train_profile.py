"""Profile a RISE-CoT step: the shipped recipe on the embedded base model and drawn moods.

    python benchmarks/train_profile.py

4 prompts x 8 rollouts per step, a checkpoint at every step, logs and metrics as always. CPU seconds of this
process, so that other programs on the machine do not count; the first two steps are left out.
"""

import argparse
import functools
import json
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
from transformers import TrainerCallback

from rise_bench.builders import synthetic
from rise_bench.data.writer import write_dataset
from rise_bench.models.names import local_model
from rise_bench.trainers import rise_cot
from rise_bench.trainers.data.training_data import open_training_data
from rise_bench.trainers.phases.cpu_logprob_patch import trained_positions_only
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config

WARM_UP = 2  #: steps that are not counted


class Stopwatch(TrainerCallback):
    """CPU seconds by part of a step, from the first counted step on; a nested call counts once."""

    def __init__(self):
        self.seconds = defaultdict(float)
        self.total = self.steps = 0
        self._inside = [0.0]  # seconds spent in the parts that the open part called

    def wrap(self, owner, method, part):
        """Count the calls of a method as `part` while the returned context is open."""
        call = getattr(owner, method)

        @functools.wraps(call)
        def timed(*arguments, **options):
            begun = time.process_time()
            self._inside.append(0.0)
            try:
                return call(*arguments, **options)
            finally:
                taken = time.process_time() - begun
                inside = self._inside.pop()
                self._inside[-1] += taken
                if self.steps:
                    self.seconds[part] += taken - inside

        return patch.object(owner, method, timed)

    def on_step_begin(self, args, state, control, **_):  # noqa: ARG002
        """Count from the first step after the warm-up."""
        if state.global_step == WARM_UP:
            self._begun = time.process_time()
        self.steps += state.global_step >= WARM_UP

    def on_train_end(self, args, state, control, **_):  # noqa: ARG002
        """Stop."""
        self.total = time.process_time() - self._begun


def parts(trainer):
    """Owner and method of each part."""
    processor = type(trainer.processing_class)
    return [
        (trainer, "_generate_single_turn", "sampling"),
        (processor, "__call__", "texts and images to tensors"),
        (processor, "apply_chat_template", "texts and images to tensors"),
        (trainer, "_get_per_token_logps_and_entropies", "forward"),
        (trainer.accelerator, "backward", "backward"),
        (torch.optim.AdamW, "step", "optimiser"),
        (trainer, "_calculate_rewards", "rewards, rollout log"),
        (trainer, "_save_checkpoint", "checkpoint"),
    ]


def profile(config, folder):
    """Milliseconds a step by part, and their sum."""
    watch, start = Stopwatch(), local_model(config.model.name)
    trainer = rise_cot.build(config, RunFolder(folder), open_training_data(config.data), start)
    trainer.add_callback(watch)
    with ExitStack() as stack:
        for owner, method, part in parts(trainer):
            stack.enter_context(watch.wrap(owner, method, part))
        stack.enter_context(trained_positions_only())
        trainer.train()
    each = {part: 1000 * seconds / watch.steps for part, seconds in watch.seconds.items()}
    total = 1000 * watch.total / watch.steps
    return {**each, "rest": total - sum(each.values())}, total


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="counted steps")
    parser.add_argument("overrides", nargs="*", help="key=value, as `rise-bench train` takes them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        moods = Path(temporary) / "moods"
        plan = synthetic.plan(benchmark="moods", train=280, test=1, seed=0)
        write_dataset(plan, moods, seed=0)
        own = [f"data.benchmark={moods}", f"grpo.steps={options.steps + WARM_UP}"]
        config = load_config("world/rise_cot", [*own, *options.overrides])
        each, total = profile(config, Path(temporary) / "run")
    rounded = {part: round(ms) for part, ms in sorted(each.items(), key=lambda item: -item[1])}
    print(json.dumps({"cpu_ms_a_step": round(total), "parts": rounded}, indent=1))


if __name__ == "__main__":
    main()
