"""A checkpoint that brings code or pickles is refused wherever one is loaded, and nobody is asked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoProcessor
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.errors import ConfigError
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.models.local import LocalModel
from rise_bench.trainers import rise_cot
from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.runs.run_folder import RunFolder


class Evil:
    """Pickle that leaves a file behind when it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def code(tiny, tmp_path, marker) -> Path:
    """A checkpoint whose processor is a class of its own, which leaves a file behind when it is imported."""
    folder = tmp_path / "code"
    shutil.copytree(tiny(), folder)
    (folder / "evil.py").write_text(
        f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
        "from transformers import Qwen2VLProcessor\nclass EvilProcessor(Qwen2VLProcessor):\n    pass\n"
    )
    path = folder / "processor_config.json"
    config = json.loads(path.read_text()) | {"auto_map": {"AutoProcessor": "evil.EvilProcessor"}}
    path.write_text(json.dumps(config | {"processor_class": "EvilProcessor"}))
    return folder


@pytest.fixture
def pickled(tiny, tmp_path, marker) -> Path:
    """A checkpoint with pickled weights alone."""
    folder = tmp_path / "pickled"
    shutil.copytree(tiny(), folder)
    torch.save(load_file(folder / "model.safetensors") | {"x": Evil(marker)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """Questions, each answered with yes, as `yes |` does."""
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda text="": questions.append(text) or "y")
    return questions


def train(make_config: Callable, model: Path, out: Path) -> None:
    config = make_config(f"model.name={model}", f"run.output_dir={out}")
    rise_cot.train(config, RunFolder.create(config))


LOADERS: dict[str, Callable] = {
    "collect": lambda make_config, model, out: LocalModel(str(model)),
    "judge": lambda make_config, model, out: FrozenJudge(str(model)),
    "processor": lambda make_config, model, out: load_processor(make_config(f"model.name={model}").model),
    "train": train,
}


def test_transformers_alone_would_ask_and_run_it(code, marker, asked):
    """The attack of the tests below is real."""
    AutoProcessor.from_pretrained(code)
    assert asked and marker.exists()


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("module", ["beside", "in another repository"])
def test_code_is_refused_and_nobody_is_asked(code, marker, asked, make_config, tmp_path, load, module):
    if module == "in another repository":
        (code / "evil.py").unlink()
        path = code / "processor_config.json"
        path.write_text(path.read_text().replace("evil.EvilProcessor", "mallory/repo--evil.EvilProcessor"))
    with pytest.raises(ConfigError, match=r"evil\.py, which is code|processor_config\.json names code"):
        load(make_config, code, tmp_path / "run")
    assert not asked and not marker.exists()


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_pickled_weights_are_refused(pickled, marker, make_config, tmp_path, load):
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin.*safetensors"):
        load(make_config, pickled, tmp_path / "run")
    assert not marker.exists()


def test_the_command_refuses_in_one_line_and_writes_nothing(code, marker, built, tmp_path, monkeypatch):
    out = tmp_path / "cots"
    done = CliRunner().invoke(
        app, ["collect", "--model", str(code), "--benchmark", str(built), "--out", str(out)], input="y\n" * 9
    )
    assert isinstance(done.exception, ConfigError) and "evil.py" in str(done.exception)
    assert not marker.exists() and not out.exists()


def test_a_checkpoint_does_not_choose_how_a_rollout_is_drawn(tiny, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny(), folder)
    own = json.loads((folder / "generation_config.json").read_text())
    costly = {"num_beams": 512, "min_new_tokens": 4_000, "suppress_tokens": [1], "penalty_alpha": 0.6}
    (folder / "generation_config.json").write_text(json.dumps(own | costly))
    loaded = LocalModel(str(folder))
    kept = loaded._model.generation_config.to_diff_dict()
    assert set(kept) - {"transformers_version", "_from_model_config"} <= {"eos_token_id", "pad_token_id"}
    assert kept["eos_token_id"] == own["eos_token_id"]
