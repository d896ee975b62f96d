"""The trainers stay thin, and what is private or experimental in TRL stays in one module."""

import re

import pytest

from rise_bench.catalog.stages import stages
from rise_bench.trainers.rollouts import closed_loop_trainer as closed_loop

PRIVATE = re.compile(r"rollout_func|trl\.experimental|_generate\b|_generate_single_turn|_tokenize_prompts")


@pytest.mark.parametrize("stage", stages())
def test_a_trainer_script_has_fewer_than_120_lines(root, stage):
    assert len((root / "trainers" / f"{stage}.py").read_text().splitlines()) < 120


def test_only_the_closed_loop_touches_what_trl_may_change(root):
    touching = {path.name for path in (root / "trainers").rglob("*.py") if PRIVATE.search(path.read_text())}
    assert touching == {closed_loop.__name__.rsplit(".", 1)[-1] + ".py"}
