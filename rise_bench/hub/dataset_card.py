"""The card of a published dataset: the card of the built folder, and what a stranger on the Hub needs too.

Added or replaced: tags, loading in three lines, how the chains of thought were made, the distribution of
rewards, sample rows, the images' terms and how to rehydrate, known limits, how to cite.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.card import joined_card, size_category, source_line, split_card
from rise_bench.data.dataset import BenchmarkDataset, parquet_rows
from rise_bench.data.manifest import Manifest, checked_file
from rise_bench.errors import DataError
from rise_bench.rendering.histogram import reward_histogram
from rise_bench.rendering.markdown import inline, verbatim, web_address

HISTOGRAM_PATH = "assets/rewards.png"

#: How to cite the method.
CITATION = """```bibtex
@article{rise2025,
  author  = {Hu, Suhang and Hu, Wei and Su, Yuhang and Zhang, Fan},
  title   = {RISE: Enhancing VLM Image Annotation with Self-Supervised Reasoning},
  journal = {arXiv preprint arXiv:2508.13229},
  year    = {2025}
}
```"""

_SAMPLES = 4
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89P": "png", b"GI": "gif", b"RI": "webp"}
_SECTION = r"^## {name}\n.*?(?=^## |\Z)"


def published_card(base: Path, root: Path, manifest: Manifest, repo_id: str) -> dict[str, bytes]:
    """Write the card of a published dataset and its pictures; the same dataset gives the same bytes.

    Args:
        base: Folder of the card to begin with.
        root: Folder as it will be published: where images are null, no picture shows one.
        manifest: Its manifest.
        repo_id: Where it goes.

    Returns:
        Path in the repository -> content; `README.md` first.
    """
    (metadata, body), spec = split_card(base), manifest.benchmark
    metadata["tags"] = list(dict.fromkeys([*metadata.get("tags", ()), *_tags(manifest)]))
    metadata.setdefault("pretty_name", f"RISE {spec.name.replace('_', ' ')}")
    metadata.setdefault("language", ["en"])
    metadata.setdefault("size_categories", [size_category(sum(manifest.counts.values()))])
    if spec.license == "other":
        metadata.setdefault("license_name", f"{spec.name}-terms")
        metadata.setdefault("license_link", web_address(spec.source_url) or "LICENSE")
    dataset = BenchmarkDataset(root, spec, manifest)
    rewards = _column(dataset, "reward") if manifest.holds_cots else []
    rows = _sample_rows(dataset, cot=manifest.holds_cots)
    pictures = _pictures(rows)
    sections = {"Loading": _loading(manifest, repo_id)}
    if manifest.holds_cots:
        pictures[HISTOGRAM_PATH] = reward_histogram(rewards, manifest.tau)
        sections |= {"How it was made": _making(dataset), "Rewards": _rewards(dataset, rewards)}
        sections["Source and licence"] = _source(spec)
    sections |= {"Sample rows": _samples(rows, pictures), "Images": _images(manifest, repo_id)}
    sections |= {"Known limits": _limits(manifest), "Citation": _citation(spec)}
    for name, text in sections.items():
        body = with_section(body, name, text)
    return {"README.md": joined_card(metadata, body, manifest).encode(), **pictures}


def with_section(body: str, name: str, text: str) -> str:
    """Replace a section, or add it at the end."""
    section = f"## {name}\n\n{text.strip()}\n\n"
    pattern = re.compile(_SECTION.format(name=re.escape(name)), re.MULTILINE | re.DOTALL)
    if pattern.search(body):
        return pattern.sub(lambda _: section, body, count=1)
    return f"{body.rstrip()}\n\n{section}".rstrip() + "\n"


def _tags(manifest: Manifest) -> list[str]:
    spec = manifest.benchmark
    kind = "chain-of-thought" if manifest.holds_cots else "benchmark"
    return ["rise-bench", kind, "vision-language", spec.kind, spec.name.replace("_", "-"), "arxiv:2508.13229"]


def _loading(manifest: Manifest, repo_id: str) -> str:
    config, show = ("high", 'rows[0]["cot"]') if manifest.holds_cots else ("16-shot", 'rows[0]["solution"]')
    split = "train" if "train" in manifest.counts else "test"
    configs = (
        "`high` holds the rows with reward at least tau, `default` all rows."
        if manifest.holds_cots
        else "`4-shot` is part of `16-shot`, which is part of `default`; all have the same test split."
    )
    return f"""```python
from datasets import load_dataset

rows = load_dataset("{repo_id}", "{config}", split="{split}")
print({show})
```

{configs} No row is stored twice. `rise_bench.load("{repo_id}", "{config}")` does the same, checks every file
against `manifest.json`, and says which commit to pin with `revision=`."""


def _making(dataset: BenchmarkDataset) -> str:
    values: defaultdict[str, set[str]] = defaultdict(set)
    for row in dataset_rows(dataset, ["provenance"]):
        for name, value in _provenance(dataset.root, row["provenance"]).items():
            values[name].add(_flat(value))
    lines = ["| | |", "|---|---|"]
    for name, found in sorted(values.items()):
        shown = inline(next(iter(found))) if len(found) == 1 else f"{len(found)} values, see the rows"
        lines.append(f"| {inline(name)} | {shown} |")
    options = sorted(dataset.manifest.options.items())
    lines += [f"| {inline(name)} | {inline(value)} |" for name, value in options]
    return (
        "For each image a model that sees the annotation writes chains of thought; each is judged by the "
        "annotation that the same model reconstructs from the image and the chain of thought alone "
        "(RISE-CoT, eqs. 1 to 6). The best of each group is kept. Each row holds its `provenance`:\n\n"
        + "\n".join(lines)
    )


def _provenance(root: Path, text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{root}: the provenance of a row is no JSON object; see `rise-bench check {root}`")
    return value


def _rewards(dataset: BenchmarkDataset, rewards: Sequence[float]) -> str:
    tau, prior = dataset.manifest.tau, _column(dataset, "prior_score")
    mean = sum(rewards) / max(1, len(rewards))
    floor = sum(prior) / max(1, len(prior))
    leaks = sum(map(bool, _column(dataset, "leak_strict")))
    high = sum(reward >= tau for reward in rewards)
    return f"""![Distribution of rewards]({HISTOGRAM_PATH})

