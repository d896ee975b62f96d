"""`manifest.json`: contents and origin of a dataset folder; written last, it marks completeness."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.schema import SCHEMA_VERSION
from rise_bench.errors import DataError
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import atomic_write_text, sha256_bytes, sha256_once
from rise_bench.files.plain_text import id_problem, text_problem
from rise_bench.files.strict_json import StrictJsonError, loads

MANIFEST_NAME = "manifest.json"

#: File beside the manifest with people's decisions on the rows.
DECISIONS_NAME = "decisions.csv"

#: File beside the manifest: id, split, old and new label, action and note of each corrected row.
CORRECTIONS_NAME = "corrections.jsonl"

_SEAL = "manifest_sha256"

#: Option of chains of thought from elsewhere that were not rewarded.
UNVERIFIED = "unverified"

#: Option of chains of thought that carry the terms of their official source, also when they are verified.
TEXT_TERMS = "texts_under_terms_of"

#: Reason for the rows that are left out when images are joined to a dataset.
MISSING_IMAGE = "the image is missing in the source folder"

#: Option of a dataset with the few-shot sets of another benchmark, whose name ranks the rows.
RANKED_AS = "ranked_as"

#: Option of a dataset whose test annotations only a leaderboard has.
TEST_TRUTH = "test_truth"

#: Fields of the spec that decide what a score is; its licence and citation may be corrected.
_SCORED = ("name", "kind", "metric", "question", "classes", "shots_per")


def _plain(text: str) -> str:
    if problem := text_problem(text):
        raise ValueError(problem)
    return text


def _plain_id(uid: str) -> str:
    if problem := id_problem(uid):
        raise ValueError(problem)
    return uid


_Text = Annotated[str, AfterValidator(_plain)]
_Id = Annotated[str, AfterValidator(_plain_id)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_ImagesSha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}( [0-9a-f]{64})*$")]
_Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
_Split = Annotated[str, Field(pattern=r"^(train|test|ood(_[a-z]+)?)$")]
_Shard = Annotated[str, Field(pattern=r"^(4-shot|16-shot|rest|test|ood(_[a-z]+)?|high|low)$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """Parquet file: split, shard ("4-shot", "16-shot", "rest"; "test", "ood…"), hash, rows and bytes."""

    split: _Split
    shard: _Shard
    sha256: _Sha256
    rows: _Count
    bytes: _Count

    @property
    def stem(self) -> str:
        """File name up to the number: `train-4-shot`, `test`."""
        return self.split if self.shard == self.split else f"{self.split}-{self.shard}"


class NearDuplicate(_Strict):
    """Similar train and test image: number of differing bits of their 64-bit hashes."""

    train_id: _Id
    test_id: _Id
    distance_bits: _Count


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
        differences: Differences of the counts from the paper's with reasons, in sentences.
        drops: Reason -> skipped source samples.
        partial: Whether the source was incomplete (`--allow-partial`).
        options: Options of the builder, e.g. `{"targets": "union"}`.
        versions: Versions of the packages that decide the bytes.
        near_duplicates: Similar train and test images, nearest first; reported, not removed.
        near_duplicate_pairs: Number of such pairs; the list may be shorter.
        rows_sha256: Hash of ids, image hashes and annotations (`rows_sha256`); None in a dataset of version
            0.1.0 and in chains of thought.
        content_sha256: The dataset's identity: `identity_sha256` of its rows, classes, question and metric;
            in a dataset of version 0.1.0 of its rows alone; in chains of thought `files_sha256`.
        files: Path in the folder -> entry; each is named after its split, shard and number.
        images_sha256: Row id -> sha256 of the image's original bytes; of several, with blanks between them.
    """

    schema_version: int
    spec: dict[str, Any]
    images: Literal["embed", "reference"]
    categories: tuple[_Text, ...]
    seed: Annotated[int, Field(strict=True)]
    counts: dict[_Split, _Count]
    paper_counts: dict[_Split, _Count] | None
    differences: tuple[_Text, ...]
    drops: dict[_Text, tuple[_Text, ...]]
    partial: Annotated[bool, Field(strict=True)]
    options: dict[_Text, _Text]
    versions: dict[_Text, _Text]
    near_duplicates: tuple[NearDuplicate, ...]
    near_duplicate_pairs: _Count
    rows_sha256: _Sha256 | None = None
    content_sha256: _Sha256
    files: dict[str, FileEntry]
    images_sha256: dict[_Id, _ImagesSha256]

    @property
    def benchmark(self) -> BenchmarkSpec:
        """The benchmark's spec."""
        return BenchmarkSpec.from_json(self.spec)

    @property
    def holds_cots(self) -> bool:
        """Whether the folder holds chains of thought and not a benchmark."""
        return {entry.shard for entry in self.files.values()} <= {"high", "low"}

    @property
    def unverified(self) -> bool:
        """Whether it holds chains of thought that no closed loop has rewarded: rewards are null."""
        return self.options.get(UNVERIFIED) == "yes"

    @property
    def is_withheld(self) -> bool:
        """Whether the test annotations are placeholders, see `rise_bench.data.hidden_test`."""
        return self.options.get(TEST_TRUTH) == "withheld"

    @property
    def is_private(self) -> bool:
        """Whether it holds test annotations that only a leaderboard may have."""
        return self.options.get(TEST_TRUTH) == "private"

    @property
    def tau(self) -> float:
        """Threshold of the reward of `high` chains of thought."""
        return float(self.options.get("tau", "0.75"))

    def of_test(self, split: str, spec: BenchmarkSpec) -> "Manifest":
        """Return the manifest of a further test as a benchmark of its own: the split is its test split."""
        test = {"split": "test", "shard": "test"}
        files = {
            name: entry if entry.split == "train" else entry.model_copy(update=test)
            for name, entry in self.files.items()
            if entry.split in ("train", split)
        }
        train = {name: rows for name, rows in self.counts.items() if name == "train"}
        written, rows = spec.to_json(), self.rows_sha256 or self.content_sha256
        return self.model_copy(
            update={
                "spec": written,
                "counts": train | {"test": self.counts[split]},
                "files": files,
                "content_sha256": identity_sha256(rows, written, self.categories),
            }
        )

    @property
    def files_sha256(self) -> str:
        """Hash of the bytes of all files, the key of a cache."""
        return sha256_bytes(json.dumps({name: e.sha256 for name, e in sorted(self.files.items())}).encode())

    @model_validator(mode="after")
    def _names_and_counts(self) -> "Manifest":
        """Check each file's name against its entry, and the counts against the files."""
        held: dict[str, int] = dict.fromkeys(self.counts, 0)
        for name, entry in self.files.items():
            if not re.fullmatch(rf"data/{entry.stem}-[0-9]{{5}}\.parquet", name):
                raise ValueError(f"a file is called {name[:80]!r}, expected data/{entry.stem}-00000.parquet")
            held[entry.split] = held.get(entry.split, 0) + entry.rows
        if held != self.counts:
            raise ValueError(f"counts are {self.counts}, its files hold {held}")
        if self.holds_cots and not math.isfinite(self.tau):
            raise ValueError(f"tau is {self.tau}, expected a number")
        return self

    def of_rows(self, rows: str, **changes: Any) -> "Manifest":
        """Return the manifest of other rows with the hash `rows`, under the same spec."""
        identity = identity_sha256(rows, self.spec, self.categories)
        return self.model_copy(update=changes | {"rows_sha256": rows, "content_sha256": identity})


