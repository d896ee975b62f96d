"""A trainer declares its own stage: one file and its recipe, and everything else knows it."""

import importlib
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from rise_bench import trainers
from rise_bench.catalog.stages import get_stage, stages
from rise_bench.cli import app
from rise_bench.errors import ConfigError
from rise_bench.trainers.settings.recipe_loader import load_config

TRAINER = '''
"""A trainer that learns nothing."""
import shutil
from rise_bench.catalog.stages import stage

@stage("toy", phases=("sft",), asks="answer_only")
def train(config, run):
    """Return the model as it is."""
    run.phase_dir("sft").mkdir(parents=True)
    return run.save_final("sft", lambda folder: shutil.copytree(config.model.name, folder))
'''
RECIPE = {"title": "Toy: learns nothing", "world": {"sft": {"steps": 7}}, "smoke": {"sft": {"steps": 1}}}


@pytest.fixture
def toy_stage(tmp_path, monkeypatch):
    """A trainer and its recipe, put where the shipped ones are."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "toy.py").write_text(TRAINER)
    (tmp_path / "recipes" / "toy.yaml").write_text(yaml.safe_dump(RECIPE))
    trainers.__path__.append(str(tmp_path))
    stages.cache_clear()
    yield
    trainers.__path__.remove(str(tmp_path))
    sys.modules.pop("rise_bench.trainers.toy", None)
    stages.cache_clear()


def test_a_toy_trainer_is_listed_composed_checked_and_trained(toy_stage, tiny, built, tmp_path):
    run = lambda *arguments: CliRunner().invoke(app, ["train", *map(str, arguments)])  # noqa: E731
    listed = run("--list").stdout.split()
    assert {"emotion6/toy", "moods/toy", "smoke/toy"} <= set(listed)
    shown = run("toy", "data.benchmark=kinds", "--dry-run")
    assert "# Toy: learns nothing" in shown.stdout and "  steps: 7  # paper: 200" in shown.stdout
    given = [f"model.name={tiny()}", f"data.benchmark={built}", f"run.output_dir={tmp_path / 'run'}"]
    done = run("toy", "--recipe", "smoke/toy", *given, "data.shots=full")
    assert done.exit_code == 0, done.output
    assert "sft: 1 steps" in done.stderr and "--style answer_only" in done.stderr
    assert done.stdout.strip() == str(tmp_path / "run" / "sft" / "final")
    with pytest.raises(ConfigError, match=r"phases = \['grpo'\]: toy has \['sft'\]"):
        load_config("smoke/toy", ["phases=grpo"])


def test_every_shipped_trainer_is_named_after_its_file_and_trains():
    assert set(stages()) == {"rise_cot", "rise_r1", "sft", "visual_rft", "reason_rft", "metis_rise"}
    for name, declared in stages().items():
        assert declared.file.stem == name
        assert callable(importlib.import_module(f"rise_bench.trainers.{name}").train)


def test_stages_are_listed_without_importing_a_trainer():
    code = (
        "import sys; from rise_bench.trainers.settings.recipe_loader import load_config\n"
        "load_config('smoke/sft')\n"
        "print({'torch', 'trl', 'datasets', 'rise_bench.trainers.sft'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_stage_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no stage 'ppo'; choose one of metis_rise, .*sft, visual_rft"):
        get_stage("ppo")