| | |
|---|---|
| rows | {len(rewards)} |
| reward at least tau = {tau:g} (`high`) | {high} ({high / max(1, len(rewards)):.1%}) |
| mean reward | {mean:.4f} |
| mean of the floor (`prior_score`: the constant mean of the training annotations) | {floor:.4f} |
| rows whose chain of thought names a class (`leak_strict`) | {leaks} |"""


def _samples(rows: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]) -> str:
    shown = []
    for number, row in enumerate(rows, 1):
        picture = next((path for path in pictures if path.startswith(f"assets/sample-{number}.")), "")
        facts = [f"**{inline(row['id'])}**"]
        if "reward" in row:
            facts.append(f"reward {row['reward']:.3f}, floor {row['prior_score']:.3f}")
        facts.append(f"source {inline(row['source_id'])}, licence {inline(row['license'])}")
        texts = [row["problem"], row["solution"]] if "cot" not in row else [row["cot"], row["solution"]]
        shown.append(
            "\n\n".join(
                [", ".join(facts)]
                + ([f"![{inline(row['id'])}]({picture})"] if picture else [])
                + [verbatim(text) for text in texts]
            )
        )
    return "\n\n".join(shown)


def _images(manifest: Manifest, repo_id: str) -> str:
    if manifest.images == "embed":
        return (
            "The `image` column holds the original bytes, as the source has them: not decoded, resized or "
            "encoded again. `source_sha256` is their hash; `license` on each row is the image's own."
        )
    return f"""The source does not allow its images to be republished, so the `image` column is null. Get the
images from the source and join them back; every hash is checked:

```bash
rise-bench rehydrate {repo_id} --source DIR
```"""


def _limits(manifest: Manifest) -> str:
    limits = []
    if manifest.partial:
        limits.append(
            "Built from an incomplete source: scores do not compare with those of the whole dataset."
        )
    if manifest.holds_cots:
        limits += [
            "The reward measures whether the annotation can be reconstructed. It cannot tell a true "
            "description from a code that both halves of the loop agree on; nobody has read the rows.",
            "`leak_numbers` finds numbers, and `leak_strict` class names; a paraphrase of the answer passes.",
            "A hedged annotation is easy to reconstruct: compare `reward` with `prior_score`.",
        ]
    limits += KINDS[manifest.benchmark.kind].limits
    if manifest.near_duplicate_pairs:
        limits.append(f"{manifest.near_duplicate_pairs} pairs of a train and a test image look alike.")
    limits.append("Texts are English; labels are those of the source, with its errors.")
    return "\n".join(f"- {line}" for line in limits)


def _source(spec: BenchmarkSpec) -> str:
    lines = [
        source_line(spec),
        inline(spec.license_note),
    ]
    return "\n\n".join(line for line in lines if line) or f"Licence: {inline(spec.license)}."


def _citation(spec: BenchmarkSpec) -> str:
    return CITATION + (f"\n\nThe source: {inline(spec.citation)}." if spec.citation else "")


def dataset_rows(dataset: BenchmarkDataset, columns: Sequence[str]) -> Any:
    """Stream columns of every row of a folder, files in path order."""
    for path in sorted(dataset.manifest.files):
        file = checked_file(dataset.root, path, dataset.manifest)
        yield from parquet_rows(file, columns=list(columns), batch_rows=1024)


def _column(dataset: BenchmarkDataset, name: str) -> list[float]:
    values = [row[name] for row in dataset_rows(dataset, [name])]
    if None in values:
        raise DataError(f"{dataset.root}: {name} of a row is null; see `rise-bench check {dataset.root}`")
    return values


def _sample_rows(dataset: BenchmarkDataset, *, cot: bool) -> list[dict[str, Any]]:
    """Rows spread from the best reward to the worst, or over the whole set; only theirs are read whole."""
    keys = list(dataset_rows(dataset, ["id", "reward"] if cot else ["id"]))
    if cot:
        keys.sort(key=lambda row: (-row["reward"], row["id"]))
    last = len(keys) - 1
    picks = sorted({round(n * last / (_SAMPLES - 1)) for n in range(_SAMPLES)}) if keys else []
    wanted: dict[str, dict[str, Any]] = {keys[n]["id"]: {} for n in picks}
    columns = ["id", "problem", "solution", "source_id", "license"]
    columns += ["cot", "reward", "prior_score"] if cot else []
    if dataset.manifest.images == "embed":
        columns.append("image")
    for path in sorted(dataset.manifest.files):
        _read_rows(dataset.root / path, columns, wanted)
    return list(wanted.values())


def _read_rows(path: Path, columns: Sequence[str], wanted: Mapping[str, dict[str, Any]]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            ids = file.read_row_group(number, columns=["id"])["id"].to_pylist()
            places = [place for place, uid in enumerate(ids) if uid in wanted]
            if places:
                group = file.read_row_group(number, columns=list(columns)).take(places)
                for row in group.to_pylist():
                    wanted[row["id"]].update(row)


def _pictures(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for number, row in enumerate(rows, 1):
        data: bytes = (row.get("image") or {}).get("bytes") or b""
        if suffix := _SUFFIXES.get(data[:2]):
            found[f"assets/sample-{number}.{suffix}"] = data
    return found


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
