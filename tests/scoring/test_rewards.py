"""Rewards of eqs. 1 and 9 with their ablation switches, and what hostile text is paid."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS, render_gold
from rise_bench.errors import ConfigError
from rise_bench.prompts.templates import answer_only_text, think_answer_text
from rise_bench.scoring.rewards import RewardRule, cot_format_ok, cot_reward, r1_reward

EMOTIONS = ("joy", "sadness", "fear")
MOOD = Gold("m", Distribution(EMOTIONS, (0.5, 0.3, 0.2)), 640, 480)
DOGS = Gold("d", Boxes(((64, 48, 320, 240),)), 640, 480, category="dog")
COT = "Warm light falls on smiling people."
TRUE_MOOD = answer_only_text(render_gold(MOOD))


def test_a_clean_cot_with_a_true_reconstruction_is_paid_in_full():
    verdict = cot_reward(MOOD, COT, TRUE_MOOD)
    assert verdict.reward == verdict.similarity == pytest.approx(1.0)
    assert (verdict.leak_numbers, verdict.leak_strict, verdict.format_ok, verdict.reason) == (
        False,
        False,
        True,
        "ok",
    )


@pytest.mark.parametrize(
    ("cot", "rule", "paid"),
    [
        ("People smile, about 80% of them.", RewardRule(), False),
        ("People smile, about 80% of them.", RewardRule(leak_term=False), True),
        ("The people look joyful and warm.", RewardRule(), True),
        ("The people look joyful and warm.", RewardRule(leak="strict"), False),
        ("smile", RewardRule(), False),
        ("smile", RewardRule(format_term=False), True),
        ('{"joy": high, "fear": low} as people smile', RewardRule(), False),
        ("<answer> people smile warmly", RewardRule(), False),
        ("people smile <|image_pad|> warmly today", RewardRule(), False),
        ("people smile <image> warmly today", RewardRule(), False),
        ("joy is at eigh<image>ty per cent here", RewardRule(format_term=False), False),
        ("joy is at eigh<|image_pad|>ty per cent here", RewardRule(format_term=False), False),
        ("joy is at 0.<|<image>a|>8 here", RewardRule(format_term=False), False),
        ("the people look j<image>oyful here", RewardRule(leak="strict", format_term=False), False),
    ],
)
def test_conditions_and_switches(cot, rule, paid):
    """Table 5's ablations: each switch turns off its own condition and no other."""
    assert (cot_reward(MOOD, cot, TRUE_MOOD, rule=rule).reward > 0.9) is paid
    assert cot_reward(MOOD, cot, TRUE_MOOD, rule=rule).similarity == pytest.approx(1.0)


def test_the_authors_leak_factor():
    rule = RewardRule(variant="upstream", upstream_leak_factor=0.1)
    assert cot_reward(MOOD, "People smile, 80% of them.", TRUE_MOOD, rule=rule).reward == pytest.approx(0.1)


def test_both_leak_verdicts_are_given_whatever_decides():
    verdict = cot_reward(MOOD, "The people look joyful and warm.", TRUE_MOOD)
    assert (verdict.leak_numbers, verdict.leak_strict) == (False, True)


NO_DOG = Gold("n", Boxes(()), 640, 480, category="dog")


@pytest.mark.parametrize(
    ("cot", "rule", "paid"),
    [
        ("The lawn is bare: there is no dog, only a ball.", RewardRule(leak="strict"), True),
        ("The lawn is bare, so the answer is [ ] here.", RewardRule(), False),
        ("The lawn is bare, so an empty list it is.", RewardRule(), False),
        ("The lawn is bare: there are 0 dogs.", RewardRule(), False),
    ],
)
def test_a_cot_says_in_words_that_there_is_nothing(cot, rule, paid):
    verdict = cot_reward(NO_DOG, cot, "<answer>[]</answer>", rule=rule)
    assert (verdict.similarity, verdict.reward) == (1.0, float(paid))
    assert not cot_reward(DOGS, "The dogs lie on [ ] grass.", "<answer>[]</answer>").leak_numbers


