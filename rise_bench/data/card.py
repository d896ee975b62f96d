"""The dataset card (`README.md`, with the configurations that `load_dataset` reads) and `eval.yaml`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rise_bench.annotations.kinds import KINDS, floor_predictors
from rise_bench.annotations.metric import Metric
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.splits import CONFIGS
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_write_text
from rise_bench.rendering.markdown import code, inline, link, web_address
from rise_bench.scoring.scores import aggregate, score_annotation

CARD_NAME, EVAL_NAME = "README.md", "eval.yaml"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LISTED_DROPS = 20
_CARD = re.compile(r"---\n(?P<head>.*?)^---\n(?P<body>.*)", re.DOTALL | re.MULTILINE)


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write `README.md` beside the parquet files that the manifest names; the floors are scored from them."""
    spec = manifest.benchmark
    dataset = BenchmarkDataset(folder, spec, manifest)
    parts = [
        f"# {_title(spec)}\n",
        _introduction(spec, manifest),
        _loading(dataset),
        _counts(manifest),
        _left_out(manifest),
        _floors(dataset),
        _source(spec, manifest),
    ]
    body = "\n".join(part for part in parts if part)
    atomic_write_text(folder / CARD_NAME, joined_card(_metadata(spec, manifest), f"\n{body}", manifest))


def joined_card(metadata: Mapping[str, Any], body: str, manifest: Manifest) -> str:
    """Write front matter and body of a card; each configuration says by a hash what its files hold.

    `datasets` keys its cache by a folder's name and its card's configurations: of two folders of one name,
    and of two builds of one folder, it would give the first for both.
    """
    description = f"files sha256 {manifest.files_sha256}"
    configs = [{**config, "description": description} for config in metadata.get("configs", ())]
    head = yaml.safe_dump({**metadata, "configs": configs}, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n{body}"


def split_card(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the card of a folder: its front matter, and its body.

    Raises:
        DataError: If it cannot be read, or has no front matter with configurations.
    """
    path = folder / CARD_NAME
    try:
        match = _CARD.match(path.read_text(encoding="utf-8"))
        metadata: dict[str, Any] = yaml.safe_load(match["head"]) if match else {}
        if not match or not all(isinstance(config, dict) for config in metadata["configs"]):
            raise ValueError("no front matter with configurations")
    except (OSError, ValueError, TypeError, KeyError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} is no card of a dataset ({error}); build the dataset again") from error
    return metadata, match["body"]


def size_category(rows: int) -> str:
    """Return the Hub's name for the size of a dataset."""
    return next((name for limit, name in _SIZES if rows < limit), "n>1M")


def write_eval_yaml(folder: Path, manifest: Manifest) -> None:
    """Write `eval.yaml`, by which the Hub knows a dataset as a benchmark."""
    spec = manifest.benchmark
    task = {"id": f"rise_{spec.name}", "config": "default", "split": "test"}
    content = {
        "name": _title(spec),
        "description": f"{_metric_text(spec.ranking)}; task `rise_{spec.name}`.",
        "evaluation_framework": "lmms-eval",
        "tasks": [task] if "test" in manifest.counts else [],
    }
    atomic_write_text(folder / EVAL_NAME, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _metric_text(metric: Metric) -> str:
    return metric.description if metric.higher_is_better else f"{metric.description}, {metric.direction}"


def _title(spec: BenchmarkSpec) -> str:
    return f"RISE {spec.name.replace('_', ' ')}"


def _metadata(spec: BenchmarkSpec, manifest: Manifest) -> dict[str, Any]:
    rows = sum(manifest.counts.values())
    licence: dict[str, str] = {"license": spec.license}
    if spec.license == "other":
        address = web_address(spec.source_url) or "LICENSE"
        licence |= {"license_name": f"{spec.name}-terms", "license_link": address}
    return {
        "pretty_name": _title(spec),
        **licence,
        "task_categories": [
            *dict.fromkeys((KINDS[spec.kind].task_category, "image-text-to-text")),
        ],
        "size_categories": [size_category(rows)],
        "tags": ["rise-bench", "vision-language", "benchmark"],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == "default" else {}),
                "data_files": files,
            }
            for config in CONFIGS
            if (files := _data_files(manifest, config))
        ],
    }


def _data_files(manifest: Manifest, config: str) -> list[dict[str, Any]]:
    """Return the patterns of a configuration; shards that hold no row are left out."""
    wanted = {"train": CONFIGS[config], "test": ("test",)}
    found: list[dict[str, Any]] = []
    for split, shards in wanted.items():
        stems = [
            path.rpartition("-")[0] + "-*.parquet"
            for shard in shards
            for path, entry in sorted(manifest.files.items())
            if (entry.split, entry.shard) == (split, shard)
        ]
        if stems:
            found.append({"split": split, "path": list(dict.fromkeys(stems))})
    return found


