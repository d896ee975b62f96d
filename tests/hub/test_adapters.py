"""Adapters from a folder and from the Hub: merged like peft does, published, run again, and never trusted."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from rise_bench.errors import ConfigError
from rise_bench.hub.publish_model import publish_model
from rise_bench.hub.push import Outgoing, push
from rise_bench.leaderboards.moderation import staging
from rise_bench.models.adapters import is_adapter, read_adapter
from rise_bench.models.families import supported_model
from rise_bench.models.local import LocalModel, load_checkpoint
from rise_bench.models.names import checked_model, fetch_checked_model

from ..support.minihub import Minihub
from ..support.tiny_models import write_adapter

pytestmark = pytest.mark.usefixtures("own_cache")

BASE, ADAPTER = "rise/tiny-base", "rise/tiny-adapter"
IDS = torch.arange(60, 90)[None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rise_bench.models.tiny import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "base", "qwen2_vl")


def send(folder: Path, repo_id: str) -> str:
    files = [Outgoing.of(path.name, path) for path in folder.iterdir() if path.name != "README.md"]
    return push(repo_id, files, title="Model", repo_type="model").commit


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def test_a_folder_is_merged_as_peft_merges_once(base: Path, tmp_path: Path) -> None:
    layers = write_adapter(tmp_path / "adapter", base)
    described = supported_model(str(tmp_path / "adapter"), weights=False)
    assert described.folder == base and described.adapter == tmp_path / "adapter"
    assert not (tmp_path / "cache").exists()
    _, model, _ = load_checkpoint(str(tmp_path / "adapter"), dtype=torch.float32)
    torch.testing.assert_close(logits(model), logits(layers), atol=1e-4, rtol=1e-4)
    _, plain, _ = load_checkpoint(str(base), dtype=torch.float32)
    assert (logits(plain) - logits(model)).abs().max() > 0.1
    merged = checked_model(str(tmp_path / "adapter")).folder
    written = (merged / "model.safetensors").stat().st_mtime_ns
    assert checked_model(str(tmp_path / "adapter")).folder == merged
    assert (merged / "model.safetensors").stat().st_mtime_ns == written
    shutil.copytree(base, tmp_path / "other")
    settings = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = str(tmp_path / "other")
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(settings))
    assert checked_model(str(tmp_path / "adapter")).folder != merged


def test_an_adapter_of_the_hub_brings_its_base_model_at_its_revision(
    alice: Minihub, base: Path, tmp_path: Path
) -> None:
    layers = write_adapter(tmp_path / "adapter", base, BASE)
    pinned = send(base, BASE)
    settings = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(settings | {"revision": pinned}))
    shutil.copytree(base, tmp_path / "later")
    changed = json.loads((base / "config.json").read_text()) | {"initializer_range": 0.5}
    (tmp_path / "later" / "config.json").write_text(json.dumps(changed))
    assert send(tmp_path / "later", BASE) != pinned
    commit = send(tmp_path / "adapter", ADAPTER)
    checked = fetch_checked_model(ADAPTER)
    assert checked.revision == commit and checked.adapter is not None
    assert json.loads((checked.folder / "config.json").read_text()).get("initializer_range") != 0.5
    _, model, _ = load_checkpoint(ADAPTER, dtype=torch.float32)
    torch.testing.assert_close(logits(model), logits(layers), atol=1e-4, rtol=1e-4)
    staging.stage_model(checked, "qwen2_vl", tmp_path / "staged")  # what a submission is run again from
    assert (tmp_path / "staged" / "model.safetensors").is_file()
    assert not is_adapter(tmp_path / "staged")
    with pytest.raises(ConfigError, match="over the limit"):
        fetch_checked_model(ADAPTER, max_bytes=100_000)


@pytest.mark.parametrize("named", ["/etc/model", "../model", "~/model", "model", "a/b/c"])
def test_an_adapter_of_the_hub_with_a_base_model_elsewhere_is_refused(
    alice: Minihub, base: Path, tmp_path: Path, named: str
) -> None:
    write_adapter(tmp_path / "adapter", base, named)
    send(tmp_path / "adapter", ADAPTER)
    with pytest.raises(ConfigError, match="not ORG/NAME of the Hub"):
        checked_model(ADAPTER)


SPOILT = {
    "another method": ({"peft_type": "IA3"}, "only LORA"),
    "no base model": ({"base_model_name_or_path": None}, "names no base model"),
    "code": ({"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}}, "names code"),
    "rank 0": ({"r": 0}, "r is 0"),
    "rank of a text": ({"r": "8"}, "r is '8'"),
    "alpha": ({"lora_alpha": None}, "lora_alpha is None"),
    "rank-stabilised": ({"use_rslora": True}, "use_rslora.*merge it with peft"),
    "weights beside": ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    "other ranks": ({"rank_pattern": {"q_proj": 1}}, "rank_pattern"),
    "library": ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "megatron_config"),
    "changed base": ({"init_lora_weights": "pissa"}, "init_lora_weights"),
    "setting of a later peft": ({"use_new_thing": True}, "use_new_thing"),
}


@pytest.mark.parametrize(("changes", "message"), SPOILT.values(), ids=SPOILT)
def test_settings_that_cannot_be_merged_are_named(base: Path, tmp_path: Path, changes, message) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"")
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "base_model_name_or_path": str(base)}
    (folder / "adapter_config.json").write_text(json.dumps(settings | changes))
    with pytest.raises(ConfigError, match=message):
        read_adapter(folder)


def test_an_adapter_of_another_model_or_with_code_is_refused(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_adapter(tmp_path / "adapter", base)
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    for change in (
        {key: tensor[:, :-1].contiguous() if "lora_A" in key else tensor for key, tensor in tensors.items()},
        {key.replace("layers.0", "layers.99"): tensor for key, tensor in tensors.items()},
        {key: tensor for key, tensor in tensors.items() if "lora_B" not in key},
    ):
        save_file(change, path)
        with pytest.raises(ConfigError, match="does not fit its base model"):
            checked_model(str(tmp_path / "adapter"))
    save_file(tensors | {"base_model.model.lm_head.weight": torch.zeros(2)}, path)
    with pytest.raises(ConfigError, match="not of a LoRA adapter"):
        checked_model(str(tmp_path / "adapter"))
    assert not list((tmp_path / "cache").rglob("config.json"))
    (tmp_path / "adapter" / "modeling.py").write_text("evil")
    with pytest.raises(ConfigError, match=r"modeling\.py, which is code"):
        checked_model(str(tmp_path / "adapter"))


def test_an_adapter_of_itself_is_refused(base: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter", base, str(tmp_path / "adapter"))
    with pytest.raises(ConfigError, match="its own base model"):
        checked_model(str(tmp_path / "adapter"))


def test_a_local_model_samples_from_an_adapter(base: Path, tmp_path: Path) -> None:
    from rise_bench.models.sampler import Prompt, Sampling

    write_adapter(tmp_path / "adapter", base)
    texts = [
        LocalModel(str(folder), sampling=Sampling(0)).sample([Prompt((), "Say.")], 1, 8)
        for folder in (base, tmp_path / "adapter")
    ]
    assert texts[0] != texts[1]


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Path:
    """A finished run that kept its adapter."""
    from rise_bench.trainers.runs.run_folder import RunFolder
    from rise_bench.trainers.settings.config import ModelConfig, RunConfig, TrainConfig
    from rise_bench.trainers.settings.lora import LoraSettings

    config = TrainConfig(
        stage="sft",
        model=ModelConfig(BASE, lora=LoraSettings(2, 6, adapter_only=True)),
        run=RunConfig(output_dir=str(tmp_path / "run")),
    )
    folder = RunFolder.create(config)
    folder.save_final("sft", lambda target: write_adapter(Path(target), base, BASE))
    return folder.path


def test_an_adapter_is_published_with_its_base_model_and_loads_again(
    alice: Minihub, base: Path, run: Path
) -> None:
    send(base, BASE)
    publish_model(run, ADAPTER)
    files = alice.files(ADAPTER, kind="model")
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md"} <= set(files)
    assert "model.safetensors" not in files
    card = files["README.md"].decode()
    assert "base_model_relation: adapter" in card and "library_name: peft" in card
    assert f'PeftModel.from_pretrained(model, "{ADAPTER}")' in card
    assert fetch_checked_model(ADAPTER).adapter is not None


def test_an_adapter_whose_base_model_nobody_can_fetch_is_not_published(run: Path, base: Path) -> None:
    path = run / "sft" / "final" / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": str(base)}
    path.write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match=r"not on the Hub; train with model\.lora\.adapter_only=false"):
        publish_model(run, ADAPTER)
