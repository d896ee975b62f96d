"""Pre-flight finds what would waste a run, and says what to lower or to set."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText

from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.prompts import reason_prompt
from rise_bench.trainers import memory, preflight, rise_cot
from rise_bench.trainers.first_rollouts import FirstRollouts
from rise_bench.trainers.loading import load_processor
from rise_bench.trainers.prompt_length import check_prompts
from rise_bench.trainers.recipe_files import load_config
from rise_bench.trainers.run_folder import RunFolder
from rise_bench.values import MIN_PIXELS, Boxes, Gold


@pytest.mark.parametrize("name", ["nobody/nothing", "no/such/folder"])
def test_a_model_that_is_not_there_is_named_with_the_setting(make_config, tmp_path, name):
    with pytest.raises(ConfigError, match=rf"no model '{name}'.*Set model\.name"):
        load_processor(make_config(f"model.name={name}").model)


def prompts(toy):
    return [(gold, reason_prompt(toy.spec, gold)) for gold in toy.golds]


def test_prompt_length_is_what_the_processor_makes_of_image_and_text(make_config, toy, family):
    config = make_config(family=family)
    processor = load_processor(config.model)
    real = []
    for gold, image, (_, text) in zip(toy.golds, toy.images, prompts(toy), strict=True):
        assert image.size == (gold.width_px, gold.height_px)
        messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        chat = processor.apply_chat_template(messages, add_generation_prompt=True)
        real.append(processor(text=[chat], images=[image])["input_ids"][0])
    assert check_prompts(config, processor, prompts(toy)) == max(map(len, real))


def test_a_prompt_that_is_too_long_names_row_and_remedy_and_the_remedy_works(make_config, toy):
    big = Gold("big", toy.golds[0].annotation, 1200, 900)
    config = make_config("model.max_pixels=100000", "data.max_prompt_length=300")
    rows = [(big, reason_prompt(toy.spec, big))]
    with pytest.raises(ConfigError, match=r"big \(1200 x 900 px\) has \d+ tokens") as caught:
        check_prompts(config, load_processor(config.model), rows)
    lower = int(re.search(r"Lower model\.max_pixels to (\d+)", str(caught.value))[1])
    smaller = replace(config, model=replace(config.model, max_pixels=lower))
    assert check_prompts(smaller, load_processor(smaller.model), rows) <= 300
    higher = int(re.search(r"data\.max_prompt_length to (\d+)", str(caught.value))[1])
    longer = replace(config, data=replace(config.data, max_prompt_length=higher))
    assert check_prompts(longer, load_processor(longer.model), rows) == higher
    processor = load_processor(smaller.model)
    chat = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}]}])
    assert len(processor(text=[chat], images=[Image.new("RGB", (1200, 900))])["input_ids"][0]) <= 300


def test_the_chain_of_thought_counts_in_the_prompt_of_the_reconstruction(make_config, toy):
    config = make_config()
    processor = load_processor(config.model)
    plain = check_prompts(config, processor, prompts(toy))
    assert check_prompts(config, processor, prompts(toy), cot_tokens=100) == plain + 100
    with pytest.raises(ConfigError, match=r"up to 1000 of the chain of thought.*grpo\.max_cot_length"):
        check_prompts(config, processor, prompts(toy), cot_tokens=1000)


def test_a_prompt_without_room_for_any_image_asks_for_a_longer_limit_only(make_config, toy):
    config = make_config("data.max_prompt_length=20")
    with pytest.raises(ConfigError, match=r"Raise data\.max_prompt_length") as caught:
        check_prompts(config, load_processor(config.model), prompts(toy))
    assert "max_pixels" not in str(caught.value)


@pytest.mark.parametrize(("family", "unit"), [("qwen2_vl", "norm1000"), ("qwen2_5_vl", "resized_px")])
def test_a_unit_that_the_family_was_not_trained_on_is_warned_about(make_config, caplog, family, unit):
    gold = Gold("a", Boxes(((1.0, 2.0, 30.0, 40.0),)), 84, 56)
    config = make_config(family=family)
    for declared in ("norm1000", "resized_px"):
        caplog.clear()
        told = replace(config, model=replace(config.model, box_unit=declared, min_pixels=MIN_PIXELS))
        check_prompts(told, load_processor(told.model), [(gold, "Where?")])
        assert (f"Set model.box_unit={unit}" in caplog.text) == (declared != unit)


def test_padding_on_the_right_and_an_empty_dataset_are_refused(make_config, toy):
    config = make_config()
    processor = load_processor(config.model)
    with pytest.raises(DataError, match=r"check data\.benchmark"):
        check_prompts(config, processor, [])
    processor.tokenizer.padding_side = "right"
    with pytest.raises(ConfigError, match="padding_side='left'"):
        check_prompts(config, processor, prompts(toy))


@pytest.mark.parametrize(
    ("overrides", "phase", "error", "says"),
    [
        (["run.save_only_model=true"], "sft", ConfigError, r"run\.resume=never"),
        (["model.attn_implementation=flash_attention_2"], "sft", ConfigError, "attn_implementation=sdpa"),
        (
            ["model.attn_implementation=flash_attention_2", "compute.use_cpu=false"],
            "sft",
            PrerequisiteError,
            r"rise-bench\[flash-attn\]",
        ),
        (["grpo.rollouts_per_device=3"], "grpo", ConfigError, r"grpo\.gradient_accumulation_steps=4"),
        (["grpo.vllm=colocate"], "grpo", PrerequisiteError, "vllm"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_loaded(
    make_config, monkeypatch, overrides, phase, error, says
):
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    with pytest.raises(error, match=says):
        preflight.check_run(make_config(*overrides), phase, processes=1)


def test_settings_that_do_work_pass_and_the_fitting_accumulation_fits(make_config):
    preflight.check_run(make_config("run.save_only_model=true", "run.resume=never"), "sft", processes=1)
    for processes in (1, 2, 3):
        config = make_config("grpo.rollouts_per_device=2", "grpo.num_generations=8")
        with pytest.raises(ConfigError) as caught:
            preflight.check_run(config, "grpo", processes=processes)
        steps = int(re.search(r"accumulation_steps=(\d+)", str(caught.value))[1])
        fits = make_config(
            "grpo.rollouts_per_device=2",
            "grpo.num_generations=8",
            f"grpo.gradient_accumulation_steps={steps}",
        )
        preflight.check_run(fits, "grpo", processes=processes)


def test_the_paper_batch_is_sixteen_prompts_in_both_phases():
    config = load_config("emotion6/rise_r1")
    assert preflight.prompts_per_step(config, "grpo", 8) == preflight.PAPER_PROMPTS_PER_STEP
    assert preflight.prompts_per_step(config, "sft", 8) == preflight.PAPER_PROMPTS_PER_STEP


def rollout(reward, reason="ok", sample="a", text="text"):
    return {"id": sample, "group": 0, "reward": reward, "reason": reason, "response": text}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([rollout(0.0, "no answer", text="blah")] * 4, "none of the first 4.*no answer: 4.*'blah'"),
        ([rollout(0.5), rollout(0.5), rollout(0.1, sample="b"), rollout(0.1, sample="b")], "all 2 groups"),
        ([rollout(0.5), rollout(0.4), rollout(0.1, sample="b"), rollout(0.1, sample="b")], None),
        ([rollout(0.5)], None),  # one rollout of a group that other processes share
        ([], None),
    ],
)
def test_first_rollouts_that_teach_nothing_are_called_out_once(rows, says):
    warnings = []
    watch = FirstRollouts(warnings.append)
    watch.see(rows)
    watch.see([rollout(0.0, "no answer")] * 4)
    assert len(warnings) == (says is not None)
    if says:
        assert re.search(says, warnings[0])


def qwen2_vl_2b():
    """Qwen2-VL-2B by its published shape, without weights."""
    text = {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    }
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16}
    config = AutoConfig.for_model(
        "qwen2_vl", text_config=text, vision_config=vision, tie_word_embeddings=True
    )
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


def test_memory_of_the_paper_setting_fits_its_gpu_and_one_gpu_without_sharding_does_not():
    model = qwen2_vl_2b()
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters == pytest.approx(2.21e9, rel=0.01)
    config = load_config("emotion6/visual_rft")
    paper = memory.estimate(config, "grpo", model, processes=8)
    assert paper.states == pytest.approx(16 * parameters / 8)
    assert paper.total < 24 * 2**30
    alone = memory.estimate(
        load_config("emotion6/visual_rft", ["compute.accelerate=ddp"]), "grpo", model, processes=1
    )
    assert alone.states == 16 * parameters and alone.total > 24 * 2**30
    more = memory.estimate(
        load_config("emotion6/visual_rft", ["grpo.rollouts_per_device=16"]), "grpo", model, processes=8
    )
    assert more.activations == 2 * paper.activations


def test_a_model_whose_state_cannot_fit_is_refused_and_a_tight_one_is_warned_about(
    make_config, monkeypatch, caplog, tiny, tmp_path
):
    config = make_config()
    model = AutoModelForImageTextToText.from_pretrained(tiny())
    need = memory.estimate(config, "grpo", model, processes=1)
    trainer = SimpleNamespace(model=model, args=SimpleNamespace(world_size=1, output_dir=str(tmp_path)))
    monkeypatch.setattr(preflight, "device_bytes", lambda use_cpu: need.states - 1)
    with pytest.raises(ConfigError, match=r"compute\.accelerate=zero3"):
        preflight.check_machine(config, "grpo", trainer)
    monkeypatch.setattr(preflight, "device_bytes", lambda use_cpu: need.states + 1)
    preflight.check_machine(config, "grpo", trainer)
    assert "Lower grpo.rollouts_per_device" in caplog.text


def test_the_size_of_a_checkpoint_is_what_is_on_the_disk_and_29_gib_for_the_paper(
    make_config, graded, tiny, capsys
):
    config = make_config("grpo.steps=1")
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    model = AutoModelForImageTextToText.from_pretrained(tiny())
    files = [run.last_checkpoint("grpo") / name for name in ("model.safetensors", "optimizer.pt")]
    size = sum(file.stat().st_size for file in files)
    assert memory.checkpoint_bytes(config, model) == pytest.approx(size, rel=0.1)
    assert "written every 1 step(s)" in capsys.readouterr().err
    paper = memory.checkpoint_bytes(load_config("emotion6/rise_cot"), qwen2_vl_2b())
    assert round(paper / 2**30) == 29  # the figure that the recipes name


def test_a_disk_without_room_for_the_checkpoints_is_warned_about(
    make_config, monkeypatch, caplog, tiny, tmp_path
):
    model = AutoModelForImageTextToText.from_pretrained(tiny())
    trainer = SimpleNamespace(model=model, args=SimpleNamespace(world_size=1, output_dir=str(tmp_path)))
    config = make_config()
    needed = 3 * memory.checkpoint_bytes(config, model)
    for free, warned in ((needed, False), (needed - 1, True)):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        preflight.check_machine(config, "grpo", trainer)
        assert ("lower run.save_total_limit" in caplog.text) == warned
