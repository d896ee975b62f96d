"""Chains of thought that were written elsewhere, and how they are verified."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.cot.dataset import open_cots
from rise_bench.cot.views import Views
from rise_bench.data.dataset import BenchmarkDataset, parquet_rows
from rise_bench.data.manifest import TEXT_TERMS
from rise_bench.data.splits import Shots
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_bytes
from rise_bench.scoring.response_text import response_text


@dataclass(frozen=True, slots=True)
class GivenCots:
    """Chains of thought to verify.

    Attributes:
        texts: Chain of thought by sample id.
        source: Name of the file or folder that holds them.
        views: Reconstructions from each.
        terms: Official source whose terms of use they carry; empty if there is none.
    """

    texts: Mapping[str, str]
    source: str
    views: Views = field(default_factory=lambda: Views(blind=True, lift=True))
    terms: str = ""

    @property
    def options(self) -> dict[str, str]:
        """Options for the manifest."""
        content = json.dumps(sorted(self.texts.items())).encode()
        terms = {TEXT_TERMS: self.terms} if self.terms else {}
        known = {"verified": self.source, "verified_sha256": sha256_bytes(content)}
        return known | terms | self.views.options

    def splits(self, benchmark: BenchmarkDataset, config: Shots) -> tuple[str, ...]:
        """Return the splits that hold the samples.

        Raises:
            DataError: A chain of thought is of no sample of the benchmark.
        """
        unknown, held = dict.fromkeys(self.texts), []
        for split in benchmark.manifest.counts:
            ids = {gold.id for gold in benchmark.golds(split, config)} & self.texts.keys()
            held += [split] if ids else []
            for uid in ids:
                unknown.pop(uid, None)
        if unknown:
            example = next(
                (gold.id for gold in benchmark.golds_of(tuple(benchmark.manifest.counts), config)), ""
            )
            raise DataError(
                f"{self.source}: {len(unknown)} of {len(self.texts)} ids are not samples of "
                f"{benchmark.spec.name} ({config}), e.g. {next(iter(unknown))!r}; its ids look like "
                f"{example!r}. Rename them, or leave them out"
            )
        return tuple(held)


def terms_of(path: Path) -> str:
    """Return the official source whose terms the texts of a CoT folder carry; empty if there is none."""
    if not path.is_dir():
        return ""
    manifest = open_cots(path).manifest
    official = manifest.unverified and manifest.benchmark.source_url
    return manifest.options.get(TEXT_TERMS, manifest.benchmark.name if official else "")


def read_cots(path: Path) -> dict[str, str]:
    """Read chains of thought by sample id.

    Args:
        path: File of JSON lines or parquet with the columns `id` and `cot`, or the folder of a CoT dataset;
            other columns are ignored.

    Raises:
        DataError: The file is absent or has another form, a row lacks a text, or an id appears twice.
    """
    texts: dict[str, str] = {}
    for where, row in _rows(path):
        uid, cot = (row.get(name) for name in ("id", "cot")) if isinstance(row, dict) else (None, None)
        if not isinstance(uid, str) or not isinstance(cot, str):
            raise DataError(
                f'{where}: expected a row {{"id": text, "cot": text}}; give each row the id of its sample '
                "and its chain of thought"
            )
        if uid in texts:
            raise DataError(f"{where}: a second chain of thought for {uid!r}; keep one per file")
        texts[uid] = response_text(cot)
    if not texts:
        raise DataError(f"{path} holds no chain of thought; give a file with the columns id and cot")
    return texts


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each row, and the place that errors name."""
    if path.is_dir():
        rows = open_cots(path).rows(columns=["id", "cot"])
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, start=1))
    elif path.suffix == ".parquet":
        rows = parquet_rows(path)
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, start=1))
    else:
        yield from _lines(path)


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}, line {number}", json.loads(line)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not a file of JSON lines ({error}); give jsonl or parquet with the columns id and "
            "cot, or the folder of a CoT dataset"
        ) from error
