"""`kill -9` in training loses at most the steps since the last checkpoint, wherever it strikes."""

from pathlib import Path

import pytest

from rise_bench.trainers.settings.recipe_loader import dump_config

from ..support.commands import run_command

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_before_every_write_a_run_ends_as_one_that_was_never_killed(make_config, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        dump_config(make_config("grpo.steps=3", "grpo.lr_scheduler=constant", "run.save_total_limit=1"))
    )
    done = run_command(SUPPORT / "kill_training.py", recipe, timeout=1400)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) > 20
