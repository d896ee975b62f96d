"""The catalogue: what each benchmark asks, how it is scored, and what may be done with its images.

A spec travels in the manifest of every built dataset, so that a dataset of the user's own is scored by the
same code as ours.
"""

from rise_bench.catalog.parts import with_parts
from rise_bench.catalog.reason_rft import REASON_RFT
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import ConfigError

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


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
            name="lisa_polygons",
            kind="polygons",
            metric="giou",
            question="{question} Outline that object.",
            license_note="ReasonSeg images come from OpenImages and ScanNetv2; not to be republished.",
            source_url="https://github.com/dvlab-research/LISA",
            citation="Lai et al., LISA: Reasoning Segmentation via Large Language Model, CVPR 2024",
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
        *with_parts(
            (
                BenchmarkSpec(
                    name="drawn_counting",
                    kind="value",
                    metric="accuracy",
                    question="{question}",
                    images="embed",
                    license="cc0-1.0",
                    license_note="Drawn by this project; free to use.",
                    citation="Drawn by rise-bench, docs/world.md",
                ),
                BenchmarkSpec(
                    name="drawn_changes",
                    kind="steps",
                    metric="step_score",
                    question=(
                        "The first image shows objects before, the second after one to four changes. "
                        "{question} Which changes were made? A position is where an object moved to, as the "
                        "first image is seen."
                    ),
                    classes=(
                        "change_shape(disc|star|ring|cross|moon)",
                        "change_colour(red|blue|white|black|yellow)",
                        "change_texture(plain|striped|dotted|checked)",
                        "change_size(small|large)",
                        "change_position(left|right|up|down)",
                    ),
                    images="embed",
                    license="cc0-1.0",
                    license_note="Drawn by this project; free to use.",
                    citation="Drawn by rise-bench, docs/world.md",
                    images_per_row=2,
                ),
            )
        ),
        *REASON_RFT,
    )
}


def build_command(name: str) -> str:
    """Return the command that builds a benchmark; a drawn one has no source.

    >>> build_command("structure_ood"), build_command("drawn_counting_ood")
    ('rise-bench build reason_rft --task structure --source DIR', 'rise-bench build drawn_counting')
    """
    spec = BENCHMARKS.get(name)
    dataset = (spec and spec.part_of) or name
    builder = f"reason_rft --task {dataset}" if spec in REASON_RFT else dataset
    return f"rise-bench build {builder}" + ("" if spec and not spec.source_url else " --source DIR")


def is_own(spec: BenchmarkSpec) -> bool:
    """Whether a benchmark is a user's own rather than one of the catalogue."""
    return spec.name not in BENCHMARKS


def get_benchmark(name: str) -> BenchmarkSpec:
    """Return a benchmark of the catalogue, or raise `ConfigError`."""
    try:
        return BENCHMARKS[name]
    except KeyError:
        raise ConfigError(f"no benchmark {name!r}; choose one of {', '.join(sorted(BENCHMARKS))}") from None


def texts_may_be_shown(spec: BenchmarkSpec) -> bool:
    """Whether questions and answers may be republished, by the benchmark and by its name in the catalogue."""
    known = BENCHMARKS.get(spec.name)
    return "reference" not in (spec.texts, known.texts if known else "embed")
