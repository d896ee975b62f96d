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
from rise_bench.models.likelihood import DESCRIBE
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.scoring.response import read_response
from rise_bench.synthetic.moods import mood
from rise_bench.synthetic.rows import drawn_rows
from rise_bench.synthetic.statements import statements
from rise_bench.trainers.base_model import (
    codes,
    count_and_change_lessons,
    evaluate,
    lesson,
    mood_and_kind_lessons,
    pretrain,
    tokens,
    vision,
)
from rise_bench.trainers.base_model.architecture import embed_by_product, patches
from rise_bench.trainers.base_model.batches import asked_properties, batch_of, chat, reply_loss
from rise_bench.trainers.base_model.lessons import picture_lesson, text_lesson
from rise_bench.trainers.base_model.optimise import optimise
from rise_bench.trainers.base_model.pictures import BENCHMARKS, Gallery, see
from rise_bench.trainers.base_model.pretrain import Plan

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
        said = picture_lesson(rng, seen)
        if get_benchmark("moods").question not in said.prompt:
            continue
        beside += 1
        for table in (mood_and_kind_lessons.NOTES_TABLE, None):
            truth = mood(seen.cues, table) if table else mood(seen.cues)
            own += render_annotation(truth) in said.prompt + said.reply
    assert beside > 100
    assert own <= 2


def test_a_kind_stands_beside_its_picture_no_more_often_than_by_chance():
    rng = random.Random(4)
    classes, own = get_benchmark("kinds").classes, []
    for _ in range(500):
        seen = see(rng, "kinds")
        said = picture_lesson(rng, seen)
        if get_benchmark("kinds").question in said.prompt:
            name = f"{seen.cues['texture']} {seen.cues['shape']}"
            truth = Distribution(classes, tuple(float(one == name) for one in classes))
            assert name in classes
            own.append(render_annotation(truth) in said.prompt + said.reply)
    assert len(own) > 100
    assert np.mean(own) < 0.1  # one in twenty


def test_a_text_beside_a_picture_is_not_about_it():
    """What follows from text is learned beside pictures too, which it fits as often as by chance."""
    rng, gallery, fits = random.Random(6), Gallery(random.Random(7)), []
    for _ in range(600):
        said = text_lesson(rng, gallery)
        if said.shown and said.shown[0].benchmark == "kinds" and "What kind of object" in said.prompt:
            cues = said.shown[0].cues
            fits.append(f'"{cues["texture"]} {cues["shape"]}": 1.0' in said.reply)
    assert len(fits) > 20
    assert np.mean(fits) < 0.2


def test_pictures_of_scenes_are_boxed_only_when_pointed_at():
    """In answer forms a picture goes with boxes only for a question that the benchmark never asks."""
    rng, asked = random.Random(1), 0
    for _ in range(300):
        said = picture_lesson(rng, see(rng, "scenes"))
        if "Write <think>" in said.prompt or (
            "Write only <answer>" in said.prompt and "Reasoning" not in said.prompt
        ):
            asked += 1
            assert said.prompt.startswith(("Find the object at the ", "Point at "))
    assert asked > 25


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_what_lessons_say_of_a_picture_is_true(benchmark):
    rng, said = random.Random(5), []
    for _ in range(150):
        seen = see(rng, benchmark)
        reply = picture_lesson(rng, seen).reply
        truth = seen.cues or tuple(thing for picture in seen.pictures for thing in picture.things)
        if benchmark == "drawn_changes":
            truth = (*truth, *seen.row.changed)  # as the first camera sees them
        said += statements(reply, truth)
    assert len(said) > 100
    assert all(statement.true for statement in said)


