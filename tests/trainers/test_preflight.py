"""Pre-flight finds what would waste a run, and says what to lower or to set."""

import json
import re
import shutil
import time
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import pytest
from PIL import Image

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import MIN_PIXELS, Boxes
from rise_bench.cot.rollout_log import Rollout
from rise_bench.cot.share import Share
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.models.families import supported_model
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.models.local import LocalModel
from rise_bench.prompts.templates import reason_prompt
from rise_bench.trainers import rise_cot
from rise_bench.trainers.checks import memory, preflight
from rise_bench.trainers.checks.duration import measured_hours
from rise_bench.trainers.checks.first_rollouts import FirstRollouts
from rise_bench.trainers.checks.prompt_length import check_prompts
from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.runs import launch
from rise_bench.trainers.runs.launch import check_environment, zero_stage
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings import setting_checks
from rise_bench.trainers.settings.config import ModelConfig
from rise_bench.trainers.settings.recipe_loader import load_config

from .test_memory import qwen2_vl_2b


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
    config = make_config("model.max_pixels=100000", "data.max_prompt_length=420")
    rows = [(big, reason_prompt(toy.spec, big))]
    with pytest.raises(ConfigError, match=r"big \(1200 x 900 px\) has \d+ tokens") as caught:
        check_prompts(config, load_processor(config.model), rows)
    lower = int(re.search(r"Lower model\.max_pixels to (\d+)", str(caught.value))[1])
    smaller = replace(config, model=replace(config.model, max_pixels=lower))
    assert check_prompts(smaller, load_processor(smaller.model), rows) <= 420
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


CLOSED = "<think>\n\n</think>\n\n"


def ending_in(processor, text):
    """A processor whose generation prompt ends in a text, as that of a thinking model does."""
    processor.chat_template += "{% if add_generation_prompt %}" + text + "{% endif %}"
    return processor


def test_a_chat_template_that_opens_thinking_is_refused(make_config, toy, family):
    """Responses would begin inside the think, and none would have the form that is paid."""
    config = make_config(family=family)
    for opened in ("<think>\n", "<think>"):
        with pytest.raises(ConfigError, match=r"opens <think> .*Set model\.name .*Qwen3-VL-4B-Instruct\.$"):
            check_prompts(config, ending_in(load_processor(config.model), opened), prompts(toy))
    for usual in ("", CLOSED):
        assert check_prompts(config, ending_in(load_processor(config.model), usual), prompts(toy))


@pytest.mark.parametrize(
    ("stage", "overrides", "refused"),
    [
        ("sft", (), False),
        ("rise_r1", ("phases=[sft]",), False),
        ("rise_r1", ("phases=[grpo]",), True),
        ("rise_r1", (), True),
        ("visual_rft", (), True),
    ],
)
def test_sft_alone_goes_with_a_chat_template_that_opens_thinking(make_config, toy, stage, overrides, refused):
    config = make_config(*overrides, stage=stage)
    processor = ending_in(load_processor(config.model), "<think>\n")
    with pytest.raises(ConfigError, match="opens <think>") if refused else nullcontext():
        check_prompts(config, processor, prompts(toy))


@pytest.mark.parametrize(("ending", "thinks"), [("<think>\n", True), (CLOSED, False), ("", False)])
def test_a_local_model_knows_whether_it_thinks_before_its_reply(tiny, tmp_path, ending, thinks):
    folder = shutil.copytree(tiny("qwen2_vl"), tmp_path / "model")
    ending_in(load_processor(ModelConfig(name=str(folder))), ending).save_pretrained(folder)
    assert LocalModel(str(folder), use_cpu=True).may_think_first is thinks


UNPAID = ["stage=reason_rft", "reward.length_weight=0.05"]  # in two steps
PAID_FROM = r"length_weight = 0\.05 .*length_from_step = 800 on, .*grpo\.steps = 2 .*length_weight=0\."


