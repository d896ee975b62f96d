"""A run goes on with the model that it started from: its weights, or its commit on the Hub."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from rise_bench.errors import ConfigError
from rise_bench.models.names import CheckedModel
from rise_bench.trainers.runs import start_model
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.runs.start_model import with_start_model

from .test_run_folder import checkpoint
from .test_train_command import command, train  # noqa: F401  (fixtures)

LORA = ("model.lora.rank=4", "model.lora.adapter_only=true")


@pytest.fixture
def own_model(tiny, tmp_path):
    """A model of the user's, in a folder."""
    return Path(shutil.copytree(tiny(), tmp_path / "own"))


def change(model):
    path = model / "model.safetensors"
    save_file({name: 3 * tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


def recorded(folder):
    return json.loads((folder.path / "run.json").read_text()).get("start_model")


def left_by(folder, phase, left):
    """Leave in a run folder what the run had in a phase when it stopped."""
    if left == "checkpoint":
        checkpoint(folder, phase, 1)
        return
    folder.final_dir(phase).mkdir(parents=True)
    name = {"adapter": "adapter_config.json", "model": "config.json"}[left]
    (folder.final_dir(phase) / name).write_text("{}")


@pytest.mark.parametrize(
    ("left", "refused"),
    [
        ((), False),  # it starts anew
        ((("sft", "checkpoint"),), True),
        ((("sft", "adapter"),), True),  # GRPO goes on with an adapter of the model
        ((("sft", "model"),), False),  # GRPO does not read the model
        ((("sft", "adapter"), ("grpo", "checkpoint")), True),
        ((("sft", "adapter"), ("grpo", "adapter")), False),  # nothing is left to train
    ],
)
def test_other_weights_are_refused_where_they_would_be_read(make_config, own_model, left, refused):
    config = make_config(*LORA, f"model.name={own_model}", stage="rise_r1")
    folder = RunFolder.create(config)
    assert with_start_model(config, folder) == config
    before = recorded(folder)
    assert before.keys() == {"weights"}
    for phase, what in left:
        left_by(folder, phase, what)
    with_start_model(config, folder)
    change(own_model)
    if refused:
        with pytest.raises(ConfigError, match=r"began with other weights of model\.name = .*Restore them"):
            with_start_model(config, folder)
    else:
        with_start_model(config, folder)
    assert (recorded(folder) == before) == bool(left)


def test_a_run_of_a_version_that_did_not_record_its_model_goes_on(make_config, own_model):
    config = make_config(f"model.name={own_model}", stage="rise_r1")
    folder = RunFolder.create(config)
    checkpoint(folder, "sft", 1)
    assert with_start_model(config, folder) == config
    assert recorded(folder) is None, "nobody knows what it started from"


def test_a_hub_model_stays_at_the_commit_of_the_first_start(make_config, monkeypatch, tmp_path):
    commits = ["a" * 40, "b" * 40, "c" * 40]
    newest = lambda *_, **__: CheckedModel(tmp_path, (), commits.pop(0))  # noqa: E731
    monkeypatch.setattr(start_model, "checked_model", newest)
    config = make_config("model.name=ORG/NAME", stage="rise_r1")
    folder = RunFolder.create(config)
    assert with_start_model(config, folder).model.revision == "a" * 40
    assert with_start_model(config, folder).model.revision == "b" * 40, "nothing was trained yet"
    checkpoint(folder, "sft", 1)
    assert with_start_model(config, RunFolder.create(config)).model.revision == "b" * 40
    folder.final_dir("sft").mkdir(parents=True)
    assert with_start_model(config, folder).model.revision == "b" * 40
    assert commits == ["c" * 40] and recorded(folder) == {"revision": "b" * 40}


def test_the_command_looks_at_the_weights_before_it_trains(train, command, own_model, tmp_path):
    start = lambda: train.run(*command("sft", f"model.name={own_model}")[1:])  # noqa: E731
    folder = RunFolder(tmp_path / "run")
    checkpoint(folder, "sft", 1)
    assert start().exit_code == 130 and len(train.trained) == 1
    folder.record_start_model({"weights": "0" * 16})
    assert "began with other weights" in str(start().exception) and len(train.trained) == 1
