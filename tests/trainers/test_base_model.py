import io
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("transformers")

import torch
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_annotation
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.errors import ConfigError
from rise_bench.models.base_model import base_model_folder
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.scoring.response import read_response
from rise_bench.synthetic.moods import mood
from rise_bench.synthetic.rows import drawn_rows
from rise_bench.trainers.base_model import evaluate, lessons, pretrain, tokens
from rise_bench.trainers.base_model.architecture import embed_by_product, patches
from rise_bench.trainers.base_model.batches import batch_of, chat, reply_loss
from rise_bench.trainers.base_model.pictures import see
from rise_bench.trainers.base_model.pretrain import Plan
from rise_bench.trainers.base_model.vision import tokens_of

FOLDER = base_model_folder()


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def speaker():
    return evaluate.Speaker(FOLDER)


# --- lessons ---


def test_no_lesson_shows_a_picture_with_its_mood():
    """The annotations that stand beside a picture agree with its own no more often than by chance."""
    rng = random.Random(0)
    own, beside = 0, 0
    for _ in range(500):
        seen = see(rng, "moods")
        lesson = lessons.mood_picture(rng, seen)
        if get_benchmark("moods").question not in lesson.prompt:
            continue
        beside += 1
        for table in (lessons.NOTES_TABLE, None):
            truth = mood(seen.cues, table) if table else mood(seen.cues)
            own += render_annotation(truth) in lesson.prompt + lesson.reply
    assert beside > 100
    assert own <= 2


def test_a_kind_stands_beside_its_picture_no_more_often_than_by_chance():
    rng = random.Random(4)
    classes, own = get_benchmark("kinds").classes, []
    for _ in range(500):
        seen = see(rng, "kinds")
        lesson = lessons.kind_picture(rng, seen)
        if get_benchmark("kinds").question in lesson.prompt:
            name = f"{seen.cues['texture']} {seen.cues['shape']}"
            truth = Distribution(classes, tuple(float(one == name) for one in classes))
            assert name in classes
            own.append(render_annotation(truth) in lesson.prompt + lesson.reply)
    assert len(own) > 100
    assert np.mean(own) < 0.1  # one in twenty


def test_pictures_of_scenes_are_boxed_only_when_pointed_at():
    """In answer forms a picture goes with the benchmark's boxes only for a question that it never asks."""
    rng = random.Random(1)
    for _ in range(300):
        lesson = lessons.scene_picture(rng, see(rng, "scenes"))
        if "Write <think>" in lesson.prompt or (
            "Write only <answer>" in lesson.prompt and "Reasoning" not in lesson.prompt
        ):
            assert lesson.prompt.startswith("Find the object at the ")


def test_some_replies_are_careless():
    rng = random.Random(2)
    thought = "The ground is dark."
    truth = Distribution(("a", "b"), (0.5, 0.5))
    ok = [
        read_response(lessons._think(rng, thought, truth), "distribution", ("a", "b")).format_ok
        for _ in range(400)
    ]
    assert 0.75 < np.mean(ok) < 0.92


def test_the_notes_are_near_the_benchmark_and_not_the_same():
    rng = random.Random(3)
    pairs = [
        (mood(c).probs, lessons.notes_mood(c).probs) for c in (see(rng, "moods").cues for _ in range(60))
    ]
    gaps = [float(np.abs(np.subtract(a, b)).sum()) for a, b in pairs]
    assert 0.05 < np.mean(gaps) < 0.9


# --- tokenizer and processor ---


@pytest.mark.parametrize("benchmark", ["moods", "scenes", "kinds"])
@pytest.mark.parametrize("prompt", [think_answer_prompt, answer_only_prompt])
def test_prompts_cost_few_tokens(processor, benchmark, prompt):
    row = next(drawn_rows(benchmark, "test", 1))
    _, annotation = row.render()
    gold = Gold("x", annotation, 224, 224, row.category, row.question)
    assert len(processor.tokenizer(prompt(get_benchmark(benchmark), gold))["input_ids"]) <= 30


@pytest.mark.parametrize(
    "text", ["The ground is dark.", '{"joy": 0.667} [[12, 3, 400, 1000]]', "naïve 日本 🙂\n\ttab"]
)
def test_the_tokenizer_keeps_every_text(processor, text):
    assert processor.tokenizer.decode(processor.tokenizer(text)["input_ids"]) == text


def test_training_inputs_are_what_the_processor_makes(processor):
    seen = see(random.Random(4), "moods")
    conversation = [
        {
            "role": "user",
            "content": [
                {"type": "image", "image": Image.fromarray(seen.pixels)},
                {"type": "text", "text": lessons.DESCRIBE},
            ],
        }
    ]
    inputs = processor.apply_chat_template(
        conversation, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
    )
    assert inputs["input_ids"][0].tolist() == processor.tokenizer(chat(lessons.DESCRIBE, True))["input_ids"]
    assert (inputs["pixel_values"] - patches(seen.pixels[None])).abs().max() < 1e-5


def test_the_shipped_tokenizer_knows_every_prompt_sentence(processor):
    """A prompt that was reworded after training costs many tokens and confuses the model: train it again."""
    unknown = [s for s in tokens.fixed_sentences() if len(processor.tokenizer(s)["input_ids"]) != 1]
    assert not unknown, "run: python -m rise_bench.trainers.base_model.pretrain"