@pytest.mark.parametrize(
    ("overrides", "phase", "error", "says"),
    [
        (["run.save_only_model=true"], "sft", ConfigError, r"run\.resume=never"),
        (["model.attn_implementation=flash_attention_2"], "sft", ConfigError, "attn_implementation=sdpa"),
        (
            ["model.attn_implementation=flash_attention_2", "compute.use_cpu=false"],
            "sft",
            PrerequisiteError,
            "pip install flash-attn --no-build-isolation",
        ),
        (["grpo.rollouts_per_device=3"], "grpo", ConfigError, r"grpo\.gradient_accumulation_steps=4"),
        (["grpo.vllm=colocate"], "grpo", PrerequisiteError, "vllm"),
        (["compute.accelerate=zero3"], "sft", PrerequisiteError, r"rise-bench\[deepspeed\]"),
        *((UNPAID, phase, ConfigError, PAID_FROM) for phase in ("sft", "grpo")),
        ([*UNPAID, "reward.length_from_step=2"], "grpo", ConfigError, "length_from_step below 2"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_loaded(
    make_config, monkeypatch, overrides, phase, error, says
):
    monkeypatch.setattr(setting_checks, "find_spec", lambda name: None)
    with pytest.raises(error, match=says):
        check_settings(make_config(*overrides), phase, 1)


def check_settings(config, phase, processes):
    for check in setting_checks.PHASE_CHECKS:
        check(config, phase, processes)


def test_settings_that_do_work_pass_and_the_fitting_accumulation_fits(make_config):
    check_settings(make_config("run.save_only_model=true", "run.resume=never"), "sft", 1)
    check_settings(make_config(*UNPAID, "reward.length_from_step=1"), "grpo", 1)
    for processes in (1, 2, 3):
        config = make_config("grpo.rollouts_per_device=2", "grpo.num_generations=8")
        with pytest.raises(ConfigError) as caught:
            check_settings(config, "grpo", processes)
        steps = int(re.search(r"accumulation_steps=(\d+)", str(caught.value))[1])
        fits = make_config(
            "grpo.rollouts_per_device=2",
            "grpo.num_generations=8",
            f"grpo.gradient_accumulation_steps={steps}",
        )
        check_settings(fits, "grpo", processes)


def test_the_paper_batch_is_sixteen_prompts_in_both_phases():
    config = load_config("emotion6/rise_r1")
    assert setting_checks.prompts_per_step(config, "grpo", 8) == setting_checks.PAPER_PROMPTS_PER_STEP
    assert setting_checks.prompts_per_step(config, "sft", 8) == setting_checks.PAPER_PROMPTS_PER_STEP


def rollout(reward, reason="ok", sample="a", text="text"):
    return Rollout(sample, 0, 0, reward, reason=reason, response=text)


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


@pytest.mark.parametrize(
    ("written", "stage"),
    [
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"zero_stage": 3}}, 3),
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"deepspeed_config_file": "FILE"}}, 1),
        ({"distributed_type": "MULTI_GPU"}, 0),
        ({"distributed_type": "DEEPSPEED"}, 2),
    ],
)
def test_memory_of_a_launch_of_ones_own_is_that_of_its_stage(tmp_path, written, stage):
    own, file = tmp_path / "own.yaml", tmp_path / "own.json"
    file.write_text(json.dumps({"zero_optimization": {"stage": 1}}))
    own.write_text(json.dumps(written | {"num_processes": 8}).replace("FILE", str(file)))
    config = load_config("emotion6/visual_rft", [f"compute.accelerate={own}"])
    model, parameters = qwen2_vl_2b(), sum(p.numel() for p in qwen2_vl_2b().parameters())
    states = memory.estimate(config, "grpo", model, processes=8).states
    assert states == pytest.approx(parameters * {0: 16, 1: 4 + 12 / 8, 2: 2 + 14 / 8, 3: 16 / 8}[stage])


