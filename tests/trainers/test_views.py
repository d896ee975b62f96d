"""`reward.view`: reconstructions without the picture are sampled, trained on and paid as stated."""

import re

import pytest
import torch
from transformers import AutoModelForImageTextToText

from rise_bench.cot.row_log import read_rows
from rise_bench.errors import ConfigError
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import rise_cot
from rise_bench.trainers.checks.memory import rows_per_device

from ..support.tiny_models import images_of
from .test_closed_loop import unpad
from .test_prefix_tree_training import gradients_like_padded, kept_batches, loss_and_gradients
from .test_resuming import interrupted
from .test_rise_cot import run, weights

#: Segments of a rollout: name in the log, and whether its prompt has the picture.
SEGMENTS = {
    "blind": (("cot", True), ("reconstruction", False)),
    "both": (("cot", True), ("reconstruction", True), ("reconstruction_blind", False)),
}
VIEWS = pytest.mark.parametrize("view", SEGMENTS)


def watched(trainer):
    """Train one step; return what entered the loss and the log-probabilities that left it."""
    kept, logps = {}, trainer._get_per_token_logps_and_entropies

    def keep(*arguments, **options):
        output = logps(*arguments, **options)
        kept["logps"] = output[0].detach()
        return output

    trainer._get_per_token_logps_and_entropies = keep
    (batch,) = kept_batches(trainer)
    return batch | kept


def logged(tmp_path):
    return [located.row for located in read_rows([tmp_path / "rollouts"])]


def prompt_of(trainer, toy, row, segment, shown):
    """The prompt of a segment of a logged rollout, written without the trainer."""
    gold = next(g for g in toy.golds if g.id == row["id"])
    text = reason_prompt(toy.spec, gold)
    if segment != "cot":
        text = reconstruct_prompt(toy.spec, gold, row["cot"])
    content = [*([{"type": "image"}] if shown else []), {"type": "text", "text": text}]
    chat = trainer.processing_class.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    images = [toy.images[toy.golds.index(gold)]] if shown else None
    return trainer.processing_class(text=[chat], images=images, return_tensors="pt")


@VIEWS
def test_log_probs_of_all_segments_are_those_of_an_independent_recompute(
    make_loop, toy, tiny, family, tmp_path, view
):
    trainer = make_loop(family=family, view=view, generations=4, learning_rate=0.0)
    batch = watched(trainer)
    assert trainer._packs
    fresh = AutoModelForImageTextToText.from_pretrained(tiny(family), dtype=torch.float32).eval()
    rows = {
        (tuple(unpad(ids, mask)), tuple(unpad(completion, seen))): i
        for i, (ids, mask, completion, seen) in enumerate(
            zip(
                *(batch[f"{part}_{of}"] for part in ("prompt", "completion") for of in ("ids", "mask")),
                strict=True,
            )
        )
    }
    decode = trainer.processing_class.batch_decode
    checked = 0
    for row in logged(tmp_path):
        for segment, shown in SEGMENTS[view]:
            prompt = prompt_of(trainer, toy, row, segment, shown)
            asked = tuple(prompt["input_ids"][0].tolist())
            completion, i = next(
                (torch.tensor([completion]), i)
                for (ids, completion), i in rows.items()
                if ids == asked and decode([completion], skip_special_tokens=True)[0] == row[segment]
            )
            whole = {"input_ids": torch.cat([prompt["input_ids"], completion], dim=1)}
            whole["attention_mask"] = torch.ones_like(whole["input_ids"])
            if shown:
                whole |= images_of(prompt)
            if "mm_token_type_ids" in whole:
                kinds = torch.cat([prompt["mm_token_type_ids"], torch.zeros_like(completion)], dim=1)
                whole["mm_token_type_ids"] = kinds
            with torch.no_grad():
                logits = fresh(**whole).logits
            steps = logits[0, :-1].log_softmax(-1)[-completion.size(1) :]
            expected = steps.gather(1, completion[0, :, None])[:, 0]
            torch.testing.assert_close(batch["logps"][i][: len(expected)], expected, atol=1e-5, rtol=1e-5)
            checked += 1
    assert checked == len(batch["prompt_ids"]) == 4 * len(SEGMENTS[view])
    assert batch["num_images"] == [int(shown) for _, shown in SEGMENTS[view]] * 4


