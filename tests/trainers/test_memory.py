"""The estimate of a training step with an adapter, beside the memory that the step takes on a CPU."""

import json
import sys
from pathlib import Path

import pytest
import torch

from rise_bench.catalog.stages import stages
from rise_bench.doctor.machine import available_bytes
from rise_bench.trainers.checks.memory import adapter_parameters, estimate
from rise_bench.trainers.phases.lora import new_adapter
from rise_bench.trainers.settings.recipe_loader import load_config
from rise_bench.trainers.settings.recipes import compose

STATUS = Path("/proc/self/status")
MIB = 2**20


def bytes_of(name):
    """A figure of this process in the system's list: VmRSS is what it holds, VmHWM the most it held."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def forget_peak():
    """Reset the most that this process held, if the system lets it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def model_of(width, layers):
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]}
    text = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    text |= {"num_attention_heads": width // 64, "num_key_value_heads": 2, "vocab_size": 512}
    text |= {"rope_parameters": rope, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    vision = {"depth": 1, "embed_dim": 32, "hidden_size": width, "num_heads": 4, "mlp_ratio": 2}
    tokens = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 7, "vision_end_token_id": 8}
    config = Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **tokens)
    config._attn_implementation = "sdpa"
    return Qwen2VLForConditionalGeneration(config)


def step(model, rows, tokens):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    ids = torch.randint(10, 500, (rows, tokens))
    for _ in range(2):
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc")
@pytest.mark.skipif(
    available_bytes() < 3 * 2**30, reason="memory is short, and pages are taken back meanwhile"
)
def test_the_estimate_is_near_what_a_step_with_an_adapter_takes(tmp_path):
    """In a process of its own: this one has freed memory that a step would take again, unseen."""
    from ..support.commands import run_command  # no package is there where this file is the script

    done = run_command(__file__, 1024, 4, tmp_path)
    assert done.returncode == 0, done.stderr
    need, full, taken = json.loads(done.stdout.splitlines()[-1])
    if taken is None:
        pytest.skip("the system does not let a process reset its peak")
    assert need == pytest.approx(taken, rel=0.35), f"{need / MIB:.0f} of {taken / MIB:.0f} MiB"
    assert taken < 0.5 * full


def qwen2_vl_2b():
    """Qwen2-VL-2B by its published shape, without weights."""
    from transformers import AutoModelForImageTextToText, Qwen2VLConfig

    text = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "vocab_size": 151_936}
    text |= {"num_attention_heads": 12, "num_key_value_heads": 2, "tie_word_embeddings": True}
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16, "mlp_ratio": 4}
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(
            Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)
        )


def test_the_arithmetic_in_the_recipes_of_one_card_is_that_of_preflight():
    """Every figure of the comment, and each stage within it, far below 24 GB."""
    model, gib = qwen2_vl_2b(), 2**30
    note = compose("emotion6/rise_cot-lora").notes["Memory"]
    loop = load_config("emotion6/rise_cot-lora")
    need, adapter = estimate(loop, "grpo", model, processes=1), adapter_parameters(loop, model)
    weights = sum(p.numel() for p in model.parameters())
    assert (
        f"weights of {weights / 1e9:.2f}e9 parameters, frozen, bf16: x 2 bytes = {weights * 2 / gib:.1f} GiB"
        in note
    )
    assert f"{adapter / 1e6:.1f}e6 parameters" in note and f"x 16 = {adapter * 16 / gib:.1f} GiB" in note
    assert need.states == pytest.approx(weights * 2 + adapter * 16)
    needs = {"sft": [], "grpo": []}
    for name in stages():
        config = load_config(f"emotion6/{name}-lora")
        for phase in config.active_phases:
            needs[phase].append(estimate(config, phase, model, processes=1))
    most = {phase: max(need.total for need in estimates) / gib for phase, estimates in needs.items()}
    assert f"checkpointed: {max(need.activations for need in needs['grpo']) / gib:.1f} GiB" in note
    assert f"28 KiB per token: {max(need.sampling for need in needs['grpo']) / gib:.1f} GiB" in note
    assert f"together {most['grpo']:.0f} GiB at most; SFT {most['sft']:.0f} GiB" in note
    assert adapter * 4 == pytest.approx(
        70 * MIB, rel=0.02
    )  # the final adapter of the comment and of the docs


def measured(width, layers, folder):
    """Estimates of a step with an adapter and with all weights, and what the former took, in bytes."""
    from peft import get_peft_model

    rows, tokens = 1, 128
    config = load_config(
        "emotion6/sft-lora",
        [
            *("compute.bf16=false", "compute.use_cpu=true", "model.attn_implementation=sdpa"),
            *(f"data.max_prompt_length={tokens - 8}", "grpo.max_completion_length=8"),
            f"sft.rows_per_device={rows}",
        ],
    )
    small = model_of(128, 1)
    small.save_pretrained(folder)
    settings = new_adapter(config.model.lora, str(folder))
    step(get_peft_model(small, settings), 1, 16)  # what is loaded at first use
    del small
    if not forget_peak():
        return 0, 0, None
    before = bytes_of("VmRSS")
    model = model_of(width, layers)
    need = estimate(config, "sft", model, processes=1)
    whole = load_config("emotion6/sft", ["compute.bf16=false", "compute.accelerate=none"])
    full = estimate(whole, "sft", model, processes=1)
    model = get_peft_model(model, settings)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    step(model.train(), rows, tokens)
    taken = bytes_of("VmHWM") - before
    return need.total, full.total, taken


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