def test_memory_of_a_launch_by_accelerate_itself_is_that_of_its_stage(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    assert zero_stage("none") == 3
    assert launch.is_launch_known(load_config("emotion6/sft", ["compute.accelerate=none"]))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert not launch.is_launch_known(load_config("emotion6/sft", ["compute.accelerate=none"]))
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", "/nowhere.json")
    with pytest.raises(ConfigError, match=r"/nowhere\.json is not a DeepSpeed config"):
        zero_stage("none")


def test_fsdp_is_refused_with_what_to_set(monkeypatch, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(json.dumps({"distributed_type": "FSDP", "use_cpu": True}))
    config = load_config("emotion6/visual_rft", [f"compute.accelerate={own}"])
    with pytest.raises(ConfigError, match=r"FSDP is not supported.*accelerate=zero3"):
        launch.launch_command(config, [], gpus=1)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="FSDP is not supported"):
        launch.launch_command(load_config("emotion6/sft", ["compute.accelerate=none"]), [], gpus=1)


@pytest.mark.parametrize(
    "override",
    [
        "grpo.loss_type=foo",
        "grpo.lr_scheduler=foo",
        "seed=-1",
        "seed=4294967296",
        "metis.solved_reward=5",
        "metis.keep=99",
        "reward.grounded_threshold=.nan",
        "data.min_lift=.nan",
        "reward.upstream_leak_factor=.inf",
    ],
)
def test_settings_that_would_end_in_a_traceback_are_refused(override):
    with pytest.raises(ConfigError, match=override.partition("=")[0].split(".")[-1]):
        load_config("emotion6/metis_rise", [override])


def test_a_home_folder_is_found_in_every_setting_of_a_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.yaml").write_text("{}")
    config = load_config("emotion6/sft", ["run.output_dir=~/x"])
    assert RunFolder.of(config).path == tmp_path / "x"
    assert launch.accelerate_config("~/own.yaml") == tmp_path / "own.yaml"


@pytest.mark.parametrize(("overrides", "gib"), [([], 4.2), (["model.lora.adapter_only=true"], 0.07)])
def test_the_final_model_of_an_adapter_is_merged_or_not(overrides, gib):
    config = load_config("emotion6/rise_r1-lora", overrides)
    assert memory.final_bytes(config, qwen2_vl_2b()) == pytest.approx(gib * 2**30, rel=0.05)


@pytest.mark.parametrize(
    ("overrides", "bytes_a_parameter"),
    [
        ([], 0),
        (["grpo.beta=0.1"], 2 / 8),
        (["grpo.beta=0.1", "compute.accelerate=ddp"], 4),
        (["reward.grounded=gate", "compute.accelerate=zero2"], 2),
        (["reward.grounded=gate", "compute.accelerate=zero2", "grpo.beta=0.1"], 4),
    ],
)
def test_memory_counts_the_reference_model_and_the_judge(overrides, bytes_a_parameter):
    model = qwen2_vl_2b()
    parameters = sum(p.numel() for p in model.parameters())
    need = memory.estimate(load_config("emotion6/rise_cot", overrides), "grpo", model, processes=8)
    assert need.frozen == pytest.approx(bytes_a_parameter * parameters)
    assert need.total == need.states + need.frozen + max(need.activations, need.sampling)


def test_a_model_whose_state_cannot_fit_is_refused_and_a_tight_one_is_warned_about(make_config, monkeypatch):
    config = make_config()
    need = memory.estimate(config, "grpo", memory.shape_of(config.model), processes=1)
    monkeypatch.setattr(memory, "device_bytes", lambda use_cpu: need.states - 1)
    assert "compute.accelerate=zero3" in preflight.inspect(config).findings[0]
    monkeypatch.setattr(memory, "device_bytes", lambda use_cpu: need.states + 1)
    seen = preflight.inspect(config)
    assert not seen.findings and "Lower grpo.rollouts_per_device" in seen.warnings[0]


def test_the_size_of_a_checkpoint_is_what_is_on_the_disk_and_29_gib_for_the_paper(make_config, graded):
    config = make_config("grpo.steps=1")
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    files = [run.last_checkpoint("grpo") / name for name in ("model.safetensors", "optimizer.pt")]
    size = sum(file.stat().st_size for file in files)
    assert memory.checkpoint_bytes(config, memory.shape_of(config.model)) == pytest.approx(size, rel=0.1)
    paper = memory.checkpoint_bytes(load_config("emotion6/rise_cot"), qwen2_vl_2b())
    assert round(paper / 2**30) == 29  # the figure that the recipes name


def test_a_disk_without_room_for_the_checkpoints_is_warned_about_and_without_any_refused(
    make_config, monkeypatch
):
    config = make_config("grpo.steps=3")
    one = memory.checkpoint_bytes(config, memory.shape_of(config.model))
    for free, warned, refused in ((3 * one, 0, 0), (3 * one - 1, 1, 0), (one - 1, 0, 1)):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        seen = preflight.inspect(config)
        told = [
            sum("lower run.save_total_limit" in text for text in x) for x in (seen.warnings, seen.findings)
        ]
        assert told == [warned, refused]
        assert "written every 1 step(s)" in " ".join(seen.facts)


def test_everything_is_found_in_one_try_and_nothing_is_written(make_config, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "x")
    config = make_config(
        *("data.benchmark=nowhere", "data.cots=nowhere/cots", "model.name=nobody/nothing"),
        *("grpo.rollouts_per_device=3", "run.save_only_model=true"),
        stage="rise_r1",
    )
    seen = preflight.inspect(config)
    said = ["RANK='x'", "run.resume=never", "gradient_accumulation_steps=4", "no dataset 'nowhere'"]
    said += ["no folder nowhere/cots, and", "no model 'nobody/nothing'"]
    assert len(seen.findings) == len(said)
    for finding, part in zip(seen.findings, said, strict=True):
        assert part in finding
    with pytest.raises(ConfigError, match="found 6 problems"):
        seen.refuse()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("variant", "problems"), [("jsd", 0), ("f1", 1)])