def rows_sha256(rows: Iterable[tuple[str, str, str, str, str]]) -> str:
    """Return the hash of a dataset's rows, independent of file layout and package versions.

    Args:
        rows: (split, shard, id, sha256 of the image, `schema.gold_text`) of every row.
    """
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sorted(rows))
    return hashlib.sha256(lines.encode()).hexdigest()


def identity_sha256(rows: str, spec: Mapping[str, Any], categories: Iterable[str]) -> str:
    """Return the identity of a dataset: a hash of `rows_sha256`, scored fields of the spec, and classes."""
    scored = {name: spec.get(name) for name in _SCORED}
    return sha256_bytes(json.dumps([rows, scored, list(categories)], sort_keys=True).encode())


def checked_file(root: Path, name: str, manifest: Manifest) -> Path:
    """Return a file of a manifest after comparing its hash, computed once per process while unchanged.

    Raises:
        DataError: If it is missing, cannot be read, or is not the file that was built.
    """
    path, entry = root / name, manifest.files[name]
    try:
        sha256 = sha256_once(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); copy the folder again or rebuild it"
        ) from error
    if sha256 != entry.sha256:
        raise DataError(
            f"{path} was changed after it was built: its sha256 is {sha256}, the manifest says "
            f"{entry.sha256}; copy the folder again or rebuild it"
        )
    return path


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, the last file of a folder."""
    data = manifest.model_dump(mode="json")
    data |= {name: redacted(data[name]) for name in ("differences", "options", "versions")}
    data[_SEAL] = _seal(data)
    atomic_write_text(folder / MANIFEST_NAME, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `manifest.json`.

    Raises:
        DataError: If it is missing, not JSON, of another schema version, or has unknown or missing fields.
    """
    path = folder / MANIFEST_NAME
    try:
        data = loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} has no {MANIFEST_NAME}: it is not a complete dataset; make it with `rise-bench "
            "build`, or chains of thought with `rise-bench collect`"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); fix its permissions") from error
    except StrictJsonError as error:
        raise DataError(f"{path} is not JSON ({error}); build the dataset again") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema_version {version!r}, this rise-bench reads {SCHEMA_VERSION}; "
            "build the dataset again, or install the rise-bench that wrote it"
        )
    if data.pop(_SEAL, seal := _seal(data)) != seal:
        raise DataError(
            f"{path} was changed after it was written (its {_SEAL} is another); copy the folder again or "
            "build the dataset again"
        )
    return _validated(path, data)


def _validated(path: Path, data: dict[str, Any]) -> Manifest:
    try:
        manifest = Manifest.model_validate(data)
        manifest.benchmark  # noqa: B018 - a spec that cannot be read is an error here, not later
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:200]
        raise DataError(f"{path}: {where}: {first['msg']}; build the dataset again") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    rows = manifest.rows_sha256
    if rows and manifest.content_sha256 != identity_sha256(rows, manifest.spec, manifest.categories):
        raise DataError(
            f"{path}: content_sha256 is not that of its rows, classes, question and metric; "
            "build the dataset again"
        )
    return manifest


def _seal(data: Mapping[str, Any]) -> str:
    """Return the hash of all other fields of a manifest."""
    kept = {name: value for name, value in data.items() if name != _SEAL}
    return sha256_bytes(json.dumps(kept, sort_keys=True).encode())
