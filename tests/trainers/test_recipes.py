"""Recipes and the paper's values stay in step; a misspelt key or a wrong type never passes."""

import json
import re
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from trl import GRPOConfig

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.stages import stages
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.models.base_model import BASE_MODEL, MAX_PIXELS
from rise_bench.scoring.rewards import cot_reward
from rise_bench.trainers.phases.trl_arguments import common_arguments, grpo_arguments, load_processor
from rise_bench.trainers.runs import launch
from rise_bench.trainers.runs.run_folder import RunFolder, default_output_dir
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.recipe_loader import (
    all_keys,
    describe,
    dump_config,
    load_config,
)
from rise_bench.trainers.settings.recipes import compose, recipe_names

BENCHMARKS = ("emotion6", "lisa", "imagenet_sub", "coco_sub")

# "Implementation Details" of arXiv 2508.13229; batch size 1 is one prompt a device, so 8 rollouts.
PAPER = {
    "model.name": "Qwen/Qwen2-VL-2B-Instruct",
    "model.max_pixels": 401_408,
    "model.attn_implementation": "flash_attention_2",
    "data.max_prompt_length": 1024,
    "data.tau": 0.75,
    "reward.variant": "paper",
    "reward.leak_term": True,
    "reward.format_term": True,
    "sft.steps": 200,
    "sft.learning_rate": 2e-5,
    "sft.weight_decay": 0.1,
    "sft.rows_per_device": 1,
    "sft.gradient_accumulation_steps": 2,
    "grpo.steps": 200,
    "grpo.learning_rate": 2e-5,
    "grpo.weight_decay": 0.1,
    "grpo.num_generations": 8,
    "grpo.rollouts_per_device": 8,
    "grpo.gradient_accumulation_steps": 2,
    "compute.accelerate": "zero3",
    "compute.bf16": True,
    "compute.gradient_checkpointing": True,
}

# Table 4: configuration -> (recipe, phases, CoT subset); RFT alone is Visual-RFT.
TABLE_4 = {
    "SFT Full": ("rise_r1_sft_full", ("sft",), "all"),
    "SFT High": ("rise_r1_sft_high", ("sft",), "high"),
    "RFT": ("visual_rft", ("grpo",), None),
    "SFT Full+RFT": ("rise_r1_sft_full_rft", ("sft", "grpo"), "all"),
    "SFT High+RFT": ("rise_r1", ("sft", "grpo"), "high"),
}


def value(config, key):
    for part in key.split("."):
        config = getattr(config, part)
    return config


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("stage", stages())
def test_every_benchmark_has_every_stage_with_the_paper_values(benchmark, stage):
    config = load_config(f"{benchmark}/{stage}")
    assert (config.data.benchmark, config.stage, config.data.shots) == (benchmark, stage, "full")
    assert {key: value(config, key) for key in PAPER} == PAPER


def test_the_defaults_are_the_paper_values():
    assert {key: value(TrainConfig(), key) for key in PAPER} == PAPER


@pytest.mark.parametrize("benchmark", ["emotion6", "lisa"])
@pytest.mark.parametrize("row", TABLE_4)
def test_table_4_is_five_recipes(benchmark, row):
    recipe, phases, subset = TABLE_4[row]
    config = load_config(f"{benchmark}/{recipe}")
    assert config.active_phases == phases
    assert {key: value(config, key) for key in PAPER} == PAPER
    if subset:
        assert (config.data.cots, config.data.cot_subset) == (f"runs/{benchmark}-full-rise_cot/cots", subset)


# Table 5: what each row of the ablation pays for a chain of thought that leaks, and for a wrong format.
TABLE_5 = {
    "Full": ([], 0, 0),
    "Similarity-Only": (["reward.leak_term=false", "reward.format_term=false"], 1, 1),
    "No-Leakage-Removal": (["reward.leak_term=false"], 1, 0),
    "No-Format-Removal": (["reward.format_term=false"], 0, 1),
}


