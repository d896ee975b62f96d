"""GRPO when vLLM samples: what it is asked for, and that its answers are what is trained on.

vLLM needs a GPU, so that the object by which TRL drives it is replaced here; all the rest is the real thing.
"""

import random
import re

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from rise_bench.catalog.stages import stages
from rise_bench.cot.row_log import read_rows
from rise_bench.trainers import visual_rft
from rise_bench.trainers.data.training_data import open_training_data
from rise_bench.trainers.phases.resuming import ResumableGRPOTrainer
from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoopTrainer
from rise_bench.trainers.rollouts.sampling_trainer import SamplingGRPOTrainer, fitted
from rise_bench.trainers.runs.run_folder import RunFolder


class Engine:
    """Answers like `trl.generation.vllm_generation.VLLMGeneration`, and keeps what it was asked."""

    max_completion_length = 99

    def __init__(self, tokenizer):
        self.asked, self.synced = [], 0
        self._draw, self._tokenizer = random.Random(0), tokenizer

    def sync_weights(self):
        self.synced += 1

    def generate(self, *, prompts, images, num_generations, profiler):
        self.asked.append((prompts, images, num_generations, self.max_completion_length))
        texts = [
            [self._draw.randrange(50, 100) for _ in range(3)] + [self._tokenizer.eos_token_id]
            for _ in prompts
        ]
        return prompts, texts, [[[-1.0 - i / 10] for i in range(4)] for _ in texts], None


def train_with_engine(trainer, mode):
    """Train; return the engine and the batches of the loss."""
    engine, seen = Engine(trainer.processing_class.tokenizer), []
    trainer.use_vllm, trainer.vllm_mode, trainer.vllm_generation = True, mode, engine
    trainer._last_loaded_step = -1
    compute = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: seen.append(inputs) or compute(model, inputs)
    trainer.train()
    return engine, seen


@pytest.mark.parametrize("mode", ["server", "colocate"])
def test_both_segments_are_asked_of_vllm_with_their_own_limits(make_loop, graded, tmp_path, mode):
    trainer = make_loop(generations=4)
    tokenizer = trainer.processing_class.tokenizer
    engine, (inputs,) = train_with_engine(trainer, mode)
    cots, reconstructions = engine.asked
    assert [(asked[2], asked[3]) for asked in engine.asked] == [(4, 10), (1, 6)]
    assert engine.max_completion_length == 99 and engine.synced == 1
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    for prompts, images, *_ in (cots, reconstructions):
        assert len(prompts) == len(images) == 4
        counts = {ids.count(pad) for ids in prompts}
        assert counts == {1} if mode == "colocate" else min(counts) > 1  # colocate expands it once more
    trained = [ids[mask.bool()].tolist() for ids, mask in zip(*padded(inputs, "prompt"), strict=True)]
    assert all(ids.count(pad) > 1 for ids in trained)  # the forward always has all image tokens
    rows = [located.row for located in read_rows([tmp_path / "rollouts"])]
    texts = {text for row in rows for text in (row["cot"], row["reconstruction"])}
    completions = [ids[mask.bool()].tolist() for ids, mask in zip(*padded(inputs, "completion"), strict=True)]
    assert set(tokenizer.batch_decode(completions, skip_special_tokens=True)) == texts
    assert torch.isfinite(inputs["importance_sampling_ratio"]).all()  # vLLM's log-probs were taken over
    assert not torch.equal(
        inputs["importance_sampling_ratio"], torch.ones_like(inputs["importance_sampling_ratio"])
    )


def padded(inputs, segment):
    return inputs[f"{segment}_ids"], inputs[f"{segment}_mask"]


@pytest.mark.parametrize("mode", ["server", "colocate"])
def test_the_other_stages_hand_vllm_prompts_and_pictures_in_the_same_way(make_config, grid_family, mode):
    family = grid_family
    config = make_config("grpo.steps=1", "model.max_pixels=3136", stage="visual_rft", family=family)
    data = open_training_data(config.data)
    trainer = visual_rft.build(config, RunFolder.create(config), data, config.model.name)
    engine, (inputs,) = train_with_engine(trainer, mode)
    ((prompts, images, generations, _),) = engine.asked
    pad = trainer.processing_class.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    trained = [ids[mask.bool()].tolist() for ids, mask in zip(*padded(inputs, "prompt"), strict=True)]
    in_training = trained[0].count(pad)
    assert generations == 4 and len(prompts) == len(images) == 4 and in_training > 1
    assert {ids.count(pad) for ids in prompts} == {1 if mode == "colocate" else in_training}
    without = [[i for i in ids if i != pad] for ids in (prompts[0], trained[0])]
    assert without[0] == without[1]
    patch_px = trainer.processing_class.image_processor.patch_size
    sizes = {tuple(n * patch_px for n in grid[[2, 1]].tolist()) for grid in inputs["image_grid_thw"]}
    assert sizes == {image.size for row in images for image in row}


def test_every_stage_with_rollouts_samples_by_one_class(root):
    texts = [(root / "trainers" / f"{stage}.py").read_text() for stage in stages()]
    built = {name for text in texts for name in re.findall(r"(?:return|trainer =) (\w+Trainer)\(", text)}
    assert built == {"SFTTrainer", "ClosedLoopTrainer", "ResumableGRPOTrainer"}
    for trainer in (ClosedLoopTrainer, ResumableGRPOTrainer):
        assert issubclass(trainer, SamplingGRPOTrainer)


@pytest.mark.parametrize("size", [(300, 200), (61, 333), (20, 20), (56, 84)])
def test_a_fitted_picture_is_what_the_processor_makes_of_it_and_is_not_resized_again(tiny, grid_family, size):
    processor = AutoProcessor.from_pretrained(tiny(grid_family)).image_processor
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0])
    picture = Image.fromarray(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8))
    small = fitted(picture, processor)
    assert fitted(small, processor) is small
    asked, given = (processor(images=[p], return_tensors="pt") for p in (picture, small))
    assert torch.equal(asked["image_grid_thw"], given["image_grid_thw"])
    assert (asked["pixel_values"] - given["pixel_values"]).abs().mean() < 0.02
    wide = type(processor)(patch_size=processor.patch_size, size={"shortest_edge": 1, "longest_edge": 10**8})
    assert torch.equal(wide(images=[small], return_tensors="pt")["image_grid_thw"], asked["image_grid_thw"])
