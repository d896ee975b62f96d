"""Pretraining of the base model: vision and language apart, then language on what the vision tower writes.

    python -m rise_bench.trainers.base_model.pretrain --out runs/base

Four stages, each saved at its end, so that a rerun continues after the last complete stage:

1. vision: the tower alone learns to write codes (`codes`);
2. reading: the language model alone learns to put exact codes into words, and what is known from text alone;
3. speaking: it learns everything, boxes and counts too, from what the tower writes, which stays as it is;
4. pointing: the same with more boxes and counts.

Text comes from the start: a language model that has learned to read pictures first does not learn to copy
from a text any more.

Each stage takes two processes of one thread, which share every batch. More threads are slower for such small
matrices.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import spawn
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration

from rise_bench.files.atomic import atomic_directory
from rise_bench.files.settings_record import same_settings
from rise_bench.trainers.base_model.architecture import HIDDEN, IMAGE_TOKENS, embed_by_product, make_model
from rise_bench.trainers.base_model.batches import Batch, batch_of, reply_loss
from rise_bench.trainers.base_model.choices import Choices, listen
from rise_bench.trainers.base_model.codes import codes_of, directions
from rise_bench.trainers.base_model.lesson import Lesson
from rise_bench.trainers.base_model.lessons import picture_lesson, text_lesson
from rise_bench.trainers.base_model.optimise import optimise, rank
from rise_bench.trainers.base_model.pictures import Gallery
from rise_bench.trainers.base_model.tokens import make_processor, make_tokenizer
from rise_bench.trainers.base_model.vision import Places, Sight, targets_of, tokens_of

STAGES = ("vision", "reading", "speaking", "pointing")
LANGUAGE = ("reader", "places", "choices")
PROCESSES = 2

CODE_NOISE = 0.1
"""Deviation of the noise on each coefficient of the codes that stand in for the tower's."""

PICTURES = {"moods": 10, "kinds": 8, "scenes": 18, "drawn_counting": 14, "drawn_changes": 7}
"""Rows with pictures in a batch of the stage vision; a row of changes has two."""

LESSONS: dict[str, dict[tuple[str, str], int]] = {
    "reading": {
        ("moods", "any"): 5,
        ("kinds", "any"): 4,
        ("scenes", "describe"): 2,
        ("scenes", "any"): 5,
        ("scenes", "point"): 6,
        ("drawn_counting", "describe"): 2,
        ("drawn_counting", "point"): 7,
        ("drawn_changes", "describe"): 4,
    },
    "speaking": {
        ("moods", "any"): 5,
        ("kinds", "any"): 4,
        ("scenes", "any"): 6,
        ("scenes", "point"): 8,
        ("drawn_counting", "any"): 4,
        ("drawn_counting", "point"): 6,
        ("drawn_changes", "any"): 5,
    },
    "pointing": {
        ("moods", "any"): 4,
        ("kinds", "any"): 4,
        ("scenes", "any"): 4,
        ("scenes", "point"): 9,
        ("drawn_counting", "point"): 15,
        ("drawn_changes", "any"): 4,
    },
}
"""Lessons with pictures in a batch, by benchmark and topic."""

TEXTS = {"reading": 36, "speaking": 28, "pointing": 18}
"""Lessons without a picture of their own in a batch."""


@dataclass(frozen=True)
class Plan:
    """Steps and learning rates (Muon's) of the stages."""

    vision_steps: int = 2800
    reading_steps: int = 1200
    speaking_steps: int = 1400
    pointing_steps: int = 1000
    vision_lr: float = 1.2e-2
    reading_lr: float = 1e-2
    speaking_lr: float = 8e-3
    pointing_lr: float = 8e-3
    seed: int = 0