@pytest.mark.parametrize("row", TABLE_5)
def test_table_5_is_overrides_of_rise_cot(row):
    overrides, leaking, formless = TABLE_5[row]
    rule = load_config("emotion6/rise_cot", overrides).reward
    gold = Gold("a", Distribution(("joy", "fear"), (0.8, 0.2)), 8, 8)
    answer = render_gold(gold)
    judge = partial(cot_reward, gold, rule=rule)
    assert judge("about 80% of it", f"<answer>{answer}</answer>").reward == pytest.approx(leaking, abs=1e-3)
    assert judge("the room is bright", answer).reward == pytest.approx(formless, abs=1e-3)
    assert judge("the room is bright", f"<answer>{answer}</answer>").reward == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("tau", [0.65, 0.75, 0.85])
def test_table_6_is_overrides_of_rise_r1(tau):
    assert load_config("lisa/rise_r1", [f"data.tau={tau}"]).data.tau == tau  # what it picks: test_rise_r1.py


@pytest.mark.parametrize("stage", stages())
def test_smoke_recipes_run_anywhere(stage):
    config = load_config(f"smoke/{stage}")
    assert config.compute.use_cpu and not config.compute.bf16 and config.compute.accelerate == "none"
    assert config.model.name.startswith("tiny-")
    assert all(getattr(config, phase).steps == 2 for phase in config.active_phases)


@pytest.mark.parametrize("stage", stages())
def test_world_recipes_train_the_base_model_that_ships_on_a_laptop(stage):
    config = load_config(f"world/{stage}")
    assert (config.model.name, config.model.max_pixels) == (BASE_MODEL, MAX_PIXELS)
    assert config.compute.use_cpu and not config.compute.bf16 and config.compute.accelerate == "none"
    assert config.reward == TrainConfig().reward and config.data.tau == TrainConfig().data.tau


def test_world_recipes_give_every_method_as_many_steps():
    """A step counts wherever a method depends on it: RISE-CoT's too, where its chains of thought are used."""
    steps = {}
    for stage in stages():
        config = load_config(f"world/{stage}")
        steps[stage] = sum(getattr(config, phase).steps for phase in stages()[stage].phases)
    loop = steps.pop("rise_cot")
    steps["rise_r1"] += loop
    steps["metis_rise"] += loop
    assert set(steps.values()) == {120}, steps


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_opens_with_the_command_that_launches_it_and_with_its_hardware(name, tmp_path):
    config = load_config(name)
    text = describe(name, config)
    head = text.split("\n\n")[0]
    assert (
        re.search(r"^# Launch: +(.+)$", head, re.M)[1] == f"rise-bench train {config.stage} --recipe {name}"
    )
    assert re.search(r"^# Hardware: +\S", head, re.M) and not re.search("[{}]", head)
    (tmp_path / "printed.yaml").write_text(text)
    assert load_config(tmp_path / "printed.yaml") == config


@pytest.mark.parametrize("name", [n for n in recipe_names() if n.endswith(("rise_r1", "metis_rise"))])
def test_the_chains_of_thought_of_a_recipe_are_where_collect_writes_them(name):
    """`rise-bench collect RUN` writes RUN/cots, and rise_cot of the same benchmark writes that RUN."""
    config = load_config(name)
    loop = load_config(f"{name.split('/')[0]}/rise_cot")
    assert (config.data.cots or config.data.expert_cots) == str(default_output_dir(loop) / "cots")


def test_a_recipe_sets_nothing_of_a_phase_that_its_stage_lacks():
    for name in recipe_names():
        settings = compose(name).settings
        assert {"sft", "grpo"} & set(settings) <= set(stages()[settings["stage"]].phases), name