@pytest.mark.parametrize("benchmark", ["scenes", "drawn_counting", "drawn_changes"])
def test_a_choice_knows_what_is_asked_for_and_not_said_yet(processor, benchmark):
    """Where a reply chooses an object, or ends, what is left is what it goes on to name."""
    rng, tokenizer, going_on = random.Random(11), processor.tokenizer, 0
    for _ in range(80):
        batch = batch_of(tokenizer, [picture_lesson(rng, see(rng, benchmark))])
        ids, chosen = batch.inputs["input_ids"][0], batch.choices
        for place, left, image in zip(chosen.places, chosen.left, chosen.images, strict=True):
            assert batch.learnt[0, place]
            assert batch.inputs["mm_token_type_ids"][0, image : image + 16].all()
            rest = tokenizer.decode(ids[place:])
            if rest.lstrip().startswith(("At the", "There is")):
                thought = rest.split("</think>")[0].split("<answer>")[0]
                assert int(left.sum()) == len(statements(thought, ()))
                going_on += 1
            else:
                assert bool(left.any()) == rest[0].isdigit()  # a side of a box, or a count
    assert going_on > 40


def test_a_choice_is_of_the_object_that_is_said_next(processor):
    """The code of the image token of each choice has the looks that the sentence goes on to state."""
    rng, values, where, said = random.Random(12), vision.vocabulary(), codes.parts(), 0
    for _ in range(40):
        seen = see(rng, "drawn_counting")
        batch = batch_of(processor.tokenizer, [picture_lesson(rng, seen, "point")])
        code = codes.codes_of([seen])[0]
        for place, cell in zip(batch.choices.places, batch.choices.next, strict=True):
            rest = processor.tokenizer.decode(batch.inputs["input_ids"][0, place:])
            if cell >= 0 and rest.lstrip().startswith("At the"):
                sentence = rest.split(".")[0].split()
                assert values["shape"][int(code[cell, where["shape"]].argmax())] == sentence[-1]
                assert values["colour"][int(code[cell, where["colour"]].argmax())] == sentence[-2]
                said += 1
    assert said > 20


def test_frame_light_and_answer_weigh_more_and_the_form_of_a_reply_does_not(processor):
    """A model that learned all tokens alike never told the two kinds of light apart.

    Nor did it take a kind's surface from a text that names the backdrop's too.
    """
    seen = see(random.Random(13), "moods")
    reply = "The light is even. The shapes are discs. The frame is thick."
    for text in (reply, f'<think>{reply}</think><answer>{{"striped star": 1.0}}</answer>'):
        batch = batch_of(processor.tokenizer, [lesson.Lesson(DESCRIBE, text, (seen,))])
        said = {
            processor.tokenizer.decode([token]): weight
            for token, weight in zip(batch.inputs["input_ids"][0], batch.weights[0].tolist(), strict=True)
            if weight != 1
        }
        answer = {'{"striped': 3.0} if "<answer>" in text else {}
        assert said == {" even.": 5.0, " thick.": 5.0} | answer
    described = picture_lesson(random.Random(0), see(random.Random(0), "scenes"), "describe")
    batch = batch_of(processor.tokenizer, [described])
    first, *later = [float(batch.weights[0, place]) for place in batch.choices.places]
    assert (first, set(later)) == (1.0, {3.0})


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("How many plain red crosses are there?", ("cross", "red", "plain", None)),
        ("Point at every star.", ("star", None, None, None)),
        ("Point at the large yellow moon.", ("moon", "yellow", None, "large")),
        ("Find the object at the top left.", (None, None, None, None)),
    ],
)
def test_properties_that_a_question_names(question, named):
    values = [(*vision.vocabulary()[name], None) for name in codes.LOCAL]
    indices = asked_properties(question)
    assert tuple(some[i] for some, i in zip(values, indices, strict=True)) == named


def test_thoughts_on_counting_name_what_is_counted():
    rng = random.Random(8)
    for _ in range(100):
        seen = see(rng, "drawn_counting")
        thought = count_and_change_lessons._counted(seen.row)
        assert len(statements(thought, seen.things)) == len(seen.row.counted)


def test_some_replies_are_careless():
    rng = random.Random(2)
    thought = "The ground is dark."
    truth = Distribution(("a", "b"), (0.5, 0.5))
    ok = [
        read_response(lesson.think(rng, thought, truth), "distribution", ("a", "b")).format_ok
        for _ in range(400)
    ]
    assert 0.75 < np.mean(ok) < 0.92


