"""Pretraining of the base model: vision, text, then both.

    python -m rise_bench.trainers.base_model.pretrain --out runs/base

Four stages, each saved at its end, so that a rerun continues after the last complete stage:

1. vision: the tower alone, with linear heads (`vision`);
2. text: the language model alone, on lessons without pictures;
3. joint: both, on all lessons, with the heads of stage 1 and heads for place and content of the language
   model's image tokens;
4. focus: the same with more scenes, where a reply depends on one of several objects.

Stages 1 and 2 run concurrently, with a CPU thread each; stages 3 and 4 use one. More threads are slower for
such small matrices.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration

from rise_bench.files.atomic import atomic_directory
from rise_bench.files.settings_record import same_settings
from rise_bench.trainers.base_model import lessons
from rise_bench.trainers.base_model.architecture import (
    HIDDEN,
    IMAGE_TOKENS,
    embed_by_product,
    make_model,
)
from rise_bench.trainers.base_model.batches import batch_of, reply_loss
from rise_bench.trainers.base_model.pictures import see
from rise_bench.trainers.base_model.tokens import make_processor, make_tokenizer
from rise_bench.trainers.base_model.vision import Heads, targets_of, tokens_of

BEFORE = {"vision": (), "text": (), "joint": ("vision", "text"), "focus": ("joint",)}
"""The stages in order, each with those that it goes on from."""

HALF_WAY = 1
"""Layer of the language model, counted from 0, whose image tokens answer where things are."""

PICTURES = ("moods", "moods", "kinds", "kinds", "scenes", "scenes", "scenes", "scenes")


@dataclass(frozen=True)
class Plan:
    """Steps and learning rates (Muon's) of the four stages."""

    vision_steps: int = 700
    text_steps: int = 450
    joint_steps: int = 800
    focus_steps: int = 600
    vision_lr: float = 1.2e-2
    text_lr: float = 1e-2
    joint_lr: float = 8e-3
    focus_lr: float = 8e-3
    seed: int = 0


def optimise(
    name: str,
    steps: int,
    modules: list[tuple[torch.nn.Module, float]],
    losses: Callable[[], dict[str, Tensor]],
) -> None:
    """Train with Muon on hidden matrices and AdamW on the rest, a short warm-up and a linear decay.

    Muon reaches a given loss in about two thirds of AdamW's steps here.

    Args:
        name: Text of the progress bar.
        steps: Number of updates.
        modules: Modules to train with Muon's learning rate; AdamW has a quarter of it.
        losses: Returns the losses of the next batch, which are summed and shown as running means.
    """
    matrices, others = [], []
    for module, lr in modules:
        named = [*module.named_parameters()]
        hidden = [p for n, p in named if p.dim() == 2 and min(p.shape) >= HIDDEN and "embed" not in n]
        kept = {id(p) for p in hidden}
        matrices.append({"params": hidden, "lr": lr, "peak": lr})
        others.append({"params": [p for _, p in named if id(p) not in kept], "lr": lr / 4, "peak": lr / 4})
    muon = torch.optim.Muon(
        [group for group in matrices if group["params"]], weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(others, weight_decay=0.05, betas=(0.9, 0.98))
    optimisers: tuple[torch.optim.Optimizer, ...] = (muon, adamw)
    everything = [p for module, _ in modules for p in module.parameters()]
    shown: dict[str, float] = {}
    progress = tqdm(range(steps), desc=name, mininterval=10, file=sys.stderr)
    for step in progress:
        for group in (*muon.param_groups, *adamw.param_groups):
            group["lr"] = group["peak"] * min(1, (step + 1) / 50) * max(0.02, 1 - step / steps)
        parts = losses()
        sum(parts.values(), torch.zeros(())).backward()
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        shown |= {k: 0.97 * shown.get(k, v.item()) + 0.03 * v.item() for k, v in parts.items()}
        progress.set_postfix_str(" ".join(f"{k} {v:.2f}" for k, v in shown.items()), refresh=False)


def learn_to_see(model: Qwen2VLForConditionalGeneration, heads: Heads, plan: Plan) -> None:
    """Run stage 1."""
    rng, tower = random.Random(plan.seed + 1), model.model.visual

    def losses() -> dict[str, Tensor]:
        batch = [see(rng, benchmark) for benchmark in PICTURES * 8]
        return heads.losses(tokens_of(tower, batch), targets_of(batch))

    optimise("vision", plan.vision_steps, [(tower, plan.vision_lr), (heads, plan.vision_lr)], losses)


def learn_to_read(
    model: Qwen2VLForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, plan: Plan
) -> None:
    """Run stage 2."""
    rng = random.Random(plan.seed + 2)
    optimise(
        "text",
        plan.text_steps,
        [(model.model.language_model, plan.text_lr)],
        lambda: {
            "text": reply_loss(model, *batch_of(tokenizer, [lessons.text_lesson(rng) for _ in range(48)]))
        },
    )


def learn_both(
    model: Qwen2VLForConditionalGeneration,
    heads: Heads,
    tokenizer: PreTrainedTokenizerBase,
    plan: Plan,
    *,
    focus: bool,
) -> None:
    """Run stage 3 or 4: descriptions first, then more of the other lessons; `focus` is on scenes."""
    rng, elsewhere, done = random.Random(plan.seed + 3 + focus), [see(random.Random(0), "moods")], [0]
    name, steps, lr, tower_lr = (
        ("focus", plan.focus_steps, plan.focus_lr, plan.focus_lr / 2)
        if focus
        else ("joint", plan.joint_steps, plan.joint_lr, plan.joint_lr / 2)
    )
    counts = {"moods": 6, "kinds": 6, "scenes": 20} if focus else {"moods": 8, "kinds": 4, "scenes": 18}
    teach = {
        "moods": lessons.mood_picture,
        "kinds": lessons.kind_picture,
        "scenes": lessons.scene_picture,
    }
    kept: dict[str, Tensor] = {}
    hooks = [
        model.model.visual.register_forward_hook(lambda _m, _i, out: kept.update(tower=out.pooler_output)),
        model.model.language_model.layers[HALF_WAY].register_forward_hook(
            lambda _m, _i, out: kept.update(reader=out if isinstance(out, Tensor) else out[0])
        ),
    ]

    def losses() -> dict[str, Tensor]:
        describe = 0.1 if focus else max(0.2, 1 - 2 * done[0] / steps)
        done[0] += 1
        seen = [see(rng, benchmark) for benchmark, count in counts.items() for _ in range(count)]
        shown = [teach[s.benchmark](rng, s, describe) for s in seen]
        inputs, learnt = batch_of(tokenizer, shown)
        parts = {"picture": reply_loss(model, inputs, learnt)}
        tower = kept["tower"].reshape(len(seen), IMAGE_TOKENS, -1)
        reader = kept["reader"][inputs["mm_token_type_ids"] == 1].reshape(tower.shape)
        targets = targets_of(seen)
        parts["heads"] = 0.1 * sum(heads.losses(tower, targets).values(), torch.zeros(()))
        parts["placing"] = 0.3 * sum(heads.placing_losses(reader, targets).values(), torch.zeros(()))
        text = [lessons.text_lesson(rng, elsewhere, 0.4) for _ in range(16)]
        parts["text"] = 0.5 * reply_loss(model, *batch_of(tokenizer, text))
        elsewhere.extend(seen)
        del elsewhere[:-200]
        return parts

    modules = [(model.model.language_model, lr), (heads, lr), (model.model.visual, tower_lr)]
    optimise(name, steps, modules, losses)
    for hook in hooks:
        hook.remove()


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer, learned once so that all stages have the same ids."""
    if not folder.is_dir():
        with atomic_directory(folder) as target:
            make_tokenizer().save_pretrained(target)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def run_stage(name: str, folder: Path, plan: Plan) -> None:
    """Run an unfinished stage on the saved parts of earlier stages, and save its parts."""
    saved = folder / f"{name}.pt"
    if saved.is_file():
        return
    torch.set_num_threads(1)
    start = time.monotonic()
    tokenizer = _tokenizer(folder / "tokenizer")
    model, parts = _load(folder, tokenizer, plan, BEFORE[name])
    embed_by_product(model)
    heads: Any = parts["heads"]
    if name == "vision":
        learn_to_see(model, heads, plan)
        del parts["reader"]
    elif name == "text":
        learn_to_read(model, tokenizer, plan)
        parts = {"reader": parts["reader"]}
    else:
        learn_both(model, heads, tokenizer, plan, focus=name == "focus")
    partial = saved.with_suffix(".partial")
    torch.save({part: module.state_dict() for part, module in parts.items()}, partial)
    partial.replace(saved)
    print(f"{name}: {(time.monotonic() - start) / 60:.1f} minutes", file=sys.stderr)  # noqa: T201


def _load(
    folder: Path, tokenizer: PreTrainedTokenizerBase, plan: Plan, stages: Sequence[str]
) -> tuple[Qwen2VLForConditionalGeneration, dict[str, torch.nn.Module]]:
    """Return the model and its parts after the given stages."""
    model = make_model(tokenizer, plan.seed)
    parts = {"tower": model.model.visual, "reader": model.model.language_model, "heads": Heads()}
    for stage in stages:
        for part, state in torch.load(folder / f"{stage}.pt").items():
            parts[part].load_state_dict(state)
    return model, parts


def pretrain(out: Path, plan: Plan) -> None:
    """Run the remaining stages and write model, tokenizer and processor to `out`."""
    folder = out.with_name(f"{out.name}-stages")
    same_settings(folder, asdict(plan), made="*.pt")
    tokenizer = _tokenizer(folder / "tokenizer")
    if not (folder / "text.pt").is_file():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            reading = other.submit(run_stage, "text", folder, plan)
            run_stage("vision", folder, plan)
            reading.result()
    for name in BEFORE:
        run_stage(name, folder, plan)
    model, _ = _load(folder, tokenizer, plan, ["focus"])
    with atomic_directory(out) as target:
        model.save_pretrained(target)
        make_processor(tokenizer).save_pretrained(target)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    for name, default in Plan().__dict__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    arguments = vars(parser.parse_args())
    pretrain(arguments.pop("out"), Plan(**arguments))


if __name__ == "__main__":
    main()
