"""Trains a recipe with rollouts that depend only on their place in the batch; a script for subprocesses.

    python replay.py RECIPE.yaml [--deepspeed]

Sampling cannot be the same on one process and on two, so that it is replaced here by a fixed function of the
row's global position; everything after it (tokens, images, reward, advantage, loss, optimiser) is the real
thing. The optimiser is plain SGD: Adam turns rounding noise of parameters without gradient into full steps.
"""

import random
import sys
import zlib


def place(trainer, rows):
    """Global positions of this process's rows."""
    start = trainer.accelerator.process_index * rows
    return range(start, start + rows)


def fixed_single_turn(trainer, prompt_ids, images, multimodal, generations, **_):
    tokenizer = trainer.processing_class.tokenizer
    allowed = range(len(tokenizer) - 20)  # special tokens come last
    segment = "cot" if generations > 1 else "reconstruction" if images else "blind"
    completions = []
    for row in place(trainer, len(prompt_ids)):
        draw = random.Random(f"{trainer.state.global_step} {segment} {row}")
        tokens = [draw.choice(allowed) for _ in range(draw.randint(2, 9))]
        completions.append([*tokens, tokenizer.eos_token_id])
    return completions, None


def graded(gold, cot, reconstruction, *_, **__):
    from rise_bench.scoring.rewards import Verdict

    reward = zlib.crc32(f"{cot}|{reconstruction}".encode()) % 1000 / 1000
    return Verdict(reward, reward, False, False, True, "ok", None)


def replace_sampling(set_attribute, *, deepspeed=False):
    """Fix rollouts, reward and optimiser by `set_attribute(object, name, value)`."""
    from rise_bench.cot import closed_loop
    from rise_bench.trainers.phases import trl_arguments as loading
    from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoopTrainer

    common = loading.common_arguments

    def with_sgd(*arguments, **options):
        changed = common(*arguments, **options) | {"optim": "sgd"}
        if deepspeed:
            changed |= {"use_cpu": False, "accelerator_config": {"use_configured_state": True}}
        return changed

    set_attribute(loading, "common_arguments", with_sgd)
    set_attribute(closed_loop, "cot_reward", graded)
    set_attribute(ClosedLoopTrainer, "_generate_single_turn", fixed_single_turn)


def train(config):
    from rise_bench.trainers import rise_cot
    from rise_bench.trainers.runs.run_folder import RunFolder

    return rise_cot.train(config, RunFolder.create(config))


def main(recipe, *, deepspeed=False):
    if deepspeed:
        import deepspeed.ops
        from accelerate import PartialState

        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # would be compiled, for a minute
        PartialState(backend="gloo")
    from rise_bench.trainers.settings.recipe_loader import load_config

    replace_sampling(setattr, deepspeed=deepspeed)
    train(load_config(recipe))


if __name__ == "__main__":
    main(sys.argv[1], deepspeed="--deepspeed" in sys.argv)
