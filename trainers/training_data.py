"""The training split of a built benchmark: its truths in memory, its images on disk."""

from __future__ import annotations

from dataclasses import dataclass

from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image

from rise_bench.dataset import BenchmarkDataset, arrow_cache, open_benchmark
from rise_bench.errors import DataError
from rise_bench.image_files import decode_rgb
from rise_bench.prompts import prompt_hash
from rise_bench.registry import BenchmarkSpec
from rise_bench.trainers.config import DataConfig, TrainConfig
from rise_bench.values import Gold


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Samples of one configuration, in the order of the files."""

    spec: BenchmarkSpec
    golds: list[Gold]
    images: Dataset  #: memory-mapped, images still encoded; row i belongs to golds[i]

    def image(self, index: int) -> Image.Image:
        """Decode the image of `golds[index]`, in RGB and upright."""
        return decode_rgb(self.images[index]["image"]["bytes"], self.golds[index].id)


def prompt_hashes(config: TrainConfig, benchmark: BenchmarkDataset) -> dict[str, str]:
    """Hash of the prompts that the run uses, for the record of the run folder."""
    spec = benchmark.spec
    unit, max_pixels = config.model.box_unit, config.model.max_pixels
    return {spec.name: prompt_hash(spec, unit=unit, max_pixels=max_pixels)}


def open_training_data(data: DataConfig) -> TrainingData:
    """Open what a run trains on.

    Raises:
        DataError: There is no such dataset, it holds no images, or it breaks the schema.
    """
    benchmark = open_benchmark(data.benchmark)
    if benchmark.manifest.images == "reference":
        raise DataError(f"{benchmark.root} holds no images; run `rise-bench rehydrate` on it first")
    config = "default" if data.shots == "full" else data.shots
    files = [str(path) for path in benchmark.files("train", config)]
    cache = arrow_cache(benchmark.manifest)
    images = Dataset.from_parquet(files, columns=["image", "source_sha256"], cache_dir=cache)
    images = images.cast_column("image", ImageFeature(decode=False))
    return TrainingData(benchmark.spec, benchmark.golds("train", config), images)