# The recipes that version 0.1.0 shipped as files, in the order of RECIPES_0_1: sha256 of what each sets
# differently from the defaults. Those of the world have other rates since base model version 3.
RECIPES_0_1 = (
    *("metis_rise", "reason_rft", "rise_cot", "rise_r1", "sft", "visual_rft"),
    *("rise_r1_sft_full", "rise_r1_sft_full_rft", "rise_r1_sft_high"),
)
SETTINGS_0_1 = {
    "coco_sub": "543cfb82 4ca14993 a3ba595e 0fbf41dc 84b73791 a05b0d03",
    "emotion6": "6c7c47a9 5ffdcd32 44136fa3 db020d88 8cec8f5c 7df0bfa4 1ec9b49d b81dee68 62c9088e",
    "imagenet_sub": "2fdd7958 e65e7702 f69d60cb 2d66eeb5 69b48bde d99c4857",
    "lisa": "23c98673 d05c9ac2 996e5e46 90e229e2 569ce08d 00b52725 2bcd8bca ac40c1e2 44ff1001",
    "smoke": "7cf4e73e d279da75 7db57b45 7dd6ca9c c1f534fa 14e54c43",
}


@pytest.mark.parametrize("place", SETTINGS_0_1)
def test_a_composed_recipe_has_the_settings_that_its_file_had(place):
    default = TrainConfig()
    for name, expected in zip(RECIPES_0_1, SETTINGS_0_1[place].split(), strict=False):
        config = load_config(f"{place}/{name}")
        given = {key: value(config, key) for key in all_keys() if value(config, key) != value(default, key)}
        given.pop("run.save_steps", None)  # 1 everywhere then; now 20, and 5 where a checkpoint is small
        assert sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:8] == expected, name