class _Codes(torch.nn.Module):
    """Stands in for the tower: hands the codes on that a batch has instead of pixels."""

    dtype, spatial_merge_size = torch.float32, 2

    def forward(self, codes: Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(pooler_output=codes)


class Parts:
    """The model, with its tower and language model apart, and the read-outs of each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        self.tokenizer = tokenizer
        self.model: Qwen2VLForConditionalGeneration = make_model(tokenizer, seed)
        embed_by_product(self.model)
        self.modules: dict[str, Any] = {
            "tower": self.model.model.visual,
            "reader": self.model.model.language_model,
            "sight": Sight(),
            "places": Places(),
            "choices": Choices(),
        }

    def load(self, folder: Path, stages: tuple[str, ...]) -> None:
        """Take the parts that these stages have saved, the last one of each."""
        for stage in stages:
            for part, state in torch.load(folder / f"{stage}.pt").items():
                self.modules[part].load_state_dict(state)

    def save(self, path: Path, names: tuple[str, ...]) -> None:
        """Write parts to a file."""
        incomplete = path.with_suffix(".partial")
        torch.save({name: self.modules[name].state_dict() for name in names}, incomplete)
        incomplete.replace(path)


def learn_to_see(parts: Parts, plan: Plan) -> None:
    """Run the stage vision."""
    gallery = Gallery(_random(plan, "vision"))
    tower, sight = parts.modules["tower"], parts.modules["sight"]

    def losses() -> dict[str, Tensor]:
        rows = [gallery.see(name) for name, count in PICTURES.items() for _ in range(_share(count))]
        batch = [picture for row in rows for picture in row.pictures]
        by_name: dict[str, Tensor] = sight(tokens_of(tower, batch), codes_of(batch), targets_of(batch))
        return by_name

    optimise("vision", plan.vision_steps, [(tower, plan.vision_lr), (sight, plan.vision_lr)], losses)


def learn_to_speak(parts: Parts, plan: Plan, stage: str) -> None:
    """Run a stage of the language model: reading, on exact codes, or a later one, on those of the tower."""
    rng, exact = _random(plan, stage), stage == "reading"
    gallery, generator = Gallery(rng), torch.Generator().manual_seed(rng.getrandbits(32))
    model, lr = parts.model, getattr(plan, f"{stage}_lr")
    kept: dict[str, Tensor] = {}
    model.config.text_config._attn_implementation = "eager"
    hooks = listen(model.model.language_model, kept)
    parts.modules["tower"].requires_grad_(False)
    if exact:
        model.model.visual = _Codes()

    def batch_with_codes(lessons: list[Lesson]) -> Batch:
        batch = batch_of(parts.tokenizer, lessons, with_pixels=not exact)
        if exact and batch.pictures:
            codes = codes_of(batch.pictures)
            codes += CODE_NOISE * torch.randn(codes.shape, generator=generator)
            batch.inputs["pixel_values"] = (codes @ directions()).reshape(-1, HIDDEN)
        return batch

    def losses() -> dict[str, Tensor]:
        rows = [
            picture_lesson(rng, gallery.see(name), topic)
            for (name, topic), count in LESSONS[stage].items()
            for _ in range(_share(count))
        ]
        batch = batch_with_codes(rows)
        by_name = {"picture": reply_loss(model, batch)}
        tokens = kept["known"][batch.inputs["mm_token_type_ids"] == 1].reshape(-1, IMAGE_TOKENS, HIDDEN)
        reading = parts.modules["places"](tokens, targets_of(batch.pictures))
        reading |= parts.modules["choices"](kept, batch.choices)
        by_name |= {name: 0.3 * loss for name, loss in reading.items()}
        texts = batch_with_codes([text_lesson(rng, gallery) for _ in range(_share(TEXTS[stage]))])
        return by_name | {"text": reply_loss(model, texts)}

    modules = [(parts.modules[name], lr) for name in LANGUAGE]
    optimise(stage, getattr(plan, f"{stage}_steps"), modules, losses)
    model.model.visual = parts.modules["tower"]
    for hook in hooks:
        hook.remove()


def _random(plan: Plan, stage: str) -> random.Random:
    return random.Random(f"{plan.seed} {stage} {rank()}")


def _share(count: int) -> int:
    """Return this process's part of a batch."""
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    return count // processes + (rank() < count % processes)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer, learned once so that all stages have the same ids."""
    if not folder.is_dir():
        with atomic_directory(folder) as target:
            make_tokenizer().save_pretrained(target)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def run_stage(number: int, name: str, folder: Path, plan: Plan, meeting: str) -> None:
    """Run a stage as one of its processes, from what earlier stages saved; process 0 saves its parts."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=number, world_size=PROCESSES)
    start = time.monotonic()
    parts = Parts(_tokenizer(folder / "tokenizer"), plan.seed)
    parts.load(folder, STAGES[: STAGES.index(name)])
    if name == "vision":
        learn_to_see(parts, plan)
        saved: tuple[str, ...] = ("tower", "sight")
    else:
        learn_to_speak(parts, plan, name)
        saved = LANGUAGE
    if number == 0:
        parts.save(folder / f"{name}.pt", saved)
        print(f"{name}: {(time.monotonic() - start) / 60:.1f} minutes", file=sys.stderr)  # noqa: T201
    distributed.destroy_process_group()


def pretrain(out: Path, plan: Plan) -> None:
    """Run the remaining stages and write model, tokenizer and processor to `out`."""
    folder = out.with_name(f"{out.name}-stages")
    same_settings(folder, asdict(plan), ("*.pt",))
    tokenizer = _tokenizer(folder / "tokenizer")
    for name in STAGES:
        if not (folder / f"{name}.pt").is_file():
            with tempfile.TemporaryDirectory() as meeting:
                arguments = (name, folder, plan, f"file://{meeting}/meeting")
                spawn(run_stage, arguments, nprocs=PROCESSES)
    parts = Parts(tokenizer, plan.seed)
    parts.load(folder, STAGES)
    with atomic_directory(out) as target:
        parts.model.save_pretrained(target)
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
