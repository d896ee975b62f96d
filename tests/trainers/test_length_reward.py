"""The length reward as TRL is paid: by group, from its step on, beside the reward that is logged."""

import pytest

from rise_bench.cot.rollout_log import Rollout
from rise_bench.errors import ConfigError
from rise_bench.prompts.templates import answer_only_prompt, caption_prompt, think_answer_prompt
from rise_bench.scoring.rewards import RewardRule
from rise_bench.trainers.data.grpo_rows import response_prompt
from rise_bench.trainers.rollouts.answer_reward import with_length_reward

RULE = RewardRule(length_weight=0.05, length_from_step=10)


def rollouts():
    """Sample `a` in two groups, `b` in one; a similarity of 1 is right."""
    given = [("a", 0, 10, 1.0), ("a", 0, 30, 1.0), ("a", 1, 30, 1.0), ("b", 0, 10, 0.9), ("b", 0, 90, 0.9)]
    return [
        Rollout(uid, 0, group, similarity, similarity, response="x" * length)
        for uid, group, length, similarity in given
    ]


def test_each_group_is_compared_with_itself():
    paid = with_length_reward(rollouts(), RULE, 10)
    assert [rollout.earned for rollout in paid] == pytest.approx([1.025, 0.975, 1.0, 0.9, 0.875])
    assert [rollout.reward for rollout in paid] == [1.0, 1.0, 1.0, 0.9, 0.9], "eq. 9 is logged beside it"
    assert paid[0].to_json()["paid"] == pytest.approx(1.025)


def test_nothing_is_paid_before_its_step():
    assert with_length_reward(rollouts(), RULE, 9) == rollouts()


def test_the_weight_is_that_beside_accuracy_and_format():
    rule = RewardRule(length_weight=0.05, length_from_step=0, format_term=False, format_bonus=1.0)
    assert with_length_reward(rollouts(), rule, 0)[0].earned == pytest.approx(1.0 + 0.05 * 0.5 / 2)


def test_the_prompt_asks_for_the_form_that_is_paid(make_config, toy):
    config = make_config("reward.response_form=caption", stage="visual_rft")
    assert response_prompt(config) is caption_prompt
    assert response_prompt(make_config(stage="visual_rft")) is think_answer_prompt
    assert response_prompt(make_config(stage="sft")) is answer_only_prompt
    prompt = caption_prompt(toy.spec, toy.golds[0])
    tags = [prompt.index(f"<{tag}>") for tag in ("summary", "caption", "think", "answer")]
    assert tags == sorted(tags)


@pytest.mark.parametrize("setting", ["reward.length_weight=0.05", "reward.response_form=caption"])
def test_the_closed_loop_has_neither(make_config, setting):
    with pytest.raises(ConfigError, match=r"eq\. 1, which has neither"):
        make_config(setting)
