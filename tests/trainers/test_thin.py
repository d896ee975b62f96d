"""The trainers stay thin, and what is private or experimental in TRL stays in few modules."""

import re

import pytest

from rise_bench.catalog.stages import stages

PRIVATE = re.compile(r"rollout_func|trl\.experimental|_generate\b|_generate_single_turn|_tokenize_prompts")


@pytest.mark.parametrize("stage", stages())
def test_a_trainer_script_has_fewer_than_120_lines(root, stage):
    assert len((root / "trainers" / f"{stage}.py").read_text().splitlines()) < 120


def test_only_two_trainers_touch_what_trl_may_change_of_rollouts(root):
    touching = {path.name for path in (root / "trainers").rglob("*.py") if PRIVATE.search(path.read_text())}
    assert touching == {"closed_loop_trainer.py", "sampling_trainer.py"}
