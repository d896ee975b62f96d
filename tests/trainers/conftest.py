"""Fixtures of the trainer tests: tiny checkpoints of the three families and a toy benchmark on them."""

import io
import os
import random
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """`tiny(family)` is the folder of a tiny checkpoint."""
    from rise_bench.tiny_model import make_tiny_model

    folder = tmp_path_factory.mktemp("tiny")
    return lambda family="qwen2_vl": make_tiny_model(folder / family, family)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="session")
def toy():
    """A benchmark of eight noise images with random colour distributions."""
    from rise_bench.registry import BenchmarkSpec
    from rise_bench.values import Distribution, Gold

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
    return SimpleNamespace(spec=spec, golds=golds, images=images)


@pytest.fixture(scope="session")
def built(toy, tmp_path_factory):
    """The toy benchmark as a dataset folder; all its samples are 4-shot."""
    return write_benchmark(tmp_path_factory.mktemp("built") / "toy", toy)


def write_benchmark(folder, toy):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rise_bench import schema
    from rise_bench.manifest import FileEntry, Manifest, write_manifest
    from rise_bench.storage import sha256_bytes, sha256_file

    rows, hashes = [], {}
    for rank, (gold, image) in enumerate(zip(toy.golds, toy.images, strict=True)):
        data = png(image)
        hashes[gold.id] = sha256_bytes(data)
        texts = {"source_id": gold.id, "source_sha256": hashes[gold.id], "license": "mit"}
        row = {"image": {"bytes": data, "path": None}, "shot_rank": rank % 4} | texts
        rows.append(schema.gold_columns(toy.spec, gold) | row)
    path = folder / "data" / "train-4-shot-00000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema.features(toy.spec).arrow_schema), path)
    entry = FileEntry(
        split="train", shard="4-shot", sha256=sha256_file(path), rows=len(rows), bytes=path.stat().st_size
    )
    manifest = Manifest(
        schema_version=schema.SCHEMA_VERSION,
        spec=toy.spec.to_json(),
        images="embed",
        categories=(),
        seed=0,
        counts={"train": len(rows)},
        paper_counts=None,
        differences=(),
        drops={},
        partial=False,
        options={},
        versions={},
        near_duplicates=(),
        near_duplicate_pairs=0,
        content_sha256="0" * 64,
        files={"data/train-4-shot-00000.parquet": entry},
        images_sha256=hashes,
    )
    write_manifest(folder, manifest)
    return folder


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_config(tiny, built, tmp_path):
    """`make_config("key=value", ...)` is a small run of rise_cot on the toy benchmark."""
    from rise_bench.trainers.recipe_files import load_config

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
                "run.save_steps=1",
                *overrides,
            ],
        )

    return make


@pytest.fixture
def graded(monkeypatch):
    """Replace eq. 1 by a number that any text earns, because a random model never earns the real one."""
    from rise_bench.rewards import Verdict
    from rise_bench.trainers import cot_reward

    def grade(gold, cot, reconstruction, **_):
        reward = zlib.crc32(f"{cot}|{reconstruction}".encode()) % 1000 / 1000
        return Verdict(reward, reward, False, False, True, "ok", None)

    monkeypatch.setattr(cot_reward, "cot_reward", grade)


@pytest.fixture
def make_loop(tiny, toy, tmp_path):
    """`make_loop(...)` is a closed-loop trainer on the toy benchmark; keywords change its GRPOConfig."""
    return lambda **options: build_loop(tiny, toy, tmp_path, **options)


