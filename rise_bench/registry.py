"""The catalogue: what each benchmark asks, how it is scored, and what may be done with its images.

A spec travels in the manifest of every built dataset, so that a dataset of the user's own is scored by the
same code as ours. The folders beside this package (`builders`, `tasks`, `trainers`, `leaderboards`) are found
by name through `load_component` and never imported statically.
"""

import dataclasses
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from rise_bench.errors import ConfigError, DataError
from rise_bench.plain_text import name_problem, text_problem
from rise_bench.values import Kind

Metric = Literal["jsd", "accuracy", "ap50"]
ImagePolicy = Literal["embed", "reference"]
ShotUnit = Literal["class", "dataset"]

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


@dataclass(frozen=True, slots=True)
class BenchmarkSpec:
    """What a benchmark is.

    Attributes:
        name: Short name, as in `rise-bench build emotion6`.
        kind: Kind of annotation.
        metric: Metric that ranks models: JSD (nats, lower is better), accuracy or AP at IoU 0.5.
        question: Task sentence of the prompts; `{category}` and `{question}` are filled in from the row.
        classes: Class names of a distribution, in order; empty for boxes.
        images: `embed` if images may be republished, else `reference`: ids and hashes only.
        license: Licence identifier for the dataset card.
        license_note: What the source allows, in a sentence.
        source_url: Where the raw files come from.
        citation: BibTeX key facts of the source.
        paper_counts: (train, test) rows that the paper states; None for datasets that it does not use.
        shots_per: Whether "4-shot" means 4 a class or 4 in all (LISA).
    """

    name: str
    kind: Kind
    metric: Metric
    question: str
    classes: tuple[str, ...] = ()
    images: ImagePolicy = "reference"
    license: str = "other"
    license_note: str = ""
    source_url: str = ""
    citation: str = ""
    paper_counts: tuple[int, int] | None = None
    shots_per: ShotUnit = "class"

    def __post_init__(self) -> None:
        if self.kind == "distribution" and len(self.classes) < 2:
            raise DataError(
                f"benchmark {self.name!r}: a distribution needs two classes or more, got {self.classes}"
            )
        if (self.kind == "boxes") != (self.metric == "ap50"):
            raise DataError(
                f"benchmark {self.name!r}: metric {self.metric!r} does not fit kind {self.kind!r}"
            )

    @property
    def higher_is_better(self) -> bool:
        """Direction of the ranking metric."""
        return self.metric != "jsd"

    @property
    def hub_id(self) -> str:
        """Dataset id on the Hub; the namespace is `RISE_BENCH_ORG`, `rise-bench` by default."""
        return f"{os.environ.get('RISE_BENCH_ORG', 'rise-bench')}/rise-{self.name.replace('_', '-')}"

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON for a manifest."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BenchmarkSpec":
        """Read a spec from a manifest.

        Raises:
            DataError: If a field is missing or unknown, or the name or a text is not plain.
        """
        from pydantic import TypeAdapter, ValidationError

        unknown = sorted(set(data) - {field.name for field in dataclasses.fields(cls)})
        try:
            if unknown:
                raise ValueError(f"unknown fields {unknown}")
            spec = TypeAdapter(cls).validate_python(data)
            texts = (
                *spec.classes,
                spec.question,
                spec.license,
                spec.license_note,
                spec.source_url,
                spec.citation,
            )
            for problem in filter(None, (name_problem(spec.name), *map(text_problem, texts))):
                raise ValueError(problem)
            return spec
        except (ValidationError, ValueError) as error:
            raise DataError(
                f"the spec in a manifest does not fit this version of rise-bench: {error}; build it again"
            ) from error