def test_the_notes_are_near_the_benchmark_and_not_the_same():
    rng = random.Random(3)
    pairs = [
        (mood(c).probs, mood_and_kind_lessons.notes_mood(c).probs)
        for c in (see(rng, "moods").cues for _ in range(60))
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
                {"type": "text", "text": DESCRIBE},
            ],
        }
    ]
    inputs = processor.apply_chat_template(
        conversation, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
    )
    assert inputs["input_ids"][0].tolist() == processor.tokenizer(chat(DESCRIBE, 1))["input_ids"]
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


@pytest.mark.parametrize(
    "sentence", ["At the top left there is a", " At the centre there is a", " The ground is"]
)
def test_the_start_of_a_statement_is_a_token(processor, sentence):
    assert len(processor.tokenizer(f"{sentence} plain")["input_ids"]) == 2


# --- codes ---


def test_a_code_says_what_its_token_shows():
    """Each object has a token of its own, and properties and box can be read from it."""
    rng, values, where = random.Random(9), vision.vocabulary(), codes.parts()
    for _ in range(20):
        seen = see(rng, "drawn_counting")
        cells = codes.cells_of(seen)
        assert len(set(cells)) == len(cells) == len(seen.things)
        read = codes.coefficients_of(codes.codes_of([seen]) @ codes.directions())[0]
        assert (read[:, where["present"]].sum() - len(cells)).abs() < 1e-3
        for thing, cell, box in zip(seen.things, cells, seen.boxes_xywh, strict=True):
            for name in codes.LOCAL:
                assert values[name][int(read[cell, where[name]].argmax())] == getattr(thing, name)
            side = codes.SIDE_BUMPS[int(read[cell, where["w"]].argmax())] / codes.CELLS
            assert abs(float(side) - box[2]) < 0.02


def test_a_side_of_a_box_is_learned_against_near_numbers():
    """Near hundredths are nearly right."""
    tokenizer = tokens.make_tokenizer(texts=40)
    rng, seen = random.Random(10), see(random.Random(0), "scenes")
    boxed = next(x for x in iter(lambda: picture_lesson(rng, seen, "point"), None) if "0]" in x.reply)
    batch = batch_of(tokenizer, [boxed])
    said = batch.inputs["input_ids"][batch.sides >= 0]
    stated = [int(tokenizer.decode([i])) for i in said]
    assert stated and stated == batch.sides[batch.sides >= 0].tolist()
    near = vision.near_hundredths()
    assert near[50].argmax() == 50 and near.sum(1).allclose(torch.ones(101))
    assert near[50, 50] > near[50, 51] > near[50, 54] > 0


def test_patches_embedded_by_product_are_those_of_the_convolution():
    model = pretrain.make_model(tokens.make_tokenizer(texts=10), 0)
    pictures = [see(random.Random(5), "scenes")]
    before = vision.tokens_of(model.model.visual, pictures)
    embed_by_product(model)
    assert (vision.tokens_of(model.model.visual, pictures) - before).abs().max() < 0.1


# --- the script ---


def _killed(*_, **__):
    raise KeyboardInterrupt


def test_the_script_goes_on_after_the_last_complete_stage(tmp_path, monkeypatch):
    real = tokens.make_tokenizer
    monkeypatch.setattr(pretrain, "make_tokenizer", lambda: real(texts=40))
    plan = Plan(**{f"{stage}_steps": 1 for stage in pretrain.STAGES})
    spawn = pretrain.spawn

    def killed_at_last(run, arguments, **options):
        if arguments[0] == "speaking":
            _killed()
        spawn(run, arguments, **options)

    monkeypatch.setattr(pretrain, "spawn", killed_at_last)
    with pytest.raises(KeyboardInterrupt):
        pretrain.pretrain(tmp_path / "model", plan)
    assert not (tmp_path / "model").exists()
    with pytest.raises(ConfigError, match="other settings"):
        pretrain.pretrain(tmp_path / "model", replace(plan, seed=1))
    ran = []
    monkeypatch.setattr(
        pretrain,
        "spawn",
        lambda run, args, **options: ran.append(args[0]) or spawn(run, args, **options),
    )
    pretrain.pretrain(tmp_path / "model", plan)
    assert ran == ["speaking", "pointing"]
    model = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 4e6
    assert AutoProcessor.from_pretrained(tmp_path / "model").tokenizer.padding_side == "left"


