"""Fixtures of the trainer tests: tiny checkpoints of the families and a toy benchmark on them."""

import io
import os
import random
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ..support.tiny_models import family, grid_family, tiny  # noqa: F401  (fixtures)

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="session")
def toy():
    """A benchmark of eight noise images with random colour distributions."""
    from rise_bench.annotations.base import Gold
    from rise_bench.annotations.distribution.values import Distribution
    from rise_bench.catalog.spec import BenchmarkSpec

    spec = BenchmarkSpec("toy", "distribution", "jsd", "Which colours does it show?", CLASSES, images="embed")
    rng = random.Random(0)
    golds, images = [], []
    for i in range(8):
        weights = [rng.random() for _ in CLASSES]
        probs = tuple(w / sum(weights) for w in weights)
        size = ((84, 56), (56, 56), (56, 84))[i % 3]
        golds.append(Gold(f"toy-{i}", Distribution(CLASSES, probs), *size))
        pixels = np.random.default_rng(i).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        images.append(Image.fromarray(pixels))
    return SimpleNamespace(spec=spec, golds=golds, images=images, categories=())


@pytest.fixture(scope="session")
def built(toy, tmp_path_factory):
    """The toy benchmark as a dataset folder; all its samples are 4-shot."""
    return write_benchmark(tmp_path_factory.mktemp("built") / "toy", toy)


@pytest.fixture
def write_toy(tmp_path):
    """`write_toy(task)` writes samples and images as a dataset folder."""
    return lambda task: write_benchmark(tmp_path / "benchmark", task)


def write_benchmark(folder, toy):
    from rise_bench.data.build_plan import SourcePlan, SourceRow
    from rise_bench.data.writer import write_dataset

    rows = [
        SourceRow(gold.id, gold.id, png(image), gold.annotation, gold.category, gold.question)
        for gold, image in zip(toy.golds, toy.images, strict=True)
    ]
    write_dataset(SourcePlan(toy.spec, train=rows, test=[], categories=toy.categories), folder, workers=1)
    return folder


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_config(tiny, built, tmp_path):
    """`make_config("key=value", ...)` is a small run of rise_cot on the toy benchmark."""
    from rise_bench.trainers.settings.recipe_loader import load_config

    def make(*overrides, stage="rise_cot", family="qwen2_vl"):
        return load_config(
            None,
            [
                f"stage={stage}",
                f"model.name={tiny(family)}",
                f"model.max_pixels={28 * 28 * 16}",
                f"model.min_pixels={28 * 28 * 2}",
                "model.attn_implementation=eager",
                f"data.benchmark={built}",
                "grpo.steps=2",
                "sft.steps=2",
                "grpo.num_generations=4",
                "grpo.rollouts_per_device=4",
                "grpo.gradient_accumulation_steps=1",
                "grpo.max_cot_length=10",
                "grpo.max_reconstruction_length=6",
                "grpo.max_completion_length=10",
                "grpo.learning_rate=1e-3",
                "sft.learning_rate=1e-3",
                "compute.accelerate=none",
                "compute.bf16=false",
                "compute.gradient_checkpointing=false",
                "compute.use_cpu=true",
                f"run.output_dir={tmp_path / 'run'}",
                "run.on_unreadable=warn",
                "run.save_steps=1",
                *overrides,
            ],
        )

    return make


@pytest.fixture
def graded(monkeypatch):
    """Replace eq. 1 by a number that any text earns, because a random model never earns the real one."""
    from rise_bench.cot import closed_loop as loop
    from rise_bench.scoring.rewards import Verdict

    def grade(gold, cot, reconstruction, *_, **__):
        reward = zlib.crc32(f"{cot}|{reconstruction}".encode()) % 1000 / 1000
        return Verdict(reward, reward, False, False, True, "ok", None)

    monkeypatch.setattr(loop, "cot_reward", grade)


@pytest.fixture
def make_loop(tiny, toy, tmp_path):
    """`make_loop(...)` is a closed-loop trainer on the toy benchmark; keywords change its GRPOConfig."""
    return lambda **options: build_loop(tiny, toy, tmp_path, **options)


def build_loop(
    tiny,
    toy,
    folder,
    *,
    family="qwen2_vl",
    gradient="both",
    view="picture",
    generations=4,
    model=None,
    kind=None,
    share_prefill=True,
    lora=None,
    **changes,
):
    from trl import GRPOConfig

    from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
    from rise_bench.cot.row_log import RowLog
    from rise_bench.models.generate_settings import special_tokens_not_sampled
    from rise_bench.scoring.rewards import RewardRule
    from rise_bench.trainers.data.grpo_rows import prompt_rows
    from rise_bench.trainers.phases.trl_arguments import load_processor
    from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoopTrainer, rows_per_rollout
    from rise_bench.trainers.rollouts.cot_reward import CotReward
    from rise_bench.trainers.settings.config import ModelConfig

    golds = {gold.id: gold for gold in toy.golds}
    rows = rows_per_rollout(gradient, view)
    source = str(model or tiny(family))
    pixels = ModelConfig(name=source, max_pixels=28 * 28 * 16, min_pixels=28 * 28 * 2)
    rule = RewardRule(format_term=False, view=view)
    loop = ClosedLoop(toy.spec, LoopSettings(4, 10, 6, pixels.answer_format, rule))
    processor = load_processor(pixels)
    settings = {
        "per_device_train_batch_size": generations * rows,
        "num_generations": generations * rows,
        "generation_kwargs": {"suppress_tokens": special_tokens_not_sampled(processor)},
        "max_steps": 1,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "logging_steps": 1,
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "output_dir": str(folder / "out"),
    } | changes
    arguments = GRPOConfig(**settings)
    log = RowLog(folder / "rollouts", arguments.process_index, attempt="0")
    reward = CotReward(loop, golds, log, rows_per_rollout=rows)
    minimum = arguments.generation_batch_size // arguments.num_generations
    data = prompt_rows(toy.golds, lambda i: [toy.images[i]], loop.reason_text, minimum=minimum)
    trainer_class = kind or ClosedLoopTrainer
    return trainer_class(
        loop=loop,
        golds=golds,
        gradient=gradient,
        model=source,
        start=source,
        lora=lora,
        share_prefill=share_prefill,
        reward_funcs=reward,
        args=arguments,
        train_dataset=data,
        processing_class=processor,
    )


@pytest.fixture
def smoke(tiny, built, tmp_path):
    """`smoke(stage, *overrides)` is the smoke recipe on the toy benchmark."""
    from rise_bench.trainers.settings.recipe_loader import load_config

    def load(stage, *overrides):
        return load_config(
            f"smoke/{stage}",
            [
                f"model.name={tiny()}",
                f"data.benchmark={built}",
                "data.shots=full",
                f"run.output_dir={tmp_path / 'run'}",
                *overrides,
            ],
        )

    return load


@pytest.fixture
def zero3_environment():
    """What `accelerate launch` sets for the shipped config `zero3`, and a CPU in place of the GPU."""
    from rise_bench.trainers.runs.launch import ACCELERATE_DIR

    return {
        "ACCELERATE_USE_DEEPSPEED": "true",
        "ACCELERATE_DEEPSPEED_CONFIG_FILE": str(ACCELERATE_DIR / "zero3.json"),
        "ACCELERATE_DEEPSPEED_ZERO3_INIT": "true",
        "DS_ACCELERATOR": "cpu",
    }
