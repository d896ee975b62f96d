"""Reason-RFT's reward variants on top of eq. 9: the caption form and the length reward."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.errors import ConfigError
from rise_bench.scoring.length_reward import length_rewards
from rise_bench.scoring.response import read_response
from rise_bench.scoring.rewards import RewardRule, r1_reward

GOLD = Gold("a", Distribution(("red", "blue"), (0.75, 0.25)), 56, 56)
THINK = '<think>It is warm.</think><answer>{"red": 0.75, "blue": 0.25}</answer>'
CAPTION = f"<summary>What colour?</summary>\n<caption>A warm field.</caption> {THINK}"


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        (CAPTION, True),
        (f" \n{CAPTION}\n", True),
        (CAPTION.replace("summary", "SUMMARY"), True),
        (THINK, False),
        (CAPTION.removeprefix("<summary>What colour?</summary>\n"), False),
        (CAPTION.replace("<caption>A warm field.</caption>", ""), False),
        (CAPTION.replace("A warm field.", ""), False),  # an empty caption says nothing
        (CAPTION.replace("</caption>", ""), False),
        (f"Well: {CAPTION}", False),
        (f"{CAPTION} Done.", False),
        (f"{THINK}<summary>x</summary><caption>y</caption>", False),  # the order matters
        ("<summary>" * 5000, False),
        ("", False),
    ],
)
def test_caption_form(text: str, ok: bool) -> None:
    assert read_response(text, GOLD.kind, GOLD.annotation.classes, style="caption").format_ok is ok


@pytest.mark.parametrize(
    ("rule", "text", "reward", "ok"),
    [
        (RewardRule(), THINK, 1.0, True),
        (RewardRule(), CAPTION, 0.0, False),
        (RewardRule(response_form="caption"), CAPTION, 1.0, True),
        (RewardRule(response_form="caption"), THINK, 0.0, False),
        (RewardRule(response_form="caption"), CAPTION.replace("0.75", "none"), 0.0, False),
        (RewardRule(response_form="caption", format_term=False, format_bonus=1.0), CAPTION, 1.0, True),
        (RewardRule(response_form="caption", format_term=False, format_bonus=1.0), THINK, 0.5, False),
    ],
)
def test_the_form_that_is_paid(rule: RewardRule, text: str, reward: float, ok: bool) -> None:
    verdict = r1_reward(GOLD, text, rule=rule)
    assert (verdict.reward, verdict.format_ok) == (pytest.approx(reward), ok)


@pytest.mark.parametrize(
    ("lengths", "right", "rewards"),
    [
        ([10, 20, 30], [True, True, True], [0.5, 0.0, -0.5]),
        ([10, 20, 30], [False, False, False], [0.0, 0.0, -0.5]),
        ([30, 10], [True, False], [-0.5, 0.0]),
        ([7, 7, 7], [True, False, True], [0.0, 0.0, 0.0]),
        ([5], [True], [0.0]),
        ([], [], []),
    ],
)
def test_length_reward(lengths: list[int], right: list[bool], rewards: list[float]) -> None:
    assert length_rewards(lengths, right) == pytest.approx(rewards)


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), min_size=1, max_size=10))
def test_a_longer_response_never_earns_more_and_a_wrong_one_never_earns(
    pairs: list[tuple[int, bool]],
) -> None:
    scored = sorted(
        zip(*zip(*pairs, strict=True), length_rewards(*map(list, zip(*pairs, strict=True))), strict=True)
    )
    assert all(-0.5 <= reward <= 0.5 and (good or reward <= 0) for _, good, reward in scored)
    for same in (True, False):
        rewards = [reward for _, good, reward in scored if good is same]
        assert rewards == sorted(rewards, reverse=True)


@pytest.mark.parametrize(
    "wrong", [{"length_weight": -0.1}, {"length_weight": math.inf}, {"length_from_step": -1}]
)
def test_settings_out_of_range(wrong: dict) -> None:
    with pytest.raises(ConfigError, match="Set such numbers"):
        RewardRule(**wrong)