def _introduction(spec: BenchmarkSpec, manifest: Manifest) -> str:
    what = KINDS[spec.kind].describe(spec.classes)
    lines = [
        f"Images with annotations of kind *{spec.kind}* ({what}), for training and comparing small "
        f'vision-language models that annotate with reasons. Question: "{inline(spec.question)}" '
        f"Metric: {_metric_text(spec.ranking)}."
    ]
    if manifest.images == "reference":
        lines.append(
            "The images may not be republished: rows carry ids and hashes, and the image column is null."
        )
    elif spec.images == "reference":
        lines.append(
            "**Do not publish this folder:** it was built locally, and its images may not be republished."
        )
    if manifest.partial:
        lines.append(
            "**Built from an incomplete source** (`--allow-partial`); scores do not compare with others."
        )
    return "\n\n".join(lines) + "\n"


def _loading(dataset: BenchmarkDataset) -> str:
    config = "4-shot" if "train" in dataset.manifest.counts else "default"
    split = "train" if "train" in dataset.manifest.counts else "test"
    return (
        "## Loading\n\n```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("DIR", "{config}", split="{split}")  # DIR: this folder, or its Hub id\n```\n\n'
        f"`4-shot` is part of `16-shot`, which is part of `default` "
        f"({'4 and 16 rows a class' if dataset.spec.shots_per == 'class' else '4 and 16 rows in all'}); "
        "all have the same test split. "
        "Columns: `image` (original bytes), `width` and `height` (as shown, EXIF orientation applied), "
        "`problem` and `solution` (prompt and answer, boxes in thousandths of the image), the annotation "
        f"({', '.join(map(code, KINDS[dataset.spec.kind].columns))}), `question`, "
        "`category`, `shot_rank`, `source_id`, `source_sha256`, `license`.\n"
    )


def _counts(manifest: Manifest) -> str:
    lines = ["## Counts\n", "| split | rows | in the paper |", "|---|---|---|"]
    lines += [
        f"| {split} | {rows} | {(manifest.paper_counts or {}).get(split, 'not used')} |"
        for split, rows in manifest.counts.items()
    ]
    if manifest.differences:
        lines += ["", "Where and why they differ:", ""]
        lines += [f"- {inline(line)}" for line in manifest.differences]
    elif manifest.paper_counts:
        lines += ["", "The counts are the paper's."]
    return "\n".join(lines) + "\n"


def _left_out(manifest: Manifest) -> str:
    lines: list[str] = []
    for reason, names in manifest.drops.items():
        more = f", and {len(names) - _LISTED_DROPS} more" if len(names) > _LISTED_DROPS else ""
        lines.append(f"- {len(names)}: {inline(reason)} ({_listed(names)}{more})")
    text = "\n".join(["## Left out of the source\n", *lines]) + "\n" if lines else ""
    if manifest.near_duplicate_pairs:
        text += (
            f"\n{manifest.near_duplicate_pairs} pairs of a train and a test image look alike (perceptual "
            "hash); they are kept, the nearest are named in `manifest.json`.\n"
        )
    return text


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(code, names[:_LISTED_DROPS]))


def _floors(dataset: BenchmarkDataset) -> str:
    """Score the constant predictors: a model that does not beat them has learned nothing."""
    if "test" not in dataset.manifest.counts:
        return ""
    golds, metric = dataset.golds("test"), dataset.spec.metric
    lines = ["## Floors\n", f"| constant predictor | {metric} | similarity |", "|---|---|---|"]
    for name, predict in floor_predictors(dataset.train_golds(), golds).items():
        scores = [score_annotation(gold, predict(gold)) for gold in golds]
        metrics = aggregate(dataset.spec, golds, scores, resamples=0).metrics
        lines.append(f"| {name} | {metrics[metric].value:.4f} | {metrics['similarity'].value:.4f} |")
    return "\n".join(lines) + "\n"


def _source(spec: BenchmarkSpec, manifest: Manifest) -> str:
    options = ", ".join(
        f"{inline(name)} = {inline(value)}" for name, value in sorted(manifest.options.items())
    )
    versions = ", ".join(f"{inline(name)} {inline(value)}" for name, value in manifest.versions.items())
    lines = [
        "## Source and licence\n",
        f"{source_line(spec)}\n" if source_line(spec) else "",
        f"{inline(spec.license_note)}\n" if spec.license_note else "",
        f"Built by `rise-bench build` with seed {manifest.seed}{'; ' + options if options else ''}; "
        f"content sha256 `{manifest.content_sha256}`. "
        f"Versions: {versions}.",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def source_line(spec: BenchmarkSpec) -> str:
    """Return how to cite the source, and where it is; empty if the spec says neither."""
    cited = f"{inline(spec.citation)}." if spec.citation else ""
    return " ".join(part for part in (cited, link(spec.source_url)) if part)