def build_loop(
    tiny, toy, folder, *, family="qwen2_vl", gradient="both", generations=4, model=None, kind=None, **changes
):
    from trl import GRPOConfig

    from rise_bench.prompts import reason_prompt, reconstruct_prompt
    from rise_bench.rewards import RewardRule
    from rise_bench.rollout_log import RolloutLog
    from rise_bench.trainers.closed_loop import ClosedLoop, ClosedLoopTrainer
    from rise_bench.trainers.config import ModelConfig
    from rise_bench.trainers.cot_reward import CotReward
    from rise_bench.trainers.grpo_rows import prompt_rows
    from rise_bench.trainers.loading import load_processor, special_tokens_not_sampled

    golds = {gold.id: gold for gold in toy.golds}
    loop = ClosedLoop(
        lambda uid, cot: reconstruct_prompt(toy.spec, golds[uid], cot),
        max_cot_length=10,
        max_reconstruction_length=6,
        gradient=gradient,
    )
    rows = loop.rows_per_rollout
    source = str(model or tiny(family))
    pixels = ModelConfig(name=source, max_pixels=28 * 28 * 16, min_pixels=28 * 28 * 2)
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
    log = RolloutLog(folder / "rollouts", arguments.process_index, attempt="0")
    reward = CotReward(
        golds,
        toy.spec,
        log,
        rule=RewardRule(format_term=False),
        unit="norm1000",
        max_pixels=pixels.max_pixels,
        rows_per_rollout=rows,
    )
    minimum = arguments.generation_batch_size // arguments.num_generations
    data = prompt_rows(
        toy.golds, lambda i: toy.images[i], lambda gold: reason_prompt(toy.spec, gold), minimum=minimum
    )
    trainer_class = kind or ClosedLoopTrainer
    return trainer_class(
        loop=loop,
        model=source,
        reward_funcs=reward,
        args=arguments,
        train_dataset=data,
        processing_class=processor,
    )


@pytest.fixture(scope="session")
def toy_folder(toy, tmp_path_factory):
    """The toy benchmark as `rise-bench build` writes it: 4 rows in the 4-shot shard, 4 in the rest."""
    import io

    from datasets import Dataset

    from rise_bench.manifest import FileEntry, Manifest, content_sha256, write_manifest
    from rise_bench.schema import SCHEMA_VERSION, features, gold_columns, gold_text
    from rise_bench.storage import sha256_bytes, sha256_file

    root = tmp_path_factory.mktemp("toy")
    (root / "data").mkdir()
    rows, hashes = [], {}
    for rank, (gold, image) in enumerate(zip(toy.golds, toy.images, strict=True)):
        file = io.BytesIO()
        image.save(file, "png")
        hashes[gold.id] = sha256_bytes(file.getvalue())
        row = gold_columns(toy.spec, gold) | {"image": {"bytes": file.getvalue(), "path": f"{gold.id}.png"}}
        row |= {
            "shot_rank": rank,
            "source_id": gold.id,
            "source_sha256": hashes[gold.id],
            "license": "cc0-1.0",
        }
        rows.append(row)
    files = {}
    for split, shard, part in (
        ("train", "4-shot", rows[:4]),
        ("train", "rest", rows[4:]),
        ("test", "test", rows[:1]),
    ):
        path = root / "data" / f"{split}-{shard}-00000.parquet"
        Dataset.from_list(part, features=features(toy.spec)).to_parquet(path)
        files[f"data/{path.name}"] = FileEntry(
            split=split, shard=shard, sha256=sha256_file(path), rows=len(part), bytes=path.stat().st_size
        )
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        spec=toy.spec.to_json(),
        images="embed",
        categories=(),
        seed=0,
        counts={"train": 8, "test": 1},
        paper_counts=None,
        differences=(),
        drops={},
        partial=False,
        options={},
        versions={},
        near_duplicates=(),
        near_duplicate_pairs=0,
        content_sha256=content_sha256(("train", "", g.id, hashes[g.id], gold_text(g)) for g in toy.golds),
        files=files,
        images_sha256=hashes,
    )
    write_manifest(root, manifest)
    return root


@pytest.fixture
def smoke(tiny, toy_folder, tmp_path):
    """`smoke(stage, *overrides)` is the smoke recipe on the toy benchmark."""
    from rise_bench.trainers.recipe_files import load_config

    def load(stage, *overrides):
        return load_config(
            f"smoke/{stage}",
            [
                f"model.name={tiny()}",
                f"data.benchmark={toy_folder}",
                f"run.output_dir={tmp_path / 'run'}",
                *overrides,
            ],
        )

    return load
