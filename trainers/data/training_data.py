"""The training split of a built benchmark: its truths in memory, its images on disk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from datasets import Dataset, List
from datasets import Image as ImageFeature
from PIL import Image

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.dataset import reconstruction_format
from rise_bench.data.dataset import BenchmarkDataset, arrow_cache, full_cache_named
from rise_bench.data.pictures import pictures_of
from rise_bench.data.schema import gold_text, row_to_gold
from rise_bench.errors import ConfigError
from rise_bench.files.images import decode_rgb
from rise_bench.hub.find import find_benchmark, find_cots
from rise_bench.prompts.templates import prompt_hash
from rise_bench.scoring.rewards import read_stated
from rise_bench.trainers.settings.config import DataConfig, TrainConfig


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Samples of one configuration, in the order of the files."""

    spec: BenchmarkSpec
    sha256: str  #: identity of the benchmark's content
    golds: list[Gold]
    images: Dataset  #: memory-mapped, images still encoded; row i belongs to golds[i]

    def without(self, ids: Collection[str]) -> TrainingData:
        """The samples with other ids."""
        kept = [i for i, gold in enumerate(self.golds) if gold.id not in ids]
        return replace(self, golds=[self.golds[i] for i in kept], images=self.images.select(kept))

    def pictures(self, index: int) -> tuple[Image.Image, ...]:
        """Decode the images of `golds[index]`, in RGB and upright."""
        return tuple(decode_rgb(picture, self.golds[index].id) for picture in pictures_of(self.images[index]))


def prompt_hashes(config: TrainConfig, benchmark: BenchmarkDataset) -> dict[str, str]:
    """Hash of the prompts that the run uses, for the record of the run folder."""
    spec, style = benchmark.spec, config.declared_stage.style(config.reward.response_form)
    return {spec.name: prompt_hash(spec, replace(config.model.answer_format, style=style))}


def open_training_data(data: DataConfig) -> TrainingData:
    """Open the training data of a run."""
    benchmark = find_benchmark(data.benchmark)
    files = [str(path) for path in benchmark.files("train", data.shots)]
    cache = arrow_cache(benchmark.manifest)
    column = benchmark.spec.image_column
    with full_cache_named(cache):
        images = Dataset.from_parquet(files, columns=[column, "source_sha256"], cache_dir=cache)
    encoded = ImageFeature(decode=False)
    images = images.cast_column(column, encoded if benchmark.spec.images_per_row == 1 else List(encoded))
    return TrainingData(benchmark.spec, benchmark.sha256, benchmark.golds("train", data.shots), images)


def open_grpo_data(config: TrainConfig) -> TrainingData:
    """Open the samples of the GRPO phase: all, or those whose chains of thought the SFT phase left out."""
    data = open_training_data(config.data)
    if config.data.grpo_samples == "all":
        return data
    cots = config.declared_stage.cots
    if not getattr(config.data, cots):
        raise ConfigError(
            f"data.grpo_samples = rest: data.{cots} is empty, so that nothing says which samples the SFT "
            f"phase has. Name its CoT dataset in data.{cots}, or set data.grpo_samples=all."
        )
    rest = data.without(_texts(config, data.golds))
    if not rest.golds:
        raise ConfigError(
            f"data.grpo_samples = rest: the SFT phase has every sample of {data.spec.name}. "
            "Lower data.cot_rows, or set data.grpo_samples=all."
        )
    return rest


def training_cots(config: TrainConfig, data: TrainingData | None = None) -> dict[str, str] | None:
    """Return the chains of thought of the SFT phase by sample id; None without any.

    Args:
        config: Resolved config.
        data: Samples, at least one with a chain of thought; None skips that check. A stage that can go
            without any may be left with none by the thresholds.

    Raises:
        ConfigError: No CoT dataset is named, it is of another benchmark or of annotations that have changed
            since, or `tau` filters a stage that trains on all of it.
        DataError: The CoT dataset does not exist.
    """
    stage = config.declared_stage
    name = getattr(config.data, stage.cots) if stage.cots else ""
    if not stage.cots or "sft" not in config.active_phases or (stage.cots_optional and not name):
        return None
    if not name:
        raise ConfigError(
            f"data.{stage.cots} is empty. Name a CoT dataset, e.g. "
            f"data.{stage.cots}=runs/emotion6-full-rise_cot/cots"
        )
    high = config.data.cot_subset == "high"
    if high and stage.cots_unfiltered:
        raise ConfigError(
            f"data.cot_subset = {config.data.cot_subset}: {stage.name} trains on all chains of thought. "
            "Set data.cot_subset=all, or train rise_r1."
        )
    thresholds = ("min_groundedness", "min_reward_blind", "min_lift")
    given = [threshold for threshold in thresholds if getattr(config.data, threshold) is not None]
    if given and stage.cots_unfiltered:
        raise ConfigError(
            f"data.{given[0]} = {getattr(config.data, given[0])}: {stage.name} trains on all chains of "
            "thought. Leave it out, or train rise_r1."
        )
    cots = _texts(config, data.golds if data else None)
    may_be_empty = stage.cots_optional and not cots
    if data and not may_be_empty and not any(gold.id in cots for gold in data.golds):
        raise ConfigError(
            f"{name} holds chains of thought for {find_cots(name).spec.name}, none for a sample of "
            f"{data.spec.name} at data.shots={config.data.shots}. Set "
            f"data.{stage.cots} to what `rise-bench collect` wrote for it."
        )
    if data:
        _refuse_other_labels(name, data, cots)
    return cots


