"""Card of a published dataset: the card of the built folder with sections for readers on the Hub.

Added or replaced: tags, loading, provenance of the chains of thought, the distribution of rewards, sample
rows, terms of the images and rehydration, known limits, citation.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.benchmarks import is_own
from rise_bench.data.card import card_title, joined_card, size_category, source_line, split_card
from rise_bench.data.dataset import BenchmarkDataset, parquet_rows, parquet_rows_with
from rise_bench.data.hub_files import check_repo_id
from rise_bench.data.manifest import Manifest, checked_file
from rise_bench.data.pictures import pictures_of
from rise_bench.errors import DataError
from rise_bench.files.side_by_side import one_picture
from rise_bench.rendering.histogram import reward_histogram
from rise_bench.rendering.markdown import Markdown, web_address
from rise_bench.rendering.render import render

HISTOGRAM_PATH = "assets/rewards.png"

_SAMPLES = 4
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89P": "png", b"GI": "gif", b"RI": "webp"}
_SECTION = re.compile(r"^## .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def published_card(base: Path, root: Path, manifest: Manifest, repo_id: str) -> dict[str, bytes]:
    """Return the card of a published dataset and its pictures by path in the repository, `README.md` first.

    Args:
        base: Folder of the built card.
        root: Folder to publish; images that are null there are in no picture.
        manifest: Manifest of `root`.
        repo_id: Repository of the dataset.
    """
    (metadata, body), spec = split_card(base), manifest.benchmark
    metadata["tags"] = list(dict.fromkeys([*metadata.get("tags", ()), *_tags(manifest)]))
    metadata.setdefault("pretty_name", card_title(spec))
    if not is_own(spec):
        metadata.setdefault("language", ["en"])
    metadata.setdefault("size_categories", [size_category(sum(manifest.counts.values()))])
    if spec.license == "other":
        metadata.setdefault("license_name", f"{spec.name}-terms")
        if address := web_address(spec.source_url):
            metadata.setdefault("license_link", address)
    dataset = BenchmarkDataset(root, spec, manifest)
    cots = _cots(dataset) if manifest.holds_cots else None
    rows = _sample_rows(dataset, cot=manifest.holds_cots)
    pictures = _pictures(rows)
    config, split = _shown_part(manifest)
    sections = render(
        "published_sections.md.j2",
        manifest=manifest,
        spec=spec,
        repo_id=Markdown(check_repo_id(repo_id)),
        config=config,
        split=split,
        verified="verified" in manifest.options,
        cots=cots,
        histogram=Markdown(HISTOGRAM_PATH),
        source_line=source_line(spec),
        own=is_own(spec),
        rows=[(row, _picture_of(number, pictures)) for number, row in enumerate(rows, 1)],
        limits=[Markdown(limit) for limit in KINDS[spec.kind].limits],
    )
    for section in _SECTION.findall(sections):
        body = with_section(body, section)
    if cots:
        pictures[HISTOGRAM_PATH] = reward_histogram(cots["rewards"], manifest.tau)
    return {"README.md": joined_card(metadata, body, manifest).encode(), **pictures}


def _shown_part(manifest: Manifest) -> tuple[str, str]:
    """Return the configuration and the split that the card loads: one that has rows."""
    first = "train" if "train" in manifest.counts else "test"
    if not manifest.holds_cots:
        return "16-shot", first
    high = sorted({entry.split for entry in manifest.files.values() if entry.shard == "high"}, reverse=True)
    return ("high", high[0]) if high else ("default", first)


def with_section(body: str, section: str) -> str:
    """Replace the section of the same heading, or append it."""
    heading, section = section.partition("\n")[0], f"{section.strip()}\n\n"
    old = next((part for part in _SECTION.findall(body) if part.partition("\n")[0] == heading), "")
    return body.replace(old, section, 1) if old else f"{body.rstrip()}\n\n{section}".rstrip() + "\n"


def _tags(manifest: Manifest) -> list[str]:
    spec = manifest.benchmark
    kind = "chain-of-thought" if manifest.holds_cots else "benchmark"
    tags = ["rise-bench", kind, "vision-language", spec.kind, spec.name.replace("_", "-")]
    return tags if is_own(spec) and not manifest.holds_cots else [*tags, "arxiv:2508.13229"]


def _cots(dataset: BenchmarkDataset) -> dict[str, Any]:
    """Return provenance and rewards of the chains of thought."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for row in dataset_rows(dataset, ["provenance"]):
        for name, value in _provenance(dataset.root, row["provenance"]).items():
            values[name].add(_flat(value))
    rewards, priors = _column(dataset, "reward"), _column(dataset, "prior_score")
    return {
        "provenance": {name: sorted(texts) for name, texts in sorted(values.items())},
        "rewards": rewards,
        "high": sum(reward >= dataset.manifest.tau for reward in rewards),
        "mean_reward": sum(rewards) / max(1, len(rewards)),
        "mean_prior": sum(priors) / max(1, len(priors)),
        "leaks": sum(map(bool, _column(dataset, "leak_strict"))),
    }


def _provenance(root: Path, text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DataError(
            f"{root}: the provenance of a row is not a JSON object; see `rise-bench check {root}`"
        )
    return value


def _picture_of(number: int, pictures: Mapping[str, bytes]) -> Markdown:
    return Markdown(next((path for path in pictures if path.startswith(f"assets/sample-{number}.")), ""))


def dataset_rows(dataset: BenchmarkDataset, columns: Sequence[str]) -> Any:
    """Stream columns of all rows of a folder, files in path order."""
    for path in sorted(dataset.manifest.files):
        file = checked_file(dataset.root, path, dataset.manifest)
        yield from parquet_rows(file, columns=list(columns), batch_rows=1024)


def _column(dataset: BenchmarkDataset, name: str) -> list[float]:
    values = [row[name] for row in dataset_rows(dataset, [name])]
    if None in values:
        raise DataError(f"{dataset.root}: {name} of a row is null; see `rise-bench check {dataset.root}`")
    return values


def _sample_rows(dataset: BenchmarkDataset, *, cot: bool) -> list[dict[str, Any]]:
    """Return rows from the best reward to the worst, or evenly spread; other rows are not read whole."""
    keys = list(dataset_rows(dataset, ["id", "reward"] if cot else ["id"]))
    if cot:
        keys.sort(key=lambda row: (-row["reward"], row["id"]))
    last = len(keys) - 1
    picks = sorted({round(n * last / (_SAMPLES - 1)) for n in range(_SAMPLES)}) if keys else []
    wanted: dict[str, dict[str, Any]] = {keys[n]["id"]: {} for n in picks}
    columns = ["id", "problem", "solution", "source_id", "license"]
    columns += ["cot", "reward", "prior_score"] if cot else []
    if dataset.manifest.images == "embed":
        columns.append(dataset.spec.image_column)
    for path in sorted(dataset.manifest.files):
        for row in parquet_rows_with(dataset.root / path, wanted, columns=columns):
            wanted[row["id"]].update(row)
    return list(wanted.values())


def _pictures(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    for number, row in enumerate(rows, 1):
        held = pictures_of(row)
        data = one_picture(held) if held else b""
        if suffix := _SUFFIXES.get(data[:2]):
            pictures[f"assets/sample-{number}.{suffix}"] = data
    return pictures


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