def test_all_problems_of_a_recipe_are_reported_at_once(tmp_path):
    (tmp_path / "mine.yaml").write_text("grpo: {steps: many, lerning_rate: 1}")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "mine.yaml", ["data.shots=5"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and sum(line.startswith(f"{tmp_path / 'mine.yaml'}: ") for line in lines) == 2
    assert sum(line.startswith("override 'data.shots=5': ") for line in lines) == 1


@pytest.mark.parametrize("override", ["reward.grounded_threshold=5e-2", "phases=grpo", "model.revision="])
def test_what_yaml_reads_otherwise_is_taken_as_it_is_meant(override):
    key, text = override.split("=")
    meant = {"5e-2": 0.05, "grpo": ("grpo",), "": ""}[text]
    assert value(load_config("emotion6/rise_cot", [override]), key) == meant


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("grpo.learning_rat=1", "did you mean 'grpo.learning_rate'"),
        ("learning_rate=1", "did you mean 'sft.learning_rate'"),
        ("gpro.beta=0", "did you mean 'grpo'"),
        ("data.shots=5", "choose one of '4-shot', '16-shot' or 'full'"),
        ("grpo.beta=much", "is not a number"),
        ("grpo.steps=1.5", "is not a whole number"),
        ("run.preflight=1", "is not true or false"),
        ("grpo=3", "must be a mapping"),
        ("data.tau=75", "rewards lie in [0, 1]"),
        ("grpo.num_generations=1", "a group of one"),
        ("grpo.vllm=server", "grpo.vllm_server_url"),
        ("grpo.vllm", "is not key=value"),
        ("phases=[sft]", "rise_cot has ['grpo']"),
    ],
)
def test_a_bad_override_is_an_error_that_says_how_to_mend_it(override, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_config("emotion6/rise_cot", [override])


def test_boxes_of_resized_images_have_the_one_lower_limit_that_the_reader_knows():
    with pytest.raises(ConfigError, match=r"model\.min_pixels = 100352: boxes in resized_px"):
        load_config("lisa/rise_cot", ["model.box_unit=resized_px", "model.min_pixels=100352"])


@pytest.mark.parametrize("path", ["my #1 study/x", "runs: all", "2024", "~/x", "[1]", "yes"])
def test_a_text_is_taken_as_it_stands(path):
    assert load_config(None, [f"run.output_dir={path}"]).run.output_dir == path


def test_every_key_can_be_overridden_and_a_bad_recipe_file_is_named(tmp_path):
    for key in all_keys():
        default = value(TrainConfig(), key)
        text = json.dumps(default)
        assert load_config(None, [f"{key}={text}"]) == TrainConfig(), key
    bad = tmp_path / "bad.yaml"
    bad.write_text("stage: rise_cot\ngrpo:\n  learning_ratio: 1\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml: unknown key 'grpo\.learning_ratio'"):
        load_config(bad)


@pytest.mark.parametrize("text", ["2e-5", "2.0e-5", "0.00002"])
def test_numbers_are_read_in_every_usual_spelling(text):
    assert load_config(None, [f"grpo.learning_rate={text}"]).grpo.learning_rate == 2e-5


def test_a_dumped_config_reads_back_equal(tmp_path):
    config = load_config(
        "lisa/rise_r1", ["phases=[grpo]", "run.report_to=[wandb, tensorboard]", "model.name=a b"]
    )
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    assert load_config(path) == config


@pytest.mark.parametrize("name", ["ddp", "zero2", "zero3"])
def test_launching_takes_the_gpus_there_are_and_the_shipped_config(name, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    config = load_config("emotion6/rise_cot", [f"compute.accelerate={name}"])
    command = launch.launch_command(config, ["train", "rise_cot"], gpus=4)
    assert command[command.index("--num_processes") + 1] == "4"
    assert command[-4:] == ["-m", "rise_bench", "train", "rise_cot"]
    assert command[command.index("--config_file") + 1] == str(launch.ACCELERATE_DIR / f"{name}.yaml")
    if name != "ddp":
        assert command[command.index("--deepspeed_config_file") + 1] == str(
            launch.ACCELERATE_DIR / f"{name}.json"
        )


def test_accelerate_reads_the_shipped_configs_and_would_start_our_command():
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    kinds = {"ddp": "MULTI_GPU", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED", "multi_node": "DEEPSPEED"}
    assert {p.stem for p in launch.ACCELERATE_DIR.glob("*.yaml")} == set(kinds)
    for name, kind in kinds.items():
        assert load_config_from_file(str(launch.ACCELERATE_DIR / f"{name}.yaml")).distributed_type == kind
    command = launch.launch_command(load_config("emotion6/sft"), ["train", "sft"], gpus=2)
    arguments = launch_command_parser().parse_args(command[3:])
    assert arguments.module and arguments.training_script == "rise_bench"
    assert arguments.training_script_args == ["train", "sft"] and arguments.num_processes == 2


def test_a_multi_node_launch_is_told_by_the_environment(monkeypatch):
    config = load_config("emotion6/rise_cot", ["compute.accelerate=multi_node"])
    with pytest.raises(ConfigError, match="needs MASTER_ADDR, MASTER_PORT, NNODES, NODE_RANK"):
        launch.launch_command(config, [], gpus=8)
    for name, setting in {"MASTER_ADDR": "a", "MASTER_PORT": "1", "NNODES": "3", "NODE_RANK": "2"}.items():
        monkeypatch.setenv(name, setting)
    command = launch.launch_command(config, [], gpus=8)
    assert command[command.index("--num_processes") + 1] == "24"
    assert command[command.index("--machine_rank") + 1] == "2"


def test_a_process_that_a_launcher_started_does_not_launch_again(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    assert launch.launch_command(load_config("emotion6/sft"), [], gpus=8) is None
    monkeypatch.delenv("RANK")
    assert launch.launch_command(load_config("smoke/sft"), [], gpus=8) is None
    with pytest.raises(PrerequisiteError, match=r"compute\.accelerate=none"):
        launch.launch_command(load_config("emotion6/sft"), [], gpus=0)
    with pytest.raises(ConfigError, match="ddp, multi_node, zero2, zero3"):
        launch.launch_command(load_config("emotion6/sft", ["compute.accelerate=zero4"]), [], gpus=8)


def test_a_launch_of_ones_own_is_read_by_accelerate_alone(monkeypatch, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("distributed_type: DEEPSPEED\ndeepspeed_config:\n  zero_stage: 3\n")
    config = load_config("emotion6/sft", [f"compute.accelerate={own}"])
    monkeypatch.delenv("RANK", raising=False)
    command = launch.launch_command(config, [], gpus=4)
    assert command[command.index("--num_processes") + 1] == "4", "it does not say how many"
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError, match=r"own\.yaml is read by `accelerate launch`, and RANK is set by"):
        launch.launch_command(config, [], gpus=4)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert launch.launch_command(config, [], gpus=4) is None


def test_one_process_does_not_spread_its_model_over_the_gpus_that_it_sees(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    config = load_config("emotion6/sft", ["compute.accelerate=none"])
    assert launch.launch_command(config, [], gpus=1) is None
    with pytest.raises(ConfigError, match=r"2 are visible\. Set CUDA_VISIBLE_DEVICES=0"):
        launch.launch_command(config, [], gpus=2)


def test_precision_is_that_of_the_recipe_and_of_no_launcher():
    for path in launch.ACCELERATE_DIR.glob("*.yaml"):
        assert "mixed_precision" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("rows", [1, 2])
def test_the_recipe_reaches_trl(tiny, tmp_path, rows):
    """Every value under its TRL name; two rows a rollout in the closed loop."""
    overrides = ["grpo.vllm=server", "grpo.vllm_server_url=http://a:1", "run.report_to=[tensorboard, wandb]"]
    config = load_config("smoke/visual_rft", [*overrides, "grpo.beta=0.1", f"run.output_dir={tmp_path}"])
    processor = load_processor(replace(config.model, name=str(tiny())))
    run = RunFolder(tmp_path)
    given = grpo_arguments(config, run, processor, rows_per_rollout=rows)
    arguments = GRPOConfig(**given)
    assert arguments.num_generations == 2 * rows and arguments.per_device_train_batch_size == 4 * rows
    assert (arguments.use_vllm, arguments.vllm_mode) == (True, "server")
    assert arguments.vllm_server_base_url == "http://a:1" and arguments.beta == 0.1
    assert arguments.report_to == ["tensorboard", "wandb"] and arguments.learning_rate == 1e-3
    assert arguments.output_dir == str(run.phase_dir("grpo")) and arguments.save_steps == 20
    banned = given["generation_kwargs"]["bad_words"]
    assert "<|image_pad|>" in banned and "<|im_end|>" not in banned
    plain = grpo_arguments(load_config("smoke/visual_rft"), run, processor)
    named = processor.tokenizer.convert_ids_to_tokens(plain["generation_kwargs"]["suppress_tokens"])
    assert named == banned


def test_deepspeed_follows_the_recipe_unless_a_launcher_configured_it(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    monkeypatch.delenv("ACCELERATE_USE_DEEPSPEED", raising=False)
    for accelerate, file in {
        "zero2": "zero2.json",
        "zero3": "zero3.json",
        "multi_node": "zero3.json",
    }.items():
        config = load_config("emotion6/sft", [f"compute.accelerate={accelerate}"])
        given = common_arguments(config, "sft", run)
        stage = json.loads(Path(given["deepspeed"]).read_text())["zero_optimization"]["stage"]
        assert Path(given["deepspeed"]).name == file and stage == int(file[4])
        assert given["model_init_kwargs"]["dtype"] == "bfloat16"
    plain = common_arguments(load_config("emotion6/sft", ["compute.accelerate=ddp"]), "sft", run)
    assert "deepspeed" not in plain and plain["model_init_kwargs"]["dtype"] == "float32"
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    assert "deepspeed" not in common_arguments(load_config("emotion6/sft"), "sft", run)