def cots_sha256(config: TrainConfig) -> str:
    """Return the identity of the chains of thought that active phases depend on; empty if there are none."""
    stage = config.declared_stage
    name = getattr(config.data, stage.cots) if stage.cots else ""
    read = name and set(config.cot_phases) & set(config.active_phases)
    return find_cots(name).manifest.content_sha256 if read else ""


def _refuse_other_labels(name: str, data: TrainingData, ids: Collection[str]) -> None:
    """Raise `ConfigError` for a chain of thought that explains another annotation than the sample has now."""
    cots, golds = find_cots(name), {gold.id: gold for gold in data.golds if gold.id in ids}
    columns = ["id", "width", "height", "question", "category", *KINDS[cots.spec.kind].columns]
    explained = (row_to_gold(cots.spec, row) for row in cots.rows(split="train", columns=columns))
    other = [
        gold.id for gold in explained if gold.id in golds and gold_text(gold) != gold_text(golds[gold.id])
    ]
    if other:
        raise ConfigError(
            f"{name} explains other annotations than {data.spec.name} has now, of {len(other)} of "
            f"{len(golds)} samples, e.g. {other[0]}. Collect chains of thought for this version."
        )


def imitated(config: TrainConfig, data: TrainingData) -> Sequence[Gold]:
    """Return the samples with the annotations that SFT imitates behind chains of thought."""
    if config.data.cot_answers != "reconstruction":
        return data.golds
    stated = reconstructions(config, data)
    return [replace(gold, annotation=stated.get(gold.id, gold.annotation)) for gold in data.golds]


def reconstructions(config: TrainConfig, data: TrainingData) -> dict[str, Annotation]:
    """Return the annotations that were reconstructed from chains of thought, by sample id.

    Those that cannot be read, which no chain of thought with a reward has, are left out.

    Raises:
        ConfigError: None can be read.
    """
    golds = {gold.id: gold for gold in data.golds}
    name = getattr(config.data, config.declared_stage.cots)
    cots = find_cots(name)
    stated: dict[str, Annotation] = {}
    for row in cots.rows(split="train", columns=["id", "reconstruction", "provenance"]):
        if (gold := golds.get(row["id"])) is not None:
            form = reconstruction_format(row["provenance"])
            annotation, _ = read_stated(gold, row["reconstruction"], form)
            if annotation is not None:
                stated[gold.id] = annotation
    if not stated:
        raise ConfigError(
            f"data.cot_answers = reconstruction: no reconstruction of {name} can be read, as of chains of "
            "thought that were not verified. Set data.cot_answers=annotation, or run `rise-bench verify`."
        )
    return stated


def _texts(config: TrainConfig, golds: Sequence[Gold] | None) -> dict[str, str]:
    """The chains of thought that the settings choose, by sample id; of `golds` alone if they are known."""
    data = config.data
    high = data.cot_subset == "high"
    stage = config.declared_stage
    texts = find_cots(getattr(data, stage.cots)).texts(
        min_reward=data.tau if high else None,
        min_groundedness=data.min_groundedness,
        min_reward_blind=data.min_reward_blind,
        min_lift=data.min_lift,
        may_be_empty=stage.cots_optional,
    )
    if not data.cot_rows:
        return texts
    ids = texts.keys() & {gold.id for gold in golds} if golds is not None else texts
    drawn = sorted(ids, key=lambda uid: sha256(f"{config.seed}:{uid}".encode()).digest())[: data.cot_rows]
    return {uid: texts[uid] for uid in drawn}
