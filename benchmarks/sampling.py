"""Seconds of sampling G rollouts of the closed loop, each prompt read once and once for each sample.

    python benchmarks/sampling.py
    python benchmarks/sampling.py --shape qwen2-vl-2b        on a GPU, in bf16

A rollout is a chain of thought and a reconstruction, drawn by the local model as `rise-bench collect` draws
them; the G rollouts of all prompts are drawn together. Weights are random, pictures are noise. Both ways draw
from the same random numbers: in float32 they have to draw the same texts, else the benchmark stops. The
fastest of all rounds counts; on a CPU the clock is the CPU time of the process.
"""

import argparse
import io
import json
import tempfile
from pathlib import Path

import torch
from train_step_clock import now
from train_step_model import SHAPES, make_model, make_samples

from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.models.local import LocalModel
from rise_bench.models.shared_prefill import SharedPrefill


def png(image):
    """Bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def count_tokens(model):
    """List that collects the tokens, padding included, of each forward pass of the language model."""
    tokens = []
    model.model.language_model.register_forward_pre_hook(
        lambda _, __, inputs: tokens.append(inputs["inputs_embeds"].shape[:2].numel()), with_kwargs=True
    )
    return tokens


def measure(sampler, loop, batch, rounds, tokens):
    """Fastest seconds, and tokens that the language model was run on, of both ways."""
    model = sampler._model
    seconds, read, texts = {}, {}, {}
    for _ in range(rounds):
        # a new memory: what one round has read helps no other
        for way, generate in (("once", SharedPrefill(model).generate), ("every", model.generate)):
            sampler._generate = generate
            tokens.clear()
            began = now()
            rollouts = loop.annotate(sampler, batch)
            seconds[way] = min(now() - began, seconds.get(way, float("inf")))
            read[way] = sum(tokens)
            texts[way] = [(rollout.cot, rollout.reconstruction) for rollout in rollouts]
    if model.dtype == torch.float32 and texts["once"] != texts["every"]:
        raise SystemExit("the two ways drew different texts")
    return seconds, read


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--prompts", type=int, default=2, help="prompts that are sampled together")
    parser.add_argument("--generations", type=int, default=8, help="G")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--image-px",
        type=int,
        nargs=2,
        action="append",
        metavar=("WIDTH", "HEIGHT"),
        help="repeat for more sizes; default: 896 448, 336 336 and 112 112",
    )
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    shape, sizes = SHAPES[options.shape], options.image_px or [[896, 448], [336, 336], [112, 112]]
    table = []
    with tempfile.TemporaryDirectory() as temporary:
        path, weights = make_model(Path(temporary), shape, torch.bfloat16 if gpu else torch.float32)
        sampler = LocalModel(str(path))
        tokens = count_tokens(sampler._model)
        for size in sizes:
            samples = make_samples(size, options.prompts)
            settings = LoopSettings(options.generations, shape.cot, shape.reconstruction)
            loop = ClosedLoop(samples.spec, settings)
            batch = [(gold, (png(image),)) for gold, image in zip(samples.golds, samples.images, strict=True)]
            seconds, read = measure(sampler, loop, batch, options.rounds, tokens)
            table.append(
                {
                    "image_px": size,
                    "seconds": {way: round(value, 2) for way, value in seconds.items()},
                    "once_over_every": round(seconds["once"] / seconds["every"], 2),
                    "tokens_run": read,
                }
            )
    device = torch.cuda.get_device_name() if gpu else f"cpu, {torch.get_num_threads()} threads"
    facts = {"shape": options.shape, "weights_millions": round(weights / 1e6, 1), "device": device}
    facts |= {"clock": "wall" if gpu else "cpu", "prompts": options.prompts, "G": options.generations}
    print(json.dumps({**facts, "sampling": table}, indent=1))


if __name__ == "__main__":
    main()
