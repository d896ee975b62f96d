"""Prompts: the unit is said, the reconstruction never sees the annotation, a change changes the hash."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS, render_gold
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.prompts import clean_text
from rise_bench.prompts import templates as prompts

EMOTION6, COCO, LISA = (BENCHMARKS[name] for name in ("emotion6", "coco_sub", "lisa"))
shares = st.lists(st.integers(1, 997), min_size=7, max_size=7).map(lambda n: tuple(i / sum(n) for i in n))
box = st.tuples(*[st.integers(101, 400).map(float)] * 4)


@given(shares)
def test_reconstruction_prompt_does_not_depend_on_the_probabilities(probs):
    gold = Gold("x", Distribution(EMOTION6.classes, probs), 640, 480)
    other = Gold("x", Distribution(EMOTION6.classes, probs[::-1]), 640, 480)
    prompt = prompts.reconstruct_prompt(EMOTION6, gold, "a red sky")
    assert prompt == prompts.reconstruct_prompt(EMOTION6, other, "a red sky")
    assert render_gold(gold) not in prompt
    assert render_gold(gold) in prompts.reason_prompt(EMOTION6, gold)


@given(st.lists(box, min_size=1, max_size=4), st.sampled_from(["px", "norm1000", "resized_px"]))
def test_only_the_reason_prompt_depends_on_the_boxes(boxes, unit):
    gold = Gold("x", Boxes(tuple(boxes)), 640, 480, category="dog")
    answer_format = AnswerFormat(unit=unit)
    none = dataclasses.replace(gold, annotation=Boxes(()))
    for build in (prompts.think_answer_prompt, prompts.answer_only_prompt):
        assert build(COCO, gold, answer_format) == build(COCO, none, answer_format)
    assert prompts.reconstruct_prompt(COCO, gold, "c", answer_format) == prompts.reconstruct_prompt(
        COCO, none, "c", answer_format
    )
    assert render_gold(gold, answer_format) in prompts.reason_prompt(COCO, gold, answer_format)


@pytest.mark.parametrize("spec", BENCHMARKS.values(), ids=lambda spec: spec.name)
def test_the_prompts_of_a_sample_begin_with_question_and_form_of_the_answer(spec):
    """What all of them share stands first, so that it is read once."""
    for annotation in KINDS[spec.kind].examples(spec.classes):
        gold = Gold("x", annotation, 640, 480, category="dog", question="Where?")
        start = f"{prompts.task_sentence(spec, gold)}\n{prompts.answer_form(spec, gold)}\n"
        for build in (
            prompts.reason_prompt,
            prompts.think_answer_prompt,
            prompts.answer_only_prompt,
            prompts.caption_prompt,
        ):
            assert build(spec, gold).startswith(start)
        reconstruct = prompts.reconstruct_prompt(spec, gold, "A red sky.")
        assert reconstruct.startswith(f"{start}Reasoning: A red sky.\n")


def test_the_reason_prompt_says_what_an_empty_list_means():
    none = Gold("x", Boxes(()), 640, 480, category="dog")
    assert "annotation is [] (an empty list: the image shows none;" in prompts.reason_prompt(COCO, none)
    some = dataclasses.replace(none, annotation=Boxes(((1, 1, 99, 99),)))
    assert "empty list" not in prompts.reason_prompt(COCO, some)


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("norm1000", "from 0 to 1000"),
        ("px", "640 wide and 480 high"),
        ("resized_px", "644 wide and 476 high"),
    ],
)
def test_the_unit_of_boxes_is_said(unit, said):
    gold, answer_format = Gold("x", Boxes(()), 640, 480, category="dog"), AnswerFormat(unit=unit)
    for build in (prompts.think_answer_prompt, prompts.answer_only_prompt):
        assert said in build(COCO, gold, answer_format)
    assert said in prompts.reconstruct_prompt(COCO, gold, "c", answer_format)


def test_category_and_question_are_filled_in_and_not_interpreted():
    gold = Gold("x", Boxes(()), 640, 480, category="{question}", question="Which {weird} one?")
    assert "Which {weird} one? Locate that object." in prompts.think_answer_prompt(LISA, gold)


@pytest.mark.parametrize(
    ("cot", "clean"),
    [
        ("red <|image_pad|>sky", "red sky"),
        ("<think>red</think> <answer>", "red"),
        ("<|im_<|im_end|>end|> sky", "sky"),  # what is left after one removal may not become a token
        ("a < b |> c", "a < b |> c"),
        ("red <IMG_CONTEXT>sky</img>", "red sky"),  # InternVL's
        ("red<end_of_utterance> <row_1_col_12>sky", "red sky"),  # SmolVLM's
    ],
)
def test_special_tokens_never_enter_a_prompt(cot, clean):
    assert clean_text.clean_cot(cot) == clean


def removed_until_nothing_changes(cot):
    previous = None
    while cot != previous:
        previous, cot = cot, clean_text._SPECIAL_TOKEN.sub("", cot)
    return cot.strip()


@given(st.lists(st.sampled_from(["<|", "|>", "<", ">", "</", "think>", "im", " ", "<|a|>", "x" * 65])))
def test_removal_in_one_pass_is_removal_until_nothing_changes(pieces):
    cot = "".join(pieces)
    assert clean_text.clean_cot(cot) == removed_until_nothing_changes(cot)


def test_nested_tokens_take_linear_time():
    nested = "<|a" * 200_000 + "<|b|>" + "|>" * 200_000  # one round of removal for each takes hours
    assert clean_text.clean_cot(f"red {nested} sky") == "red  sky"


def test_hash_changes_with_unit_and_question():
    base = prompts.prompt_hash(COCO)
    assert base == prompts.prompt_hash(COCO)
    assert base != prompts.prompt_hash(COCO, AnswerFormat(unit="px"))
    assert base != prompts.prompt_hash(dataclasses.replace(COCO, question="Find {category}."))
