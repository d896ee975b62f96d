"""`manifest.json`: what a dataset folder holds and how it was made; written last, it marks completeness."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rise_bench.errors import DataError
from rise_bench.registry import BenchmarkSpec
from rise_bench.schema import SCHEMA_VERSION
from rise_bench.storage import atomic_write_text

MANIFEST_NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """One parquet file: its split, its shard ("4-shot", "16-shot", "rest"; "test"), hash, rows and bytes."""

    split: str
    shard: str
    sha256: str
    rows: int
    bytes: int


class NearDuplicate(_Strict):
    """A train and a test image that look alike: bits in which their 64-bit perceptual hashes differ."""

    train_id: str
    test_id: str
    distance_bits: int


class Manifest(_Strict):
    """Contents of a dataset folder.

    Attributes:
        schema_version: Version of the columns and of this file.
        spec: The benchmark, as `BenchmarkSpec.to_json` writes it.
        images: `embed` if the image column holds the original bytes, `reference` if it is null.
        categories: Classes of the boxes; empty where there is only one.
        seed: Seed of the splits.
        counts: Split -> rows.
        paper_counts: Split -> rows that the paper states; None for datasets that it does not use.
        differences: Where and why the counts differ from the paper's, in sentences.
        drops: Reason -> source samples left out for it.
        partial: Whether the source was incomplete (`--allow-partial`).
        options: What the builder was told, e.g. `{"targets": "union"}`.
        versions: Versions of the packages that decide the bytes.
        near_duplicates: Train and test images that look alike, nearest first; reported, not removed.
        near_duplicate_pairs: How many such pairs there are; the list may be cut.
        content_sha256: Hash of ids, image hashes and golds (`content_sha256`); the dataset's identity.
        files: Path in the folder -> entry.
        images_sha256: Row id -> sha256 of the image's original bytes.
    """

    schema_version: int
    spec: dict[str, Any]
    images: Literal["embed", "reference"]
    categories: tuple[str, ...]
    seed: int
    counts: dict[str, int]
    paper_counts: dict[str, int] | None
    differences: tuple[str, ...]
    drops: dict[str, tuple[str, ...]]
    partial: bool
    options: dict[str, str]
    versions: dict[str, str]
    near_duplicates: tuple[NearDuplicate, ...]
    near_duplicate_pairs: int
    content_sha256: str
    files: dict[str, FileEntry]
    images_sha256: dict[str, str]

    @property
    def benchmark(self) -> BenchmarkSpec:
        """The benchmark's spec."""
        return BenchmarkSpec.from_json(self.spec)


def content_sha256(rows: Iterable[tuple[str, str, str, str, str]]) -> str:
    """Return the identity of a dataset, whatever file layout or package versions wrote it.

    Args:
        rows: (split, shard, id, sha256 of the image, truth as `schema.gold_text` writes it) of every row.
    """
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sorted(rows))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`; call it when everything else is in place."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
    atomic_write_text(folder / MANIFEST_NAME, text + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `manifest.json`.

    Raises:
        DataError: If it is missing, not JSON, of another schema version, or has unknown or missing fields.
    """
    path = folder / MANIFEST_NAME
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{folder} has no {MANIFEST_NAME}: it is no complete dataset; build it with `rise-bench build`"
        ) from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); build the dataset again") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema_version {version!r}, this rise-bench reads {SCHEMA_VERSION}; "
            "build the dataset again, or install the rise-bench that wrote it"
        )
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where}: {first['msg']}; build the dataset again") from error
    return manifest