def test_a_similarity_that_the_kind_does_not_have_is_refused(make_config, variant, problems):
    config = make_config(f"reward.variant={variant}", stage="visual_rft")
    seen = [text for text in preflight.inspect(config).findings if "reward.variant" in text]
    assert len(seen) == problems
    assert all("Choose one of paper, literal, upstream, jsd, floor." in text for text in seen)


def test_what_a_run_needs_is_said_in_numbers_too(make_config, tmp_path):
    seen = preflight.inspect(make_config("grpo.steps=3"))
    assert not seen.findings
    need = seen.needs["phases"]["grpo"]
    assert need["prompts_per_step"] == 1 and need["steps"] == 3 and need["hours"] > 0
    assert need["memory_bytes"] > 0 and seen.needs["disk_bytes"] == 3 * need["checkpoint_bytes"]
    assert seen.needs["disk_free_bytes"] > 0 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("keep", "checkpoints", "models"),
    [
        (2, 5, 1),
        (1, 3, 1),
        (0, 10, 2),
    ],  # of ten steps each: SFT's, then those of GRPO, and one more in between
)
def test_the_disk_holds_the_checkpoints_of_both_phases(make_config, keep, checkpoints, models):
    settings = ("sft.steps=5", "grpo.steps=5", "run.save_steps=1", f"run.save_total_limit={keep}")
    seen = preflight.inspect(make_config(*settings, stage="rise_r1"))
    need = seen.needs["phases"]["sft"]
    assert seen.needs["disk_bytes"] == checkpoints * need["checkpoint_bytes"] + models * need["model_bytes"]