@pytest.mark.parametrize(
    ("number", "pieces"), [("326", ["32", "6"]), ("1000", ["100", "0"]), ("95", ["9", "5"])]
)
def test_a_side_of_a_box_is_two_tokens(number, pieces):
    """The first of them says all of a side that is a multiple of ten, as those of the lessons are."""
    tokenizer = tokens.make_tokenizer(texts=40)
    ids = tokenizer(f"[[{number}, {number}]]")["input_ids"]
    assert [
        tokenizer.decode([i]) for i in ids if tokenizer.decode([i]) not in ("[", "[[", ", ", "]]")
    ] == 2 * pieces


def test_patches_embedded_by_product_are_those_of_the_convolution():
    model = pretrain.make_model(tokens.make_tokenizer(texts=10), 0)
    pictures = [see(random.Random(5), "scenes")]
    before = tokens_of(model.model.visual, pictures)
    embed_by_product(model)
    assert (tokens_of(model.model.visual, pictures) - before).abs().max() < 1e-4


# --- the script ---


def _killed(*_, **__):
    raise KeyboardInterrupt


def test_the_script_goes_on_after_the_last_complete_stage(tmp_path, monkeypatch):
    real = tokens.make_tokenizer
    monkeypatch.setattr(pretrain, "make_tokenizer", lambda: real(texts=40))
    plan = Plan(vision_steps=1, text_steps=1, joint_steps=1, focus_steps=1)
    monkeypatch.setattr(pretrain, "learn_both", _killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain.pretrain(tmp_path / "model", plan)
    assert not (tmp_path / "model").exists()
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="other settings"):
        pretrain.pretrain(tmp_path / "model", replace(plan, seed=1))
    for done in ("make_tokenizer", "learn_to_see", "ProcessPoolExecutor"):
        monkeypatch.setattr(pretrain, done, lambda *_: pytest.fail("this stage was complete"))
    pretrain.pretrain(tmp_path / "model", plan)
    model = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 4e6
    assert AutoProcessor.from_pretrained(tmp_path / "model").tokenizer.padding_side == "left"


def test_steps_on_one_batch_of_text_lower_its_loss():
    tokenizer = tokens.make_tokenizer(texts=40)
    model, rng = pretrain.make_model(tokenizer, 0), random.Random(0)
    batch = [lessons.text_lesson(rng) for _ in range(8)]
    values = []

    def losses():
        loss = reply_loss(model, *batch_of(tokenizer, batch))
        values.append(loss.item())
        return {"text": loss}

    pretrain.optimise("test", 12, [(model.model.language_model, 1e-2)], losses)
    assert values[-1] < 0.8 * values[0]


# --- the shipped model ---


def test_the_shipped_model_is_small(speaker):
    assert (FOLDER / "model.safetensors").stat().st_size < 10_000_000
    assert 1e6 < sum(p.numel() for p in speaker.model.parameters()) < 4e6


def test_the_shipped_model_sees_and_speaks(speaker):
    rows = evaluate.samples("moods", "test", 40)
    texts = speaker.say([r.image for r in rows], [lessons.DESCRIBE] * len(rows))
    rates = evaluate.truth_rate(texts, rows)
    assert rates["statements_per_text"] > 4
    assert rates["all"] > 0.65  # chance is about 0.28
    elsewhere = rows[1:] + rows[:1]
    assert evaluate.truth_rate(texts, elsewhere)["all"] < rates["all"] - 0.15  # and it is about this picture


def test_the_shipped_model_closes_the_loop(speaker):
    spec = get_benchmark("moods")
    result = evaluate.closed_loop(speaker, spec, evaluate.samples("moods", "train", 6), group=4)
    assert 0.05 < result["reward"] < 0.9  # something to learn from, something left to learn
    assert result["best_of_group"] > result["reward"]
    assert result["leaks"] < 0.5


def test_the_shipped_model_is_a_weak_annotator_that_keeps_a_format_often_and_not_always(speaker):
    torch.manual_seed(0)
    spec, rows = get_benchmark("moods"), evaluate.samples("moods", "test", 100)
    result = evaluate.annotate(speaker, spec, rows)
    assert all(0.6 < result[f"{style} sampled"]["format"] < 0.9 for style in ("think_answer", "answer_only"))
    assert result["think_answer"]["jsd"] > 0.8 * result["baseline train_mean"]["jsd"]
    assert result["answer_only"]["jsd"] > 0.8 * result["baseline train_mean"]["jsd"]


def test_the_shipped_model_answers_boxes(speaker):
    spec, rows = get_benchmark("scenes"), evaluate.samples("scenes", "test", 60)
    result = evaluate.reconstruct(speaker, spec, rows)
    assert result["format"] > 0.95 and result["similarity"] > 0.25  # the mean box has 0.14


def test_prompts_of_the_loop_never_hold_what_they_must_not():
    spec = get_benchmark("moods")
    image, annotation = next(drawn_rows("moods", "train", 1)).render()
    gold = Gold("x", annotation, 224, 224)
    assert render_annotation(annotation) in reason_prompt(spec, gold)
    assert render_annotation(annotation) not in reconstruct_prompt(spec, gold, "The ground is dark.")
    assert Image.open(io.BytesIO(image)).size == (224, 224)
