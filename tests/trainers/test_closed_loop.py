"""The closed loop does what eq. 7 says, row by row, on three model families."""

import re
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForImageTextToText

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.row_log import read_rows
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.trainers.rollouts.closed_loop_trainer import reconstruction_prompt
from rise_bench.trainers.rollouts.cot_reward import CotReward
from rise_bench.trainers.rollouts.sampling_trainer import collapse_runs

from ..support.tiny_models import images_of


@pytest.fixture
def watched_step():
    """`watched_step(trainer)` trains one step and returns what entered and left each forward of the loss."""

    def run(trainer):
        seen = []
        compute = trainer._compute_loss
        logps = trainer._get_per_token_logps_and_entropies

        def compute_loss(model, inputs):
            seen.append(dict(inputs))
            return compute(model, inputs)

        def keep(*args, **kwargs):
            output = logps(*args, **kwargs)
            seen[-1]["logps"] = output[0].detach()
            return output

        trainer._compute_loss, trainer._get_per_token_logps_and_entropies = compute_loss, keep
        trainer.train()
        return seen

    return run


def unpad(ids, mask):
    return ids[mask.bool()].tolist()


def expected_prompts(trainer, toy, row):
    """Texts of both prompts of a logged rollout, written without the trainer."""
    gold = next(g for g in toy.golds if g.id == row["id"])
    texts = reason_prompt(toy.spec, gold), reconstruct_prompt(toy.spec, gold, row["cot"])
    image = toy.images[toy.golds.index(gold)]
    for text in texts:
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = trainer.processing_class.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        yield trainer.processing_class(text=[chat], images=[image], return_tensors="pt")


def test_log_probs_of_both_segments_are_those_of_an_independent_recompute(
    make_loop, toy, tiny, family, tmp_path, watched_step
):
    trainer = make_loop(family=family, generations=4, learning_rate=0.0, temperature=0.9)
    (inputs,) = watched_step(trainer)
    fresh = AutoModelForImageTextToText.from_pretrained(tiny(family), dtype=torch.float32).eval()
    decode = trainer.processing_class.batch_decode
    rows = {}
    for i in range(len(inputs["prompt_ids"])):
        prompt = tuple(unpad(inputs["prompt_ids"][i], inputs["prompt_mask"][i]))
        rows.setdefault(prompt, []).append(i)
    logged = [located.row for located in read_rows([tmp_path / "rollouts"])]
    assert len(logged) == 4 and len(inputs["prompt_ids"]) == 8
    matched = set()
    for row in logged:
        both = expected_prompts(trainer, toy, row)
        for prompt, segment in zip(both, ("cot", "reconstruction"), strict=True):
            candidates = rows[tuple(prompt["input_ids"][0].tolist())]
            ids = {i: unpad(inputs["completion_ids"][i], inputs["completion_mask"][i]) for i in candidates}
            i = next(
                i
                for i in candidates
                if decode([ids[i]], skip_special_tokens=True)[0] == row[segment] and i not in matched
            )
            matched.add(i)
            completion = torch.tensor([ids[i]])
            whole = {"input_ids": torch.cat([prompt["input_ids"], completion], dim=1)}
            whole["attention_mask"] = torch.ones_like(whole["input_ids"])
            if "mm_token_type_ids" in prompt:
                types = prompt["mm_token_type_ids"]
                whole["mm_token_type_ids"] = torch.cat([types, torch.zeros_like(completion)], dim=1)
            with torch.no_grad():
                logits = fresh(**{**images_of(prompt), **whole}).logits
            steps = (logits[0, :-1] / 0.9).log_softmax(-1)[-completion.size(1) :]
            independent = steps.gather(1, completion[0, :, None])[:, 0]
            ours = inputs["logps"][i][: completion.size(1)]
            torch.testing.assert_close(ours, independent, atol=1e-5, rtol=1e-5)
            assert inputs["completion_mask"][i].sum() == completion.size(1)
    assert matched == set(range(8))


def test_both_rows_of_a_rollout_carry_the_advantage_of_their_group(make_loop, graded, tmp_path, watched_step):
    trainer = make_loop(generations=4, per_device_train_batch_size=8, gradient_accumulation_steps=2)
    batches = watched_step(trainer)
    logged = [located.row for located in read_rows([tmp_path / "rollouts"])]
    groups = {}
    for row in logged:
        groups.setdefault(row["id"], []).append(row["reward"])
    assert len(groups) == 2 and all(len(rewards) == 4 for rewards in groups.values())
    expected = {}
    for row in logged:
        twice = torch.tensor(groups[row["id"]]).repeat_interleave(2)
        advantage = ((row["reward"] - twice.mean()) / (twice.std() + 1e-4)).item()
        for segment in ("cot", "reconstruction"):
            expected.setdefault(row[segment], []).append(advantage)
    assert max(abs(a) for advantages in expected.values() for a in advantages) > 0.5
    rows = 0
    for inputs in batches:
        for ids, mask, advantage in zip(
            inputs["completion_ids"], inputs["completion_mask"], inputs["advantages"].tolist(), strict=True
        ):
            (text,) = trainer.processing_class.batch_decode([unpad(ids, mask)], skip_special_tokens=True)
            assert any(advantage == pytest.approx(a, abs=1e-4) for a in expected[text])
            rows += 1
    assert rows == 16