@pytest.mark.parametrize(
    ("rows", "hours"),
    [
        ([], None),
        ([(1, 0.0), (2, 7200.0)], None),
        ([(1, 0.0), (2, 3600.0), (3, 7200.0)], 7.0),
        ([(1, 0.0), (2, 3600.0), (2, 90_000.0), (3, 93_600.0)], 7.0),  # a break, and step 2 again
        ([(9, 0.0), (10, 10.0), (10, 11.0), (11, 20.0)], 0.0),
    ],
)
def test_the_hours_of_a_run_that_was_begun_are_those_of_its_own_steps(rows, hours):
    logged = [{"step": step, "time": time} for step, time in rows]
    assert measured_hours(10, logged) == (None if hours is None else pytest.approx(hours))


def thin_task(toy, size):
    gold = replace(toy.golds[0], id="toy-thin", width_px=size[0], height_px=size[1])
    task = SimpleNamespace(**vars(toy))
    task.golds, task.images = [*toy.golds, gold], [*toy.images, Image.new("RGB", size)]
    return task


@pytest.mark.parametrize(("size", "shape"), [((2300, 10), "wide as high"), ((3, 700), "high as wide")])
@pytest.mark.parametrize("stage", ["sft", "rise_cot"])
def test_a_picture_thinner_than_the_processor_takes_is_named(make_config, toy, write_toy, size, shape, stage):
    folder = write_toy(thin_task(toy, size))
    seen = preflight.inspect(make_config(f"data.benchmark={folder}", stage=stage))
    assert len(seen.findings) == 1
    assert f"toy-thin ({size[0]} x {size[1]} px) is more than 200 times as {shape}" in seen.findings[0]


def test_a_picture_as_thin_as_the_processor_takes_passes(make_config, toy, write_toy):
    folder = write_toy(thin_task(toy, (2000, 10)))
    assert not preflight.inspect(
        make_config(f"data.benchmark={folder}", "data.max_prompt_length=9999")
    ).findings


@pytest.mark.parametrize(
    ("model_type", "architecture"),
    [
        ("paligemma", "PaliGemmaForConditionalGeneration"),
        ("gemma3", "Gemma3ForConditionalGeneration"),
        ("llava_onevision", "LlavaOnevisionForConditionalGeneration"),
        ("mllama", "MllamaForConditionalGeneration"),
        ("qwen2", "Qwen2ForCausalLM"),
        (None, None),
    ],
)
def test_a_family_that_is_not_supported_is_refused_before_weights_are_read(
    make_config, tmp_path, model_type, architecture
):
    folder = checkpoint(tmp_path, json.dumps({"model_type": model_type, "architectures": [architecture]}))
    says = rf"family {model_type!r}.*qwen2_vl \(Qwen2-VL\), qwen2_5_vl.*qwen3_vl"
    (finding,) = preflight.inspect(make_config(f"model.name={folder}")).findings
    assert re.search(says, finding)
    for load in (LocalModel, FrozenJudge, lambda name: load_processor(ModelConfig(name))):
        with pytest.raises(ConfigError, match=says):
            load(str(folder))