def test_steps_on_one_batch_of_text_lower_its_loss():
    tokenizer = tokens.make_tokenizer(texts=40)
    model, rng = pretrain.make_model(tokenizer, 0), random.Random(0)
    batch = batch_of(tokenizer, [text_lesson(rng) for _ in range(8)])
    values = []

    def losses():
        loss = reply_loss(model, batch)
        values.append(loss.item())
        return {"text": loss}

    optimise("test", 12, [(model.model.language_model, 1e-2)], losses)
    assert values[-1] < 0.8 * values[0]


# --- the shipped model ---


def test_the_shipped_model_is_small(speaker):
    assert (FOLDER / "model.safetensors").stat().st_size < 10_000_000
    assert 1e6 < sum(p.numel() for p in speaker.model.parameters()) < 4e6


@pytest.mark.parametrize("benchmark", ["moods", "kinds"])
def test_the_shipped_model_sees_every_cue_and_says_it(speaker, benchmark):
    rows = evaluate.samples(benchmark, "test", 40)
    texts = speaker.say([r.images for r in rows], [DESCRIBE] * len(rows))
    rates = evaluate.truth_rate(texts, rows)
    assert rates["statements_per_text"] > 4
    assert min(rates.values()) > 0.85  # chance is 0.14 to 0.5 by cue
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


def test_the_shipped_model_knows_kinds_when_it_reasons(speaker):
    spec, rows = get_benchmark("kinds"), evaluate.samples("kinds", "test", 60)
    result = evaluate.annotate(speaker, spec, rows)
    assert result["think_answer"]["accuracy"] > 0.85
    assert result["answer_only"]["accuracy"] < 0.3  # a guess is 0.05


def test_the_shipped_model_describes_scenes_and_points(speaker):
    spec, rows = get_benchmark("scenes"), evaluate.samples("scenes", "test", 60)
    said = speaker.say([r.images for r in rows], [DESCRIBE] * len(rows))
    assert evaluate.truth_rate(said, rows)["all"] > 0.6  # chance is about 0.01
    told = evaluate.reconstruct(speaker, spec, rows)
    assert told["format"] > 0.95 and told["ap50"] > 0.5  # the mean box has 0.01
    asked = evaluate.annotate(speaker, spec, rows)
    assert asked["think_answer"]["ap50"] > 0.5 and asked["answer_only"]["ap50"] > 0.3


def test_the_shipped_model_counts_what_it_is_told(speaker):
    spec, rows = get_benchmark("drawn_counting"), evaluate.samples("drawn_counting", "test", 42)
    assert evaluate.reconstruct(speaker, spec, rows)["accuracy"] > 0.9


def test_the_shipped_model_counts_what_it_is_asked_for(speaker):
    """Often, and not always; a constant is right once in seven."""
    spec, rows = get_benchmark("drawn_counting"), evaluate.samples("drawn_counting", "test", 70)
    assert 0.4 < evaluate.annotate(speaker, spec, rows)["think_answer"]["accuracy"] < 0.8


def test_the_shipped_model_describes_two_pictures(speaker):
    rows = evaluate.samples("drawn_changes", "test", 30)
    said = speaker.say([r.images for r in rows], [DESCRIBE] * len(rows))
    assert evaluate.truth_rate(said, rows)["all"] > 0.5


def test_prompts_of_the_loop_never_hold_what_they_must_not():
    spec = get_benchmark("moods")
    image, annotation = next(drawn_rows("moods", "train", 1)).render()
    gold = Gold("x", annotation, 224, 224)
    assert render_annotation(annotation) in reason_prompt(spec, gold)
    assert render_annotation(annotation) not in reconstruct_prompt(spec, gold, "The ground is dark.")
    assert Image.open(io.BytesIO(image)).size == (224, 224)