@pytest.mark.parametrize(("gradient", "segments"), [("both", 2), ("cot", 1)])
def test_the_rows_that_are_trained(make_loop, toy, tmp_path, watched_step, gradient, segments):
    trainer = make_loop(gradient=gradient, generations=4)
    (inputs,) = watched_step(trainer)
    logged = [located.row for located in read_rows([tmp_path / "rollouts"])]
    assert len(logged) == 4
    assert len(inputs["prompt_ids"]) == 4 * segments
    reasons = {tuple(next(expected_prompts(trainer, toy, row))["input_ids"][0].tolist()) for row in logged}
    prompts = [
        tuple(unpad(ids, mask)) for ids, mask in zip(inputs["prompt_ids"], inputs["prompt_mask"], strict=True)
    ]
    assert sum(prompt in reasons for prompt in prompts) == 4


def test_a_flipped_reward_flips_every_advantage(make_loop, graded, watched_step, monkeypatch):
    first = watched_step(make_loop())
    monkeypatch.setattr(CotReward, "__call__", negated(CotReward.__call__))
    second = watched_step(make_loop())
    a, b = (torch.cat([i["advantages"] for i in inputs]) for inputs in (first, second))
    assert a.abs().max() > 0.5
    torch.testing.assert_close(a, -b)


def negated(reward):
    return lambda self, **columns: [-r for r in reward(self, **columns)]


def test_gradient_reaches_cot_reconstruction_and_vision_tower(make_loop, family):
    """Each segment alone gives the vision tower and the language model a gradient."""
    trainer = make_loop(family=family, generations=4, learning_rate=0.0)
    kept = {}
    compute = trainer._compute_loss

    def spy(model, inputs):
        kept.update(inputs)
        return compute(model, inputs)

    trainer._compute_loss = spy
    trainer.train()
    lengths = kept["prompt_mask"].sum(1)
    cot_rows = lengths == lengths.mode().values  # four CoT rows share one prompt
    assert cot_rows.sum() >= 4
    model = trainer.model
    for rows in (cot_rows, ~cot_rows):
        model.zero_grad()
        weights = torch.where(rows, torch.linspace(0.5, 1.5, len(rows)), torch.zeros(len(rows)))
        compute(model, {**kept, "advantages": weights}).backward()
        reached = {
            name: p.grad.abs().sum().item() > 0 for name, p in model.named_parameters() if p.grad is not None
        }
        assert any(on for name, on in reached.items() if re.search(r"\bvis\w+\.(blocks|encoder)\.", name))
        assert any(on for name, on in reached.items() if re.search(r"_model\.layers\.", name))


def test_no_special_token_is_sampled_and_none_enters_a_prompt(make_loop, toy, tmp_path, watched_step):
    trainer = make_loop(generations=8)
    (inputs,) = watched_step(trainer)
    tokenizer = trainer.processing_class.tokenizer
    ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    special = set(tokenizer.all_special_ids) - ends
    assert special
    sampled = set(inputs["completion_ids"].flatten().tolist())
    assert not sampled & special


SAMPLED = st.text(max_size=60) | st.sampled_from(("", "a red <|image_pad|> square", "<|im_<|im_end|>end|>"))


@st.composite
def gold_pairs(draw):
    """Two samples that differ in nothing but their annotation."""
    if draw(st.booleans()):
        weights = st.lists(st.floats(0.001, 1), min_size=3, max_size=3)
        a, b = (Distribution(("red", "green", "blue"), tuple(draw(weights))) for _ in range(2))
        spec = BenchmarkSpec("toy", "distribution", "jsd", "Which colours?", a.classes)
    else:
        side = st.floats(0.5, 500)
        box = st.tuples(side, side, side, side)
        a, b = (Boxes(tuple(draw(st.lists(box, min_size=1, max_size=3)))) for _ in range(2))
        spec = BenchmarkSpec("toy", "boxes", "ap50", "Locate every {category}.")
    return spec, *(Gold("x", annotation, 640, 480, "cat") for annotation in (a, b))


@given(gold_pairs(), SAMPLED, st.sampled_from(("norm1000", "px", "resized_px")))
def test_the_reconstruction_prompt_never_holds_the_annotation(pair, cot, unit):
    spec, gold, other = pair
    answer_format = AnswerFormat(unit=unit)
    text = reconstruct_prompt(spec, gold, cot, answer_format)
    assert text == reconstruct_prompt(spec, other, cot, answer_format)
    image = {"type": "image", "image": object()}
    asked = [
        {
            "role": "user",
            "content": [image, {"type": "text", "text": reason_prompt(spec, gold, answer_format)}],
        }
    ]
    (message,) = reconstruction_prompt(asked, text)
    assert message["content"] == [image, {"type": "text", "text": text}]
    if render_gold(gold, answer_format) not in cot:
        assert render_gold(gold, answer_format) not in text


@given(st.lists(st.integers(0, 3)))
def test_collapsing_keeps_everything_but_repeats_of_the_token(ids):
    short = collapse_runs(ids, 3)
    assert [i for i in short if i != 3] == [i for i in ids if i != 3]
    assert all((a, b) != (3, 3) for a, b in pairwise(short))
    assert collapse_runs(short, 3) == short
