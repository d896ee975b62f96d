"""An adapter is trained, resumed, merged, handed on to the next phase, and loaded like a model."""

import json

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.models.adapters import is_adapter
from rise_bench.models.local import load_checkpoint
from rise_bench.models.names import checked_model
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import metis_rise, reason_rft, rise_cot, rise_r1, sft, visual_rft
from rise_bench.trainers.checks import preflight
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.lora import LoraSettings
from rise_bench.trainers.settings.recipe_loader import load_config

from .test_prefix_tree_training import gradients_like_padded
from .test_resuming import interrupted, moods, outcome  # noqa: F401  (fixture)
from .test_rise_r1 import cots  # noqa: F401  (fixture)
from .test_shared_sampling import run as run_counting

pytestmark = pytest.mark.usefixtures("own_cache")

LORA = ("model.lora.rank=4", "model.lora.alpha=8")


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_merged_and_alone_the_adapter_is_the_same_model(make_config, tmp_path):
    """By peft's own sum of layer and adapter too."""
    from peft import PeftModel

    plain = make_config(*LORA, stage="sft")
    merged = sft.train(plain, RunFolder.create(plain))
    alone = make_config(
        *LORA, "model.lora.adapter_only=true", f"run.output_dir={tmp_path / 'alone'}", stage="sft"
    )
    adapter = sft.train(alone, RunFolder.create(alone))
    assert is_adapter(adapter) and not is_adapter(merged)
    assert not (adapter / "README.md").exists() and not (merged / "adapter").exists()
    settings = json.loads((adapter / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == alone.model.name
    before, after = weights(checked_model(plain.model.name).folder), weights(merged)
    changed = {name for name in before if not before[name].equal(after[name])}
    assert {name.split(".")[-2] for name in changed} == set(plain.model.lora.targets)
    assert not any("visual" in name for name in changed)
    difference = after[min(changed)] - before[min(changed)]
    assert 0 < torch.linalg.matrix_rank(difference, rtol=1e-3) <= 4
    checked = checked_model(str(adapter))
    assert checked.adapter == adapter and checked_model(str(adapter)).folder == checked.folder
    for name, tensor in weights(checked.folder).items():
        torch.testing.assert_close(tensor, after[name], atol=0, rtol=0, msg=name)
    _, base, _ = load_checkpoint(plain.model.name, dtype=torch.float32)
    layers = PeftModel.from_pretrained(base, adapter).eval()
    _, loaded, _ = load_checkpoint(str(adapter), dtype=torch.float32)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, layers(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("alone", [False, True], ids=["merged", "adapter only"])
def test_resumed_rollouts_kl_and_weights_are_those_of_an_unbroken_run(moods, tmp_path, alone):
    def train(name):
        config = load_config(
            "world/visual_rft",
            [
                *(f"data.benchmark={moods}", "data.shots=full", f"run.output_dir={tmp_path / name}"),
                *("grpo.steps=4", "grpo.num_generations=2", "grpo.rollouts_per_device=4", "grpo.beta=0.1"),
                *("grpo.learning_rate=1e-3", "grpo.max_completion_length=64", "run.save_steps=1", *LORA),
                f"model.lora.adapter_only={str(alone).lower()}",
            ],
        )
        folder = RunFolder.create(config)
        final = visual_rft.train(config, folder)
        return load_file(next(final.glob("*.safetensors"))), outcome(folder)

    whole, (rollouts, metrics) = train("whole")
    assert metrics[0]["kl"] == pytest.approx(0, abs=1e-6) and metrics[-1]["kl"] > 1e-6
    with interrupted(visual_rft, "ResumableGRPOTrainer", after=3):
        train("halves")
    resumed, (again, logged) = train("halves")
    assert again == rollouts
    for row, expected in zip(logged, metrics, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-7, rtol=1e-6, msg=name)


def test_a_run_killed_before_its_final_model_makes_it_of_the_last_checkpoint(make_config, monkeypatch):
    config = make_config(*LORA, stage="sft")
    folder = RunFolder.create(config)
    expected = weights(sft.train(config, folder))
    for path in folder.final_dir("sft").iterdir():
        path.unlink()
    folder.final_dir("sft").rmdir()
    again = weights(sft.train(config, folder))
    assert all(again[name].equal(tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("gradient", ["both", "cot"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_loss_and_gradients_of_the_adapter_are_those_of_padded_rows(make_loop, graded, gradient, beta):
    lora = LoraSettings(4)
    trainer = make_loop(generations=4, gradient=gradient, beta=beta, learning_rate=0.01, lora=lora)
    assert len(gradients_like_padded(trainer)) == 2 * 7 * 2


@pytest.mark.parametrize("checkpointing", [False, True])
def test_prompts_are_read_once_for_all_samples_of_an_adapter(make_loop, graded, checkpointing):
    options = {"max_steps": 2, "lora": LoraSettings(4), "gradient_checkpointing": checkpointing}
    plain, plain_tokens, expected = run_counting(make_loop(share_prefill=False, **options))
    shared, tokens, after = run_counting(make_loop(share_prefill=True, **options))
    assert shared == plain
    assert tokens < 0.8 * plain_tokens
    for name, weight in expected.items():
        torch.testing.assert_close(after[name], weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("stage", "alone"),
    [(reason_rft, False), (reason_rft, True), (metis_rise, False), (metis_rise, True), (rise_r1, True)],
    ids=lambda value: {True: "adapter only", False: "merged"}.get(value) or value.__name__.rpartition(".")[2],
)
def test_the_second_phase_goes_on_from_the_first(make_config, cots, stage, alone):
    name = stage.__name__.rpartition(".")[2]
    config = make_config(
        *(*LORA, f"model.lora.adapter_only={str(alone).lower()}", "grpo.beta=0.1", "grpo.num_generations=2"),
        *(
            "data.cot_subset=all",
            f"data.cots={cots}",
            f"data.expert_cots={cots}",
            "data.tau=0.0",
            "metis.samples=2",
        ),
        stage=name,
    )
    run = RunFolder.create(config)
    final = stage.train(config, run)
    first, second = (run.final_dir(phase) for phase in config.active_phases)
    assert final == second and is_adapter(first) == is_adapter(second) == alone
    assert not (second / "ref").exists()
    kl = [row["kl"] for row in read_metrics(run.path) if "kl" in row]
    assert kl[0] == pytest.approx(0, abs=1e-5)  # the reference is the start of the phase, not the base model
    if alone:
        settings = json.loads((second / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == config.model.name
        a, b = (load_file(folder / "adapter_model.safetensors") for folder in (first, second))
        name = next(name for name in a if "lora_B" in name)
        assert b[name].any()
        if stage is reason_rft:  # its GRPO phase earns nothing here, and goes on from what SFT taught
            assert torch.cosine_similarity(a[name].flatten(), b[name].flatten(), 0) > 0.8


def test_rise_cot_trains_an_adapter_that_is_collected_from(make_config, graded, tmp_path):
    config = make_config(*LORA, "model.lora.adapter_only=true", "data.tau=0.9")
    run = RunFolder.create(config)
    final = rise_cot.train(config, run)
    assert is_adapter(final)
    result = CliRunner().invoke(app, ["collect", str(run.path), "--judge-swaps", "2"])
    assert result.exit_code == 0, result.output
    assert (run.path / "cots" / "manifest.json").is_file()


def test_targets_that_the_model_lacks_are_found_before_the_run(make_config):
    config = make_config("model.lora.rank=4", "model.lora.targets=[q_proj,query_key_value]", stage="sft")
    (finding,) = preflight.inspect(config).findings
    assert "model.lora.targets" in finding and "no layer query_key_value" in finding
    assert "gate_proj" in finding  # what there is