BENCHMARKS: dict[str, BenchmarkSpec] = {
    spec.name: spec
    for spec in (
        BenchmarkSpec(
            name="emotion6",
            kind="distribution",
            metric="jsd",
            question="Which emotions does this image evoke in people who look at it?",
            classes=EMOTIONS,
            license_note="Academic research only; images belong to their owners and may not be republished.",
            source_url="http://chenlab.ece.cornell.edu/people/kuanchuan/publications/Emotion6.zip",
            citation="Peng et al., A Mixed Bag of Emotions, CVPR 2015",
            paper_counts=(1386, 594),
        ),
        BenchmarkSpec(
            name="lisa",
            kind="boxes",
            metric="ap50",
            question="{question} Locate that object.",
            license_note="ReasonSeg images come from OpenImages and ScanNetv2; not to be republished.",
            source_url="https://github.com/dvlab-research/LISA",
            citation="Lai et al., LISA: Reasoning Segmentation via Large Language Model, CVPR 2024",
            paper_counts=(239, 196),
            shots_per="dataset",
        ),
        BenchmarkSpec(
            name="imagenet_sub",
            kind="distribution",
            metric="accuracy",
            question="Which object does this image show?",
            classes=(
                "analog clock",
                "backpack",
                "ballpoint",
                "Band Aid",
                "barbell",
                "barber chair",
                "beer bottle",
                "beer glass",
                "binoculars",
                "bolo tie",
                "bookcase",
                "bottlecap",
                "brassiere",
                "broom",
                "bucket",
                "buckle",
                "candle",
                "can opener",
                "carton",
                "cellular telephone",
            ),
            license_note="ImageNet images are for non-commercial research and may not be republished.",
            source_url="https://www.image-net.org/challenges/LSVRC/2012/",
            citation="Deng et al., ImageNet: A Large-Scale Hierarchical Image Database, CVPR 2009",
            paper_counts=(500, 200),
        ),
        BenchmarkSpec(
            name="coco_sub",
            kind="boxes",
            metric="ap50",
            question="Locate every {category} in this image.",
            images="embed",
            license="cc-by-4.0",
            license_note="Annotations CC BY 4.0; images keep the Flickr licence named on each row.",
            source_url="https://cocodataset.org",
            citation="Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
            paper_counts=(2000, 800),
        ),
        BenchmarkSpec(
            name="moods",
            kind="distribution",
            metric="jsd",
            question="Which mood does this picture evoke?",
            classes=EMOTIONS,
            images="embed",
            license="cc0-1.0",
            license_note="Drawn by this project; free to use.",
            citation="Drawn by rise-bench, docs/world.md",
        ),
        BenchmarkSpec(
            name="scenes",
            kind="boxes",
            metric="ap50",
            question="{question}",
            images="embed",
            license="cc0-1.0",
            license_note="Drawn by this project; free to use.",
            citation="Drawn by rise-bench, docs/world.md",
        ),
        BenchmarkSpec(
            name="kinds",
            kind="distribution",
            metric="accuracy",
            question="What kind of object does this picture show?",
            classes=tuple(
                f"{texture} {shape}"
                for texture in ("plain", "striped", "dotted", "checked")
                for shape in ("disc", "star", "ring", "cross", "moon")
            ),
            images="embed",
            license="cc0-1.0",
            license_note="Drawn by this project; free to use.",
            citation="Drawn by rise-bench, docs/world.md",
        ),
    )
}


def get_benchmark(name: str) -> BenchmarkSpec:
    """Return a benchmark of the catalogue.

    Raises:
        ConfigError: If there is none of that name.
    """
    try:
        return BENCHMARKS[name]
    except KeyError:
        raise ConfigError(f"no benchmark {name!r}; choose one of {', '.join(sorted(BENCHMARKS))}") from None


def load_component(folder: Literal["builders", "tasks", "trainers", "leaderboards"], name: str) -> ModuleType:
    """Import a file of a catalogue folder by name, e.g. `load_component("builders", "emotion6")`.

    Raises:
        ConfigError: If the folder has no such file.
    """
    module = f"rise_bench.{folder}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ConfigError(f"{folder} has no {name!r}; see the files of the folder {folder}/") from None
