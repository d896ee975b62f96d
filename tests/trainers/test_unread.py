"""Settings on the command line that a stage does not read."""

from __future__ import annotations

import pytest

from rise_bench.trainers.settings.recipe_loader import resolve
from rise_bench.trainers.settings.unread import unread

UNREAD = [
    ("visual_rft", "sft.learning_rate=1e-4", "a phase of SFT"),
    ("visual_rft", "data.min_lift=0.5", "chains of thought"),
    ("visual_rft", "data.cot_answers=none", "chains of thought"),
    ("visual_rft", "data.tau=0.5", "chains of thought"),
    ("visual_rft", "metis.samples=3", "metis_rise"),
    ("visual_rft", "reward.leak=strict", "rise_cot"),
    ("visual_rft", "grpo.max_cot_length=9", "rise_cot"),
    ("visual_rft", "grpo.vllm_server_url=http://host:8000", "grpo.vllm=server"),
    ("rise_cot", "grpo.max_completion_length=9", "other than rise_cot"),
    ("rise_cot", "data.cots=cots", "begins with chains of thought"),
    ("sft", "grpo.beta=0.1", "a phase of GRPO"),
    ("sft", "reward.length_weight=0.05", "a phase of GRPO"),
]
READ = [
    ("visual_rft", "grpo.learning_rate=1e-5"),
    ("visual_rft", "grpo.gradient_accumulation_steps=4"),
    ("visual_rft", "reward.variant=jsd"),
    ("rise_cot", "data.tau=0.5"),  # `collect RUN` selects by it
    ("rise_cot", "grpo.gradient=cot"),
    ("rise_r1", "data.min_lift=0.5"),
    ("metis_rise", "metis.samples=3"),
    ("sft", "model.lora.rank=8"),
    ("sft", "run.save_steps=5"),
]


def warnings(stage: str, *overrides: str) -> list[str]:
    _, config = resolve(stage, ["data.benchmark=moods", *overrides], "")
    return unread(config, overrides)


@pytest.mark.parametrize(("stage", "override", "readers"), UNREAD)
def test_a_setting_that_does_nothing_is_named_with_who_reads_it(stage, override, readers):
    (warning,) = warnings(stage, override)
    assert warning.startswith(f"{override} does nothing here") and readers in warning and stage in warning


@pytest.mark.parametrize(("stage", "override"), READ)
def test_a_setting_that_is_read_is_no_warning(stage, override):
    assert warnings(stage, override) == []


def test_a_phase_that_is_left_out_reads_nothing():
    (warning,) = warnings("rise_r1", "phases=[sft]", "grpo.learning_rate=1e-5")
    assert "rise_r1 phases=[sft]" in warning