@VIEWS
def test_gradient_flows_through_every_segment(make_loop, family, view):
    """Each segment alone moves the language model; without the picture it leaves the vision tower alone."""
    trainer = make_loop(family=family, view=view, generations=4, learning_rate=0.0)
    (batch,) = kept_batches(trainer)
    segments = SEGMENTS[view]
    for place, (_, shown) in enumerate(segments):
        chosen = torch.arange(len(batch["prompt_ids"])) % len(segments) == place
        weighted = torch.where(chosen, torch.linspace(0.5, 1.5, len(chosen)), torch.zeros(len(chosen)))
        _, gradients = loss_and_gradients(trainer, batch | {"advantages": weighted})
        moved = {name for name, gradient in gradients.items() if gradient.abs().sum() > 0}
        assert any(re.search(r"(language|text)_model\b", name) for name in moved)
        assert any(re.search(r"visual\b|vision_(tower|model)\b", name) for name in moved) == shown


@VIEWS
def test_packed_rows_are_padded_rows(make_loop, graded, family, view):
    trainer = make_loop(family=family, view=view, generations=4, beta=0.04, learning_rate=0.01)
    assert len(gradients_like_padded(trainer)) > 20


@VIEWS
@pytest.mark.parametrize("gradient", ["both", "cot"])
def test_every_row_of_a_rollout_is_paid_by_the_view(make_loop, graded, tmp_path, view, gradient):
    trainer = make_loop(view=view, gradient=gradient, generations=4)
    (batch,) = kept_batches(trainer)
    rows = logged(tmp_path)
    assert len(rows) == 4
    rewards = []
    for row in rows:
        if view == "both":
            assert row["paid"] == min(row["reward"], row["reward_blind"])
            rewards.append(row["paid"])
        else:
            assert row["view"] == "blind" and row["reward"] == row["reward_blind"] and "paid" not in row
            rewards.append(row["reward"])
    if view == "both":
        assert any(row["reward_blind"] < row["reward"] for row in rows)
    segments = len(SEGMENTS[view]) if gradient == "both" else 1
    each = torch.tensor(rewards).repeat_interleave(segments)
    expected = (each - each.mean()) / (each.std() + 1e-4)
    torch.testing.assert_close(batch["advantages"], expected, atol=1e-4, rtol=1e-4)


def test_the_picture_alone_is_the_default_and_changes_no_record(make_loop, tmp_path, graded):
    trainer = make_loop(generations=4)
    (batch,) = kept_batches(trainer)
    assert batch["num_images"] == [1] * 8
    assert not {"view", "paid", "reward_blind", "reconstruction_blind"} & set().union(*logged(tmp_path))


def test_a_run_with_both_logs_both_rewards_and_resumes_as_unbroken(make_config, graded, tmp_path):
    settings = ("grpo.steps=4", "run.save_steps=2", "reward.view=both")
    whole, unbroken = run(make_config(*settings))
    config = make_config(*settings, f"run.output_dir={tmp_path / 'halves'}")
    with interrupted(rise_cot, "ClosedLoopTrainer", after=2):
        run(config)
    halves, _ = run(config)
    second = weights(halves)
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(second[name], tensor, atol=1e-6, rtol=1e-5, msg=name)
    rows = [located.row for located in read_rows([unbroken.rollouts_dir])]
    for m in (m for m in read_metrics(unbroken.path) if "reward" in m):
        of_step = [row for row in rows if row["step"] == m["step"] - 1]
        for metric, field in (("reward", "paid"), ("reward_eq1", "reward"), ("reward_blind", "reward_blind")):
            assert m[metric] == pytest.approx(sum(row[field] for row in of_step) / len(of_step), abs=1e-5)


def test_other_stages_have_no_view(make_config):
    with pytest.raises(ConfigError, match=r"reward\.view = blind: rise_r1 pays by eq\. 9"):
        make_config("reward.view=blind", stage="rise_r1")


@pytest.mark.parametrize(("view", "rows"), [("picture", 2), ("blind", 2), ("both", 3)])
def test_estimates_count_the_rows_of_a_rollout(make_config, view, rows):
    assert rows_per_device(make_config(f"reward.view={view}"), "grpo") == 4 * rows
