"""Search for a dataset: by its folder, by its name on this machine, or on the Hub.

The order, which is logged: `$RISE_BENCH_DATA/NAME`; a folder of that path; the user's cache folder (default
output of `rise-bench build` and `rehydrate`); the Hub, at the given revision, else the revision pinned for
the repository, else the head of main. Every file is compared with the manifest.
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rise_bench.catalog.benchmarks import BENCHMARKS, build_command, get_benchmark, is_own
from rise_bench.catalog.parts import TEST_PARTS
from rise_bench.cot.dataset import COT_CONFIGS, CotDataset, open_cots
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.hub_client import is_offline
from rise_bench.data.hub_files import check_repo_id, commit_of, fetch_file, fetch_files
from rise_bench.data.manifest import MANIFEST_NAME, Manifest, read_manifest
from rise_bench.data.splits import CONFIGS, as_shots
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.files.atomic import sha256_once
from rise_bench.files.paths import cache_folder

_log = logging.getLogger(__name__)

#: Repository -> commit of its dataset, e.g. {"rise-bench/rise-emotion6": "0123…"}.
PINNED_REVISIONS: Mapping[str, str] = {}

#: Environment variable with further pins: ORG/NAME@REVISION, separated by commas.
REVISION_VARIABLE = "RISE_BENCH_REVISION"

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Found:
    """Folder of a dataset, its manifest, and its repository and commit on the Hub (empty if local).

    `part` is the split that a name stands for, if it is that of a further test of the dataset: "ood" for
    "counting_ood". Folder and manifest are those of the whole dataset.
    """

    folder: Path
    manifest: Manifest
    repo_id: str = ""
    commit: str = ""
    part: str = ""

    def benchmark(self, name: str) -> BenchmarkDataset:
        """Return the benchmark `name`, whose files need not all be here.

        Raises:
            DataError: If the dataset lacks the split.
        """
        whole = BenchmarkDataset(self.folder, self.manifest.benchmark, self.manifest)
        return whole.part(name, self.part) if self.part else whole


def find(
    name: Path | str,
    *,
    config: str = "default",
    revision: str | None = None,
    built: bool = True,
    fetch: bool = True,
) -> Found:
    """Find a benchmark or a CoT dataset.

    Args:
        name: Folder, name of a built dataset, or dataset on the Hub: "coco_sub", "coco_sub-cot" or any
            "ORG/NAME".
        config: Configuration; only its files are fetched from the Hub.
        revision: Commit, tag or branch on the Hub; local datasets are then skipped.
        built: Whether `name` may be the name of a built dataset.
        fetch: Whether to fetch the files; otherwise only the manifest is fetched.

    Raises:
        ConfigError: If the configuration does not exist.
        DataError: If there is no such dataset, its manifest is not valid, or a file differs from it.
        PrerequisiteError: If the Hub cannot be reached or refuses it.
    """
    path, part = Path(name).expanduser(), TEST_PARTS.get(str(name))
    if revision is None:
        named = built and _is_name(path)
        if named and (folder := _built(str(path), _data_folder())) is not None:
            return Found(folder, _manifest_of(folder, str(path)))
        if (path / MANIFEST_NAME).is_file():
            return Found(path, read_manifest(path))
        if named and (folder := _built(str(path), data_places())) is not None:
            return Found(folder, _manifest_of(folder, str(path)))
        if part is None and (path.exists() or not _names_repository(str(name))):
            return Found(path, read_manifest(path))  # raises the error of a folder without a manifest
    if part is not None:
        task, split = part
        return replace(find(task, config=config, revision=revision, built=built, fetch=fetch), part=split)
    return _on_hub(str(name), config, revision, fetch=fetch)


def find_benchmark(name: Path | str, *, images: bool = True) -> BenchmarkDataset:
    """Find and open a benchmark.

    Raises:
        DataError: If it does not exist, or lacks its images and `images` is True.
    """
    dataset = open_found(name)
    if dataset.manifest.is_withheld:
        _log.warning(
            "%s: its test annotations are placeholders. Scores computed here mean nothing; the board that "
            "keeps the true ones scores what is submitted.",
            dataset.root,
        )
    if images and dataset.manifest.images == "reference":
        own = is_own(dataset.spec)
        build = "" if own else f"`{build_command(dataset.spec.name)}` or "
        published = dataset.root if own else dataset.spec.hub_id
        raise DataError(
            f"{dataset.root} holds {dataset.spec.name} without its images, which may not be republished; run "
            f"{build}`rise-bench rehydrate {published} --source DIR`"
        )
    return dataset


def open_found(name: Path | str, *, revision: str | None = None) -> BenchmarkDataset:
    """Find and open a benchmark, with or without its images."""
    dataset = find(name, revision=revision)
    open_dataset(dataset.folder)  # an error where a file is missing
    return dataset.benchmark(str(name))


def find_cots(name: Path | str) -> CotDataset:
    """Find and open a CoT dataset."""
    return open_cots(find(name).folder)


def repo_of(name: str) -> str:
    """Return the Hub id of a short name, e.g. "coco_sub-cot" -> "rise-bench/rise-coco-sub-cot"."""
    if "/" in name:
        return check_repo_id(name)
    base = name.removesuffix("-cot")
    if base not in BENCHMARKS:
        raise ConfigError(
            f"no dataset {name!r}; name one of {', '.join(sorted(BENCHMARKS))}, the same with -cot, "
            "or ORG/NAME"
        )
    return get_benchmark(base).hub_id + name[len(base) :]


def pinned_revision(repo_id: str) -> str | None:
    """Return the pinned revision of a repository, from `RISE_BENCH_REVISION` or this version of rise-bench.

    Raises:
        ConfigError: If the variable holds a revision without a repository.
    """
    for part in filter(None, os.environ.get(REVISION_VARIABLE, "").split(",")):
        repository, at, revision = part.strip().rpartition("@")
        if not at:
            raise ConfigError(
                f"{REVISION_VARIABLE} is {part!r}: a revision belongs to a repository. Write "
                f"ORG/NAME@REVISION, e.g. {repo_id}@{part.strip()}"
            )
        if repository == repo_id:
            return revision
    return PINNED_REVISIONS.get(repo_id)


def paths_of(where: Path | str, manifest: Manifest, config: str) -> list[str]:
    """Return the parquet files of a configuration."""
    if not manifest.holds_cots:
        train = CONFIGS[as_shots(config)]
        return [p for p, e in sorted(manifest.files.items()) if e.split != "train" or e.shard in train]
    if config in COT_CONFIGS:
        wanted = COT_CONFIGS[config]
    else:
        known = ", ".join(COT_CONFIGS)
        raise ConfigError(f"{where} has no configuration {config!r}; choose one of {known}")
    return [path for path, entry in sorted(manifest.files.items()) if entry.shard in wanted]


def check_sha256(repo_id: str, commit: str, path: str, manifest: Manifest, sha256: str | None) -> None:
    """Raise `DataError` if the hash of a file of a commit, None if absent, differs from the manifest."""
    if sha256 is None:
        raise DataError(f"{repo_id} at {commit} lacks {path}, which its manifest names; ask its publisher")
    if sha256 != manifest.files[path].sha256:
        raise DataError(
            f"{path} of {repo_id} at {commit} has sha256 {sha256}, its manifest says "
            f"{manifest.files[path].sha256}; delete it from the Hub cache and load again, "
            "or ask its publisher"
        )


def data_places() -> list[tuple[str, Path]]:
    """Return the folders that are searched for built datasets, each with its label."""
    return [*_data_folder(), ("cache folder", cache_folder(""))]


def _data_folder() -> list[tuple[str, Path]]:
    root = os.environ.get("RISE_BENCH_DATA")
    return [("RISE_BENCH_DATA", Path(root).expanduser())] if root else []


def _on_hub(name: str, config: str, revision: str | None, *, fetch: bool) -> Found:
    try:
        repo_id = repo_of(name)
    except ConfigError as error:
        built = {path.parent.name for _, place in data_places() for path in place.glob(f"*/{MANIFEST_NAME}")}
        here = f" (built here: {', '.join(sorted(built))})" if built else ""
        raise DataError(
            f"no dataset {name!r} in {_looked(name)}{here}; run `rise-bench build`, or name one of "
            f"{', '.join(sorted(BENCHMARKS))}, the same with -cot, or ORG/NAME"
        ) from error
    _log.info("%s: not in %s; asking the Hub for %s", name, _looked(name), repo_id)
    pinned = pinned_revision(repo_id)
    try:
        fetched = _fetch(repo_id, config, revision or pinned, files=fetch)
    except PrerequisiteError as error:
        if revision is not None:
            raise
        if "/" in name:
            raise PrerequisiteError(f"no folder {name}, and {error}") from error
        raise DataError(
            f"no dataset {name!r} in {_looked(name)}; {error}; or run `{_build(name)}`"
        ) from error
    if revision is None and pinned is None:
        pin = f"{REVISION_VARIABLE}={repo_id}@{fetched.commit}"
        _log.warning("%s: the head of main, commit %s; pin it by %s", repo_id, fetched.commit, pin)
    _log.info("%s: commit %s of %s", name, fetched.commit, repo_id)
    return fetched


def _fetch(repo_id: str, config: str, revision: str | None, *, files: bool) -> Found:
    # For a branch, the client silently falls back to its cache when the Hub refuses or is down.
    commit = (revision or "main") if is_offline() else commit_of(repo_id, revision)
    folder = fetch_file(repo_id, MANIFEST_NAME, commit).parent
    commit = folder.name
    if not _COMMIT.fullmatch(commit):
        raise DataError(f"{folder} is not a commit of the local Hub cache; delete it and load again")
    manifest = read_manifest(folder)
    paths = paths_of(repo_id, manifest, config)
    if not files:
        return Found(folder, manifest, repo_id, commit)
    fetch_files(repo_id, ["README.md", "eval.yaml", MANIFEST_NAME, *paths], commit)
    for path in paths:
        sha256 = sha256_once(folder / path) if (folder / path).is_file() else None
        check_sha256(repo_id, commit, path, manifest, sha256)
    return Found(folder, manifest, repo_id, commit)


def _manifest_of(folder: Path, name: str) -> Manifest:
    manifest = read_manifest(folder)
    if not manifest.holds_cots and manifest.benchmark.name != name:
        raise DataError(f"{folder} holds {manifest.benchmark.name!r}, expected {name!r}; move it")
    return manifest


def _built(name: str, places: Iterable[tuple[str, Path]]) -> Path | None:
    for label, place in places:
        if (place / name / MANIFEST_NAME).is_file():
            _log.info("%s: found in %s (%s)", name, place / name, label)
            return place / name
    return None


def _is_name(path: Path) -> bool:
    return len(path.parts) == 1 and path.name == str(path) != ".."


def _names_repository(name: str) -> bool:
    """Whether a name may be a Hub repository: NAME or ORG/NAME; anything longer is a path."""
    return _is_name(Path(name)) or (name.count("/") == 1 and not name.startswith((".", "/", "~")))


def _looked(name: str) -> str:
    return ", ".join(f"{place / name} ({label})" for label, place in data_places())


def _build(name: str) -> str:
    """Return the command for making a dataset; drawn benchmarks have no source."""
    return "rise-bench collect" if name.endswith("-cot") else build_command(name)
