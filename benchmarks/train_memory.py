"""Peak memory of a RISE-CoT step with the prefix tree against padded rows, each in a process of its own.

    python benchmarks/train_memory.py --image-px 896 448

One process trains one step on the randomly initialised small model of `train_step.py`, micro-batch by
micro-batch as `rise-bench train rise_cot` does, on a CPU. Its memory is the highest resident set during
forward and backward of the policy, sampling left aside, over the resident set before.
"""

import argparse
import json
import multiprocessing
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
import train_step_trl
from train_step_model import SHAPES, make_model, make_samples

from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.settings.config import ModelConfig

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(kind):
    """Resident set now (VmRSS) or at its highest (VmHWM), in bytes."""
    return 1024 * int(re.search(rf"{kind}:\s+(\d+) kB", STATUS.read_text())[1])


def peak(name, folder, image_px, prompts, generations):
    """Bytes that the loop's forward and backward passes added at their highest."""
    torch.set_num_threads(1)
    processor = load_processor(ModelConfig(name=str(folder / "model")))
    setup = SimpleNamespace(
        shape=SHAPES["small"],
        prompts=prompts,
        generations=generations,
        steps=1,
        gpu=False,
        device="cpu",
        attention="sdpa",
        model=folder / "model",
        processor=processor,
        not_sampled=sorted(processor.tokenizer.all_special_ids),
        samples=make_samples(image_px, prompts),
    )
    added = []

    def watched(trainer):
        usual = trainer.compute_loss
        step = trainer.accelerator.backward

        def begin(*arguments, **options):
            RESET.write_text("5")  # VmHWM starts again from the present set
            added.append(-resident("VmRSS"))
            return usual(*arguments, **options)

        def end(*arguments, **options):
            step(*arguments, **options)
            added[-1] += resident("VmHWM")

        trainer.compute_loss, trainer.accelerator.backward = begin, end
        trainer.train()
        return added

    train_step_trl.time_trainer = watched
    getattr(train_step_trl, name)(setup, folder / name)
    return max(added)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-px", type=int, nargs=2, default=(896, 448), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--prompts", type=int, default=1, help="prompts a step")
    parser.add_argument("--generations", type=int, default=8, help="G")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_model(folder, SHAPES["small"], torch.float32)
        work = (folder, options.image_px, options.prompts, options.generations)
        used = {}
        for name in ("ours", "padded"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                used[name] = pool.apply(peak, (name, *work))
    print(
        json.dumps(
            {
                "image_px": list(options.image_px),
                "peak_mib": {name: round(value / 2**20) for name, value in used.items()},
                "ours_over_padded": round(used["ours"] / used["padded"], 3),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