def checkpoint(tmp_path, config, weights=b"no tensors at all"):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes(config.encode("latin-1"))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", "{}"])
def test_a_config_json_that_describes_no_model_is_one_line(make_config, tmp_path, text):
    folder = checkpoint(tmp_path, text)
    (finding,) = preflight.inspect(make_config(f"model.name={folder}")).findings
    assert str(folder) in finding and "\n" not in finding


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch):
    """Without HF_HUB_OFFLINE: one request, no retries; the client would wait half a minute a file."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    begin = time.monotonic()
    with pytest.raises(ConfigError, match=r"no model 'nobody/nothing'.*cannot be reached"):
        supported_model("nobody/nothing")
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"RANK": "x"}, "RANK='x'"),
        ({"RANK": ""}, "RANK=''"),
        ({"RANK": "-1"}, "RANK='-1'"),
        ({"RANK": "1.0"}, r"RANK='1\.0'"),
        ({"RANK": "²"}, "RANK='²'"),
        ({"RANK": "0", "WORLD_SIZE": "many"}, "WORLD_SIZE='many'"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "WORLD_SIZE='0'"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 and WORLD_SIZE=2"),
        ({"RANK": "1"}, "RANK=1 and WORLD_SIZE"),
        ({"LOCAL_RANK": "gpu"}, "LOCAL_RANK='gpu'"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_ADDR and MASTER_PORT"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}, "MASTER_PORT not"),
        (
            {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
            r"LOCAL_RANK not, .*export LOCAL_RANK=.SLURM_LOCALID",
        ),
    ],
)
def test_a_launcher_s_variables_that_make_no_sense_are_named(monkeypatch, environment, says):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert check_environment() == 1
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=says):
        check_environment()
    if (
        "MASTER_ADDR" not in environment
        and "MASTER" not in says
        and "LOCAL_RANK" not in environment
        and "WORLD_SIZE" in environment
    ):
        with pytest.raises(ConfigError, match=says):
            Share.of_environment()


def test_a_blind_prompt_that_is_too_long_says_so_without_a_picture(make_config):
    config = make_config("reward.view=blind", "data.max_prompt_length=1")
    processor, gold = load_processor(config.model), Gold("a", Boxes(((1, 1, 5, 5),)), 28, 28)
    with pytest.raises(ConfigError, match=r"tokens \(\d+ of text\); .*Raise data.max_prompt_length"):
        check_prompts(config, processor, [(gold, "Say it.")], images=0, warn=print)


ENLARGED = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
SHRUNK = {"shortest_edge": 1024, "longest_edge": 2048}
SET_SMALLEST = r"Set model\.min_pixels=65536, or grpo\.vllm=none\.$"


@pytest.mark.parametrize(
    ("size", "stage", "overrides", "says"),
    [
        (ENLARGED, "visual_rft", (), SET_SMALLEST),
        (ENLARGED, "rise_cot", (), SET_SMALLEST),
        (ENLARGED, "rise_r1", ("phases=[grpo]",), SET_SMALLEST),
        (ENLARGED, "rise_r1", ("model.lora.rank=2", "model.lora.adapter_only=true"), SET_SMALLEST),
        (ENLARGED, "visual_rft", ("model.max_pixels=12544",), r"in the data\. Set grpo\.vllm=none\.$"),
        (SHRUNK, "visual_rft", (), r"Set model\.max_pixels=2048, or grpo\.vllm=none\.$"),
        (ENLARGED, "visual_rft", ("model.min_pixels=65536",), None),
        (SHRUNK, "visual_rft", ("model.min_pixels=1024", "model.max_pixels=2048"), None),
        (ENLARGED, "visual_rft", ("grpo.vllm=none",), None),
        (ENLARGED, "rise_r1", (), None),  # SFT writes a model with the limits of the run
        (ENLARGED, "rise_r1", ("phases=[sft]",), None),
    ],
)
def test_pictures_that_a_colocated_vllm_would_resize_again_are_refused(
    make_config, tiny, tmp_path, monkeypatch, size, stage, overrides, says
):
    monkeypatch.setattr(setting_checks, "require_extra", lambda name: None)  # vllm is not installed here
    folder = shutil.copytree(tiny("qwen3_vl"), tmp_path / "model")
    settings = json.loads((folder / "processor_config.json").read_text())
    settings["image_processor"]["size"] = size
    (folder / "processor_config.json").write_text(json.dumps(settings))
    own = (f"model.name={folder}", "model.max_pixels=401408", "grpo.vllm=colocate", *overrides)
    config = make_config(*own, stage=stage, family="qwen3_vl")
    seen = [text for text in preflight.inspect(config).findings if "grpo.vllm" in text]
    assert len(seen) == (says is not None)
    if says:
        assert re.search(says, seen[0])
