"""The dataset card (`README.md`, with the configurations that `load_dataset` reads) and `eval.yaml`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rise_bench.annotations.kinds import KINDS, fit_baselines
from rise_bench.annotations.metric import Metric
from rise_bench.catalog.benchmarks import is_own
from rise_bench.catalog.parts import parts_of
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.splits import CONFIGS, Shots
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_write_text
from rise_bench.rendering.markdown import Markdown, inline, link, web_address
from rise_bench.rendering.render import render
from rise_bench.scoring.bootstrap import Interval
from rise_bench.scoring.scores import aggregate, score_annotation

CARD_NAME, EVAL_NAME = "README.md", "eval.yaml"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LISTED_DROPS = 20
_CARD = re.compile(r"---\n(?P<head>.*?)^---\n(?P<body>.*)", re.DOTALL | re.MULTILINE)


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write `README.md` beside the parquet files of a manifest; the baselines are scored from them."""
    spec = manifest.benchmark
    body = render(
        "dataset_card.md.j2",
        title=card_title(spec),
        spec=spec,
        kind=KINDS[spec.kind],
        metric_text=_metric_text(spec.ranking),
        manifest=manifest,
        paper_counts=manifest.paper_counts or {},
        listed=_LISTED_DROPS,
        baselines=_baselines(BenchmarkDataset(folder, spec, manifest)),
        source_line=source_line(spec),
        own=is_own(spec),
    )
    atomic_write_text(folder / CARD_NAME, joined_card(_metadata(spec, manifest), body, manifest))


def joined_card(metadata: Mapping[str, Any], body: str, manifest: Manifest) -> str:
    """Return the text of a card; each configuration's description holds a hash of the files.

    `datasets` keys its cache by folder name and configurations; without the hash, two builds of one folder
    would share an entry.
    """
    description = f"files sha256 {manifest.files_sha256}"
    configs = [{**config, "description": description} for config in metadata.get("configs", ())]
    head = yaml.safe_dump({**metadata, "configs": configs}, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n{body}"


def split_card(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the card of a folder: its front matter, and its body.

    Raises:
        DataError: If it cannot be read or has no configurations.
    """
    path = folder / CARD_NAME
    try:
        match = _CARD.match(path.read_text(encoding="utf-8"))
        metadata: dict[str, Any] = yaml.safe_load(match["head"]) if match else {}
        if not match or not all(isinstance(config, dict) for config in metadata["configs"]):
            raise ValueError("no front matter with configurations")
    except (OSError, ValueError, TypeError, KeyError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} is not a dataset card ({error}); build the dataset again") from error
    return metadata, match["body"]


def size_category(rows: int) -> str:
    """Return the Hub's name for the size of a dataset."""
    return next((name for limit, name in _SIZES if rows < limit), "n>1M")


def write_eval_yaml(folder: Path, manifest: Manifest) -> None:
    """Write `eval.yaml`, which registers a dataset as a benchmark of the Hub."""
    spec = manifest.benchmark
    tasks = [
        {"id": f"rise_{name}", "config": "full", "split": split}
        for name, split in parts_of(spec.name).items()
        if split in manifest.counts
    ]
    content = {
        "name": card_title(spec),
        "description": f"{_metric_text(spec.ranking)}; task `rise_{spec.name}`.",
        "evaluation_framework": "lmms-eval",
        "tasks": tasks,
    }
    atomic_write_text(folder / EVAL_NAME, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _metric_text(metric: Metric) -> str:
    return metric.description if metric.higher_is_better else f"{metric.description}, {metric.direction}"


def card_title(spec: BenchmarkSpec) -> str:
    """Return the title of a dataset; the benchmarks of the catalogue are named after RISE."""
    name = spec.name.replace("_", " ")
    return spec.title or (name if is_own(spec) else f"RISE {name}")


def _metadata(spec: BenchmarkSpec, manifest: Manifest) -> dict[str, Any]:
    rows = sum(manifest.counts.values())
    licence: dict[str, str] = {"license": spec.license}
    if spec.license == "other":
        licence["license_name"] = f"{spec.name}-terms"
        if address := web_address(spec.source_url):
            licence["license_link"] = address
    return {
        "pretty_name": card_title(spec),
        **licence,
        "task_categories": list(dict.fromkeys([KINDS[spec.kind].task_category, "image-text-to-text"])),
        "size_categories": [size_category(rows)],
        "tags": ["rise-bench", "vision-language", "benchmark"],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == "full" else {}),
                "data_files": files,
            }
            for config in CONFIGS
            if (files := _data_files(manifest, config))
        ],
    }


def _data_files(manifest: Manifest, config: Shots) -> list[dict[str, Any]]:
    """Return the patterns of a configuration; shards that hold no row are left out."""
    wanted = {split: CONFIGS[config] if split == "train" else (split,) for split in manifest.counts}
    parts: list[dict[str, Any]] = []
    for split, shards in wanted.items():
        stems = [
            path.rpartition("-")[0] + "-*.parquet"
            for shard in shards
            for path, entry in sorted(manifest.files.items())
            if (entry.split, entry.shard) == (split, shard)
        ]
        if stems:
            parts.append({"split": split, "path": list(dict.fromkeys(stems))})
    return parts


def _baselines(dataset: BenchmarkDataset) -> dict[str, Mapping[str, Interval]]:
    """Score the baselines: a model that does not beat them has learned nothing."""
    if "test" not in dataset.manifest.counts or dataset.manifest.is_withheld:
        return {}
    golds = dataset.golds("test")
    predictors = fit_baselines(dataset.train_golds(), golds)
    scores = {name: [score_annotation(g, predict(g)) for g in golds] for name, predict in predictors.items()}
    return {name: aggregate(dataset.spec, golds, s, resamples=0).metrics for name, s in scores.items()}


def source_line(spec: BenchmarkSpec) -> Markdown:
    """Return citation and address of the source; empty if the spec has neither."""
    cited = f"{inline(spec.citation)}." if spec.citation else ""
    return Markdown(" ".join(part for part in (cited, link(spec.source_url)) if part))
