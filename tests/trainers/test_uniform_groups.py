"""Options reported of Metis-RISE: clipping from above, truncated responses, groups that teach nothing."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.cot import closed_loop
from rise_bench.errors import ConfigError
from rise_bench.scoring.rewards import Verdict
from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoopTrainer
from rise_bench.trainers.rollouts.uniform_groups import drop_uniform_groups, varied_rows

REWARDS = st.sampled_from([0.0, 0.25, 0.69, 0.7, 1.0])


@pytest.mark.parametrize("scaled", [True, False])
@given(data=st.data(), size=st.sampled_from([3, 8, 16, 24]))
def test_a_group_is_kept_whole_exactly_if_its_rewards_differ(scaled, data, size):
    group = st.lists(REWARDS, min_size=size, max_size=size) | REWARDS.map(lambda reward: [reward] * size)
    rewards = data.draw(st.lists(group, min_size=1, max_size=5))
    table = torch.tensor(rewards)
    mean = table[:, :1].clone()
    for column in range(1, size):  # added in a row, as sums are on some devices
        mean = mean + table[:, column : column + 1]
    advantages = table - mean / size
    if scaled:
        advantages = advantages / (table.std(1, keepdim=True) + 1e-4)
    kept = varied_rows(advantages.flatten(), size, scaled=scaled).view(-1, size)
    assert kept.tolist() == [[len(set(group)) > 1] * size for group in rewards]


@pytest.mark.parametrize("process", [0, 1])
def test_a_group_on_two_processes_is_judged_as_one(process):
    """Rows 0 to 3 of the first process, 4 to 7 of the second; groups of four, the second begins in row 4."""
    everywhere = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, -0.5])
    own = slice(4 * process, 4 * process + 4)
    shared = [everywhere, torch.tensor([2.0, 1.0])]
    accelerator = SimpleNamespace(process_index=process, gather=lambda _: shared.pop(0))
    mask = torch.tensor([[1, 1, 0]] * 4)
    batch = {"completion_mask": mask, "advantages": everywhere[own], "num_items_in_batch": 99}
    dropped = drop_uniform_groups(batch, 4, accelerator)
    assert dropped["tool_mask"].tolist() == [[process] * 3] * 4
    assert dropped["num_items_in_batch"].item() == 3  # summed over the processes
    tools = torch.tensor([[1, 0, 1]] * 4)
    shared += [everywhere, torch.tensor([0.0])]
    assert drop_uniform_groups(batch | {"tool_mask": tools}, 4, accelerator)["tool_mask"].tolist() == (
        [[process, 0, process]] * 4
    )


@pytest.mark.parametrize("drop", [True, False])
def test_the_loss_is_the_mean_over_the_tokens_of_varied_groups(make_loop, monkeypatch, drop):
    """Two groups of four rollouts, one with a single reward; at a ratio of 1 the loss is known."""
    uniform = []

    def grade(gold, cot, reconstruction, *_, **__):
        uniform[:] = uniform or [gold.id]
        reward = 0.5 if gold.id == uniform[0] else len(cot + reconstruction) % 7 / 7
        return Verdict(reward, reward, False, False, True, "ok", None)

    monkeypatch.setattr(closed_loop, "cot_reward", grade)
    kind = partial(ClosedLoopTrainer, drop_uniform=drop)
    trainer = make_loop(generations=4, per_device_train_batch_size=16, kind=kind, learning_rate=0.0)
    seen = {}
    compute = trainer._compute_loss

    def keep(model, inputs):
        loss = compute(model, inputs)
        seen.update(inputs, loss=loss.detach())
        return loss

    trainer._compute_loss = keep
    trainer.train()
    advantages, mask = seen["advantages"], seen["completion_mask"]
    groups = advantages.view(2, 8)
    assert (groups == 0).all(1).sum() == 1, "one group has no differences, the other has some"
    kept = (advantages.view(2, 8) != 0).any(1).repeat_interleave(8)[:, None] if drop else torch.ones(16, 1)
    tokens = (mask * kept).sum()
    assert tokens < mask.sum() if drop else tokens == mask.sum()
    assert seen["num_items_in_batch"] == tokens
    expected = -(advantages[:, None] * mask * kept).sum() / tokens
    assert seen["loss"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_options_reach_trl(make_config, tmp_path):
    from rise_bench.trainers.phases.trl_arguments import grpo_arguments, load_processor
    from rise_bench.trainers.runs.run_folder import RunFolder

    config = make_config("grpo.epsilon_high=0.28", "grpo.mask_truncated=true", stage="visual_rft")
    processor = load_processor(config.model, config.model.name)
    arguments = grpo_arguments(config, RunFolder(tmp_path), processor)
    assert (arguments["epsilon"], arguments["epsilon_high"]) == (0.2, 0.28)
    assert arguments["mask_truncated_completions"] is True
    usual = grpo_arguments(make_config(), RunFolder(tmp_path), processor)
    assert (usual["epsilon_high"], usual["mask_truncated_completions"]) == (None, False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["grpo.drop_uniform_groups=true", "grpo.loss_type=grpo"], "one of dapo"),
        (["grpo.epsilon_high=0"], "greater than 0"),
    ],
)
def test_options_that_cannot_work(make_config, settings, message):
    with pytest.raises(ConfigError, match=message):
        make_config(*settings, stage="metis_rise")
