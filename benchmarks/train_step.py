"""Seconds of one optimiser step at equal work, all loops in one process on one randomly initialised model.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --shape qwen2-vl-2b        on a GPU: bf16, FlashAttention-2 if installed

- ours: the closed loop as `rise-bench train rise_cot` runs it, gradient on both segments;
- padded: the same without the prefix tree (`grpo.prefix_tree=false`);
- grpo: stock TRL GRPO, think-answer, with completions as long as CoT and reconstruction together, so that as
  many tokens are sampled and trained on;
- authors: the way the authors' released trainer is written, extended to the paper's objective: one prompt at
  a time, a reference model always on, the image encoded again for every row, and a log-softmax over the whole
  vocabulary row by row.

Nothing ends early: end tokens are not sampled. The fastest step of all rounds counts; on a CPU the clock is
the CPU time of the process, so that other programs on the machine do not count. The small shape has the
proportions of Qwen2-VL-2B: the vision tower has 0.4 of the language model's weights and sees four patches for
each image token of the prompt.
"""

import argparse
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from train_step_authors import authors
from train_step_model import SHAPES, make_model, make_samples
from train_step_trl import grpo, ours, padded

from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.settings.config import ModelConfig


def attention_of(gpu):
    """FlashAttention-2 where there is one."""
    from transformers.utils import is_flash_attn_2_available

    return "flash_attention_2" if gpu and is_flash_attn_2_available() else "sdpa"


#: Loops by name.
LOOPS = {loop.__name__: loop for loop in (ours, padded, grpo, authors)}


def measure(setup, rounds, folder, loops):
    """Fastest step of each loop, and its peak memory on a GPU; a loop that does not fit has no seconds."""
    seconds, memory = {}, {}
    for number in range(rounds):
        for name in loops:
            if setup.gpu:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            try:
                taken = LOOPS[name](setup, folder / f"{name}-{number}")
            except torch.OutOfMemoryError:
                seconds[name] = memory[name] = None
                continue
            seconds[name] = min([*taken, seconds.get(name) or float("inf")])
            memory[name] = torch.cuda.max_memory_allocated() / 2**30 if setup.gpu else None
    return seconds, memory


def ratio(seconds, first, second):
    """First over second, rounded; None if one was not measured."""
    both = (seconds.get(first), seconds.get(second))
    return round(both[0] / both[1], 3) if all(both) else None


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--prompts", type=int, default=2, help="prompts a step")
    parser.add_argument("--generations", type=int, default=8, help="G")
    parser.add_argument("--steps", type=int, default=2, help="timed steps a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--image-px", type=int, nargs=2, default=(896, 448), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--attention", help="sdpa, flex_attention, flash_attention_2; the fastest installed")
    parser.add_argument("--model", type=Path, help="a checkpoint of the shape that was made before")
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    shape = SHAPES[options.shape]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path, weights = options.model, None
        if path is None:
            dtype, device = (torch.bfloat16, "cuda") if gpu else (torch.float32, "cpu")
            path, weights = make_model(folder, shape, dtype, device)
        bounds = ModelConfig(name=str(path))
        processor = load_processor(bounds)
        setup = SimpleNamespace(
            shape=shape,
            prompts=options.prompts,
            generations=options.generations,
            steps=options.steps,
            gpu=gpu,
            device="cuda" if gpu else "cpu",
            attention=options.attention or attention_of(gpu),
            model=path,
            processor=processor,
            not_sampled=sorted(processor.tokenizer.all_special_ids),
            samples=make_samples(options.image_px, options.prompts),
        )
        seconds, memory = measure(setup, options.rounds, folder, options.loops)
    print(
        json.dumps(
            {
                "shape": options.shape,
                "weights_millions": round(weights / 1e6, 1) if weights else None,
                "device": torch.cuda.get_device_name() if gpu else f"cpu, {torch.get_num_threads()} threads",
                "attention": setup.attention,
                "clock": "wall" if gpu else "cpu",
                "image_px": list(options.image_px),
                "prompts": options.prompts,
                "generations": options.generations,
                "trained_tokens": options.prompts * options.generations * (shape.cot + shape.reconstruction),
                "seconds_per_step": {
                    name: round(value, 3) if value else None for name, value in seconds.items()
                },
                "ours_over_grpo": ratio(seconds, "ours", "grpo"),
                "authors_over_ours": ratio(seconds, "authors", "ours"),
                "peak_memory_gib": {n: round(m, 2) if m is not None else None for n, m in memory.items()},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
