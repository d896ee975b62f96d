"""RISE-CoT learns: its mean reward (eq. 1 without its conditions) rises clearly, and not with a flipped sign.

The tiny model first learns to answer with one of three annotations, at random, whatever it is shown; answers
and end are one token each. Closed-loop training has to find out which annotation reconstructs the truth.
"""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from rise_bench.prompts import answer_only_text, reason_prompt, reconstruct_prompt
from rise_bench.registry import BenchmarkSpec
from rise_bench.tiny_model import make_tiny_model
from rise_bench.trainers import rise_cot
from rise_bench.trainers.config import ModelConfig
from rise_bench.trainers.loading import load_processor
from rise_bench.trainers.run_folder import RunFolder
from rise_bench.values import Distribution, Gold, render_annotation

CLASSES = ("red", "green", "blue")
PIXELS = {"max_pixels": 28 * 28 * 8, "min_pixels": 28 * 28 * 2}


def mostly(colour):
    return Distribution(CLASSES, tuple(0.8 if name == colour else 0.1 for name in CLASSES))


@pytest.fixture(scope="module")
def task():
    """Twelve reddish images whose annotation is mostly red."""
    spec = BenchmarkSpec("toy", "distribution", "jsd", "Which colour?", CLASSES, images="embed")
    images = []
    for i in range(12):
        noise = np.random.default_rng(i).normal(0, 15, (28, 56, 3))
        images.append(Image.fromarray(np.clip(noise + np.array([220, 40, 40]), 0, 255).astype(np.uint8)))
    golds = [Gold(f"toy-{i}", mostly("red"), 56, 28) for i in range(12)]
    return SimpleNamespace(spec=spec, golds=golds, images=images, categories=())


@pytest.fixture(scope="module")
def guesser(task, tmp_path_factory):
    """A checkpoint that answers with one of three annotations, each as likely."""
    folder = tmp_path_factory.mktemp("guesser")
    base = make_tiny_model(folder / "base", weight_scale=1.0)
    processor = load_processor(ModelConfig(name=str(base), **PIXELS))
    answers = [answer_only_text(render_annotation(mostly(colour))) for colour in CLASSES]
    processor.tokenizer.add_tokens(answers)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(0)
    model.resize_token_embeddings(len(processor.tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    draw = random.Random(0)
    for step in range(45):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 10) * (1 - step / 50)
        batch = guesses(task, processor, answers, draw)
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder / "warm")
    processor.save_pretrained(folder / "warm")
    return folder / "warm"


def guesses(task, processor, answers, draw):
    chats, images = [], []
    for _ in range(8):
        i = draw.randrange(len(task.golds))
        gold = task.golds[i]
        asked = reconstruct_prompt(task.spec, gold, "warm glow of fire")
        content = [
            {"type": "image"},
            {"type": "text", "text": draw.choice((asked, reason_prompt(task.spec, gold)))},
        ]
        chat = processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        chats.append(chat + draw.choice(answers) + "<|im_end|>")
        images.append(task.images[i])
    batch = processor(text=chats, images=images, padding=True, return_tensors="pt")
    labels = batch["input_ids"].clone()
    labels[:, :-2] = -100
    return {**batch, "labels": labels}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1], ids=["as it is", "advantage flipped"])
def test_mean_reward_rises_unless_the_advantage_is_flipped(
    make_config, guesser, task, write_toy, monkeypatch, sign
):
    compute = rise_cot.ClosedLoopTrainer._compute_loss

    def with_sign(self, model, inputs):
        return compute(self, model, inputs | {"advantages": sign * inputs["advantages"]})

    monkeypatch.setattr(rise_cot.ClosedLoopTrainer, "_compute_loss", with_sign)
    config = make_config(
        *(f"model.name={guesser}", f"data.benchmark={write_toy(task)}"),
        *(f"model.{name}={value}" for name, value in PIXELS.items()),
        *("grpo.steps=16", "grpo.num_generations=16", "grpo.rollouts_per_device=64"),
        *("grpo.max_cot_length=3", "grpo.max_reconstruction_length=3"),
        *("grpo.learning_rate=5e-4", "grpo.lr_scheduler=constant", "grpo.weight_decay=0"),
        *("reward.leak_term=false", "reward.format_term=false", "run.save_steps=100"),
    )
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    rewards = [m["reward"] for m in run.metrics() if "reward" in m]
    rise = sum(rewards[-4:]) / 4 - sum(rewards[:4]) / 4
    assert rise > 0.08 if sign == 1 else rise < 0, rewards
