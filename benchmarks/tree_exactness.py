"""Prefix tree in bfloat16: log-probabilities and a gradient, against separate rows in float32.

    python benchmarks/tree_exactness.py --model FOLDER

Rounding makes separate rows in bfloat16 differ from float32, too. The tree is exact enough if its mean error
is at most 1.25 times theirs, and its largest error at most twice theirs (`TOLERANCE`).
"""

import argparse
import json
from pathlib import Path

import torch
from train_step_model import make_samples
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl.trainer.utils import add_fused_lm_head

from rise_bench.models.image_units import image_units
from rise_bench.models.prefix_tree import Rows, pack
from rise_bench.models.tree_attention import use_tree_attention
from rise_bench.prompts.templates import reason_prompt
from rise_bench.trainers.phases.cpu_logprob_patch import trained_positions_only

#: Largest mean and maximum of the tree's errors, as multiples of those of separate rows in bfloat16.
TOLERANCE = {"mean": 1.25, "max": 2.0}

#: Weight whose gradient is compared: behind it lie all layers.
WEIGHT = "model.language_model.layers.0.self_attn.q_proj.weight"


def make_rows(processor, image_px, count, length, device):
    """Arguments of a model for a group of one prompt with random completions; pairs share the first half."""
    samples = make_samples(image_px, 1)
    chat = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt_of(samples)}]}],
        add_generation_prompt=True,
    )
    asked = processor(text=[chat] * count, images=[samples.images[0]] * count, return_tensors="pt")
    drawn = torch.randint(70, 250, (count, length), generator=torch.Generator().manual_seed(0))
    drawn[1::2, : length // 2] = drawn[::2, : length // 2]
    ones, zeros = torch.ones_like(drawn), torch.zeros_like(drawn)
    appended = {"input_ids": drawn, "attention_mask": ones, "mm_token_type_ids": zeros}
    rows = {name: torch.cat([asked[name], more], 1) for name, more in appended.items()}
    return {name: value.to(device) for name, value in ({**asked} | rows).items()}


def prompt_of(samples):
    """The prompt of RISE-CoT."""
    return reason_prompt(samples.spec, samples.golds[0])


def separate(model, rows, length):
    """Log-probabilities of padded rows."""
    labels = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)
    labels[:, :-length] = -100
    return model(**rows, labels=labels, fused_lm_head=True).log_probs[:, -length:]


def by_tree(model, rows, length):
    """Log-probabilities of the packed row."""
    packed = pack(model, Rows(rows["input_ids"], rows["attention_mask"], length, image_units(model, rows)))
    return packed.unpack(model(**packed.inputs, fused_lm_head=True).log_probs)


def values_and_gradient(folder, dtype, device, rows, length, score):
    """Log-probabilities and the gradient of `WEIGHT`, on the CPU in float32."""
    model = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa", trust_remote_code=False, use_safetensors=True
    ).to(device)
    add_fused_lm_head(model, outputs=("log_probs",))
    use_tree_attention(model.train())
    model.gradient_checkpointing_enable({"use_reentrant": False})
    values = score(model, rows, length)
    weights = torch.linspace(-1, 1.5, values.numel(), device=device).view_as(values)
    (values.float() * weights).sum().backward()
    gradient = dict(model.named_parameters())[WEIGHT].grad
    return values.detach().float().cpu(), gradient.float().cpu()


def main():
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--image-px", type=int, nargs=2, default=(336, 336), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=64, help="tokens of a completion")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = AutoProcessor.from_pretrained(options.model, padding_side="left", trust_remote_code=False)
    rows = make_rows(processor, options.image_px, options.rows, options.length, device)
    shared = (device, rows, options.length)
    with trained_positions_only():
        truth, true_gradient = values_and_gradient(options.model, torch.float32, *shared, separate)
        compared = {
            name: values_and_gradient(options.model, torch.bfloat16, *shared, score)
            for name, score in (("rows_bf16", separate), ("tree_bf16", by_tree))
        }
    errors = {name: (values - truth).abs() for name, (values, _) in compared.items()}
    shown = {name: {"mean": e.mean().item(), "max": e.max().item()} for name, e in errors.items()}
    ratios = {of: shown["tree_bf16"][of] / shown["rows_bf16"][of] for of in TOLERANCE}
    gradients = {
        name: ((gradient - true_gradient).norm() / true_gradient.norm()).item()
        for name, (_, gradient) in compared.items()
    }
    print(
        json.dumps(
            {
                "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
                "log_probability_error_nats": shown,
                "tree_over_rows": ratios,
                "tolerance": TOLERANCE,
                "exact_enough": all(ratios[of] <= limit for of, limit in TOLERANCE.items()),
                "relative_gradient_error": gradients,
            }
        )
    )


if __name__ == "__main__":
    main()
