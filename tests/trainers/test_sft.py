"""SFT trains on the answer and nothing else."""

import json

import pytest
import torch
from transformers import AutoModelForImageTextToText

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.kinds import render_gold, similarity
from rise_bench.errors import DataError
from rise_bench.prompts.templates import answer_only_prompt, answer_only_text
from rise_bench.reports.run_report import read_metrics
from rise_bench.scoring.rewards import read_stated
from rise_bench.trainers import sft
from rise_bench.trainers.data.answer_mask import mask_answer
from rise_bench.trainers.data.training_data import open_training_data
from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import DataConfig
from rise_bench.trainers.settings.recipe_loader import load_config


def test_loss_is_the_mean_over_the_answer_tokens_of_the_whole_step(smoke, toy, tiny):
    """Eq. 8 up to the scale of the step: each answer token weighs the same, prompt and image nothing."""
    config = smoke("sft", "data.shots=full", "sft.steps=1", "sft.gradient_accumulation_steps=4")
    run = RunFolder.create(config)
    sft.train(config, run)
    (row,) = [r for r in read_metrics(run.path) if "loss" in r]

    processor = load_processor(config.model)
    model = AutoModelForImageTextToText.from_pretrained(tiny(), dtype=torch.float32).eval()
    total, tokens = 0.0, 0
    for gold, image in zip(toy.golds, toy.images, strict=True):
        content = [{"type": "image"}, {"type": "text", "text": answer_only_prompt(toy.spec, gold)}]
        messages = [{"role": "user", "content": content}]
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
        target = answer_only_text(render_gold(gold)) + "<|im_end|>\n"
        whole = processor(text=[prompt + target], images=[image], return_tensors="pt")
        length = len(processor.tokenizer(target)["input_ids"])
        with torch.no_grad():
            logits = model(**whole).logits[0]
        ids = whole["input_ids"][0]
        logps = logits[:-1].log_softmax(-1).gather(-1, ids[1:, None])[:, 0]
        total -= logps[-length:].sum().item()
        tokens += length
    assert row["loss"] == pytest.approx(total / tokens, rel=1e-4)


def test_without_answers_the_loss_is_that_of_the_reasons(smoke, toy, tiny):
    config = smoke("rise_r1", "data.shots=full", "data.cot_answers=none", "phases=[sft]", "sft.steps=1")
    run = RunFolder.create(config)
    data = open_training_data(config.data)
    reasons = {gold.id: f"It is number {i}, so it glows." for i, gold in enumerate(data.golds)}
    examples = sft.think_answer_examples(config, data, reasons)[:2]
    sft.train_sft(config, run, config.model.name, data, examples)
    (row,) = [r for r in read_metrics(run.path) if "loss" in r]

    processor = load_processor(config.model)
    model = AutoModelForImageTextToText.from_pretrained(tiny(), dtype=torch.float32).eval()
    logps = []
    for example in examples:
        content = [{"type": "image"}, {"type": "text", "text": example.prompt}]
        messages = [{"role": "user", "content": content}]
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
        target = f"<think>{reasons[data.golds[example.position].id]}</think><answer>"
        assert example.completion.startswith(target)
        images = list(data.pictures(example.position))
        whole = processor(text=[prompt + target], images=images, return_tensors="pt")
        with torch.no_grad():
            predicted = model(**whole).logits[0].log_softmax(-1)
        length = len(processor.tokenizer(target)["input_ids"])
        ids = whole["input_ids"][0]
        logps.append(predicted[:-1].gather(-1, ids[1:, None])[-length:, 0])
    assert row["loss"] == pytest.approx(-torch.cat(logps).mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("tokens", "learned"),
    [
        (["<think>", "red", "</think>", "<answer>", "[", "1", "]</answer>"], 4),
        (["<think>red", "</think><", "ans", "wer", ">", "[[1]]", "</answer>"], 5),
        (["<think>red", "</think><answer", ">[[", "1]]", "</answer>"], 2),
        (["<think>", "an <answer", "> is", "</think>", "<answer>", "1"], 2),
        (["joy"], 1),
    ],
)
def test_the_answer_is_masked_behind_its_tag(tokens, learned):
    labels = torch.tensor([-100, -100, *range(len(tokens)), -100])
    mask_answer(labels, lambda ids: "".join(tokens[i] for i in ids))
    assert labels.tolist() == [-100] * 2 + list(range(learned)) + [-100] * (len(tokens) - learned + 1)


def test_a_target_reads_back_as_the_annotation(toy):
    for gold in toy.golds:
        stated, reading = read_stated(gold, answer_only_text(render_gold(gold)), AnswerFormat("answer_only"))
        assert reading.format_ok and similarity(gold.annotation, stated) > 0.99


def test_training_leaves_a_checkpoint_that_loads_and_a_full_record(smoke):
    config = smoke("sft")
    run = RunFolder.create(config)
    final = sft.train(config, run)
    assert final == run.final_dir("sft")
    AutoModelForImageTextToText.from_pretrained(final)
    assert [row["step"] for row in read_metrics(run.path) if "loss" in row] == [1, 2]
    record = json.loads((run.path / "run.json").read_text())
    assert record["versions"]["trl"] and len(record["starts"]) == 1
    assert load_config(run.path / "config.yaml") == config
    assert sft.train(config, run) == final  # a finished phase is not trained again
    assert len((run.path / "metrics.jsonl").read_text().splitlines()) == len(read_metrics(run.path)) + 1


def test_no_example_is_an_error_that_names_the_settings(built):
    data = open_training_data(DataConfig(benchmark=str(built)))
    with pytest.raises(DataError, match=r"lower data\.tau"):
        sft.sft_rows(data, [])