@pytest.mark.parametrize(
    ("response", "reward"),
    [("[]", 1.0), ("There is no dog.", 1.0), ("[[64, 48, 320, 240]]", 0.0), ("dog", 0.0), ("", 0.0)],
)
def test_an_empty_image_pays_for_the_statement_that_there_is_nothing(response, reward):
    verdict = r1_reward(NO_DOG, think_answer_text("The lawn is bare today.", response))
    assert verdict.reward == reward


def test_box_categories_count_as_class_names():
    text = answer_only_text(render_gold(DOGS))
    assert cot_reward(DOGS, "The dogs lie left of centre.", text).leak_strict
    assert not cot_reward(DOGS, "The animals lie left of centre.", text).leak_strict


def test_unreadable_reconstruction_is_data_not_an_error():
    verdict = cot_reward(MOOD, COT, "I cannot tell")
    assert (verdict.reward, verdict.similarity, verdict.stated) == (0.0, 0.0, None)
    assert verdict.reason == "no_class_numbers"


@pytest.mark.parametrize("unit", ["px", "norm1000", "resized_px"])
def test_boxes_are_scored_in_pixels_whatever_the_unit(unit):
    text = think_answer_text(COT, render_gold(DOGS, AnswerFormat(unit=unit), digits=6))
    verdict = r1_reward(DOGS, text, AnswerFormat(unit=unit))
    assert verdict.reward == pytest.approx(1.0)
    assert verdict.stated.xywh[0] == pytest.approx(DOGS.annotation.xywh[0], abs=1e-3)


def test_a_wrong_unit_is_never_guessed():
    text = think_answer_text(COT, render_gold(DOGS, AnswerFormat(unit="px")))
    assert r1_reward(DOGS, text).reward < 0.5


def test_eq_9_needs_the_format_but_not_silence_about_numbers():
    answer = render_gold(MOOD)
    assert r1_reward(MOOD, think_answer_text("joy is 50%", answer)).reward == pytest.approx(1.0)
    assert r1_reward(MOOD, answer_only_text(answer)).reward == 0.0
    assert r1_reward(
        MOOD, answer_only_text(answer), rule=RewardRule(format_term=False)
    ).reward == pytest.approx(1.0)
    assert r1_reward(MOOD, answer_only_text(answer), AnswerFormat("answer_only")).reward == pytest.approx(1.0)


@given(
    st.text(max_size=200), st.text(alphabet='<>/thinkanswer[]{}(),.:%"0123456789eE-+ joynaif', max_size=200)
)
def test_reward_of_any_text_is_finite_and_in_0_1(cot, text):
    for gold in (MOOD, DOGS):
        for reward in (cot_reward(gold, cot, text).reward, r1_reward(gold, text).reward):
            assert math.isfinite(reward)
            assert 0.0 <= reward <= 1.0 + 1e-12


@pytest.mark.parametrize(
    ("cot", "ok"),
    [
        ("a red sky burns", True),
        ("sky", False),
        ("", False),
        ("sky </think> sky sky", False),
        ("一只棕色的狗躺在左边的草地上，靠近白色的栅栏。", True),
        ("犬がいる。", True),
        ("天空", False),
    ],
)
def test_a_cot_is_a_narrative(cot, ok):
    assert cot_format_ok(cot) is ok


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<think>It shines.</think><answer>{right}</answer>", 1.0),
        ("<think>It shines.</think><answer>{wrong}</answer>", 0.5),
        ("It shines. <answer>{right}</answer>", 0.5),
        ("It shines. <answer>{wrong}</answer>", 0.0),
    ],
)
def test_reason_rft_pays_a_similarity_and_a_format(response, expected):
    gold = Gold("a", KINDS["value"].from_json(["7"], ()), 10, 10)
    text = response.format(right="7", wrong="8")
    rule = RewardRule(format_term=False, format_bonus=1.0)
    assert r1_reward(gold, text, rule=rule).reward == expected


def test_a_format_bonus_replaces_the_format_term():
    with pytest.raises(ConfigError, match=r"reward\.format_term=false"):
        RewardRule(format_bonus=1.0)


@pytest.mark.parametrize("bonus", [-1.0, math.nan, math.inf])
def test_a_format_bonus_is_a_number_of_at_least_0(bonus):
    with pytest.raises(ConfigError, match="at least 0. Set such a number"):
        RewardRule(format_term=False, format_bonus=bonus)
