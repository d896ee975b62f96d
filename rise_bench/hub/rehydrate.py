"""Rehydration: the user's own images join a dataset that was published without them.

Images are searched by the file name in `source_id`, then by content, so renamed and moved files are found.
An image matches by the sha256 of its bytes or is missing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_bench.cot.dataset import require_columns
from rise_bench.data.build_plan import inside
from rise_bench.data.card import CARD_NAME, joined_card, split_card, write_card, write_eval_yaml
from rise_bench.data.dataset import parquet_rows
from rise_bench.data.image_column import write_with_images
from rise_bench.data.manifest import (
    MISSING_IMAGE,
    FileEntry,
    Manifest,
    read_manifest,
    rows_sha256,
    write_manifest,
)
from rise_bench.data.pictures import picture_hashes
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.data.schema import gold_text, row_to_gold
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import atomic_directory, atomic_write_text, sha256_bytes, sha256_file
from rise_bench.files.images import IMAGE_ENDINGS
from rise_bench.files.paths import cache_folder
from rise_bench.hub.dataset_card import with_section
from rise_bench.hub.find import find
from rise_bench.hub.load import load_files, say

if TYPE_CHECKING:
    from datasets import DatasetDict

#: Called with (files hashed, files to hash) while images are searched.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class WantedImage:
    """Image of a row; a row with several images has one entry for each."""

    id: str
    source_id: str
    sha256: str

    @property
    def file_name(self) -> str:
        """File name in the source."""
        return self.source_id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class MissingImage(WantedImage):
    """Image that is not in the source folder; `namesake` is a file of that name with other bytes."""

    namesake: str = ""

    def __str__(self) -> str:
        """Name the image, and why it is missing."""
        why = f"{self.namesake} has other bytes" if self.namesake else "not found"
        return f"{self.id}: {self.source_id}, sha256 {self.sha256} ({why})"


class MissingImagesError(DataError):
    """Images are missing; `missing` lists them."""

    def __init__(self, message: str, missing: Sequence[MissingImage]):
        super().__init__(message)
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class Rehydrated:
    """Folder with images, its manifest, and the rows left out (`allow_missing` only)."""

    folder: Path
    manifest: Manifest
    missing: tuple[MissingImage, ...]


def rehydrate(
    name: str | Path,
    source: Path | str,
    *,
    out: Path | str | None = None,
    revision: str | None = None,
    config: str = "default",
    allow_missing: bool = False,
    overwrite: bool = False,
) -> "DatasetDict":
    """Join images to a dataset and load the result; a second call loads the folder of the first.

    Args:
        name: "ORG/NAME" on the Hub, a short name ("emotion6-cot"), or a folder without images.
        source: Folder with the images of the source, in any layout.
        out: Folder to write; by default in the user's cache folder, where tasks and trainers search.
        revision: Commit, tag or branch on the Hub.
        config: Configuration to return; all configurations are written.
        allow_missing: Leave out rows with a missing image, which manifest and card state.
        overwrite: Replace other content of `out`.

    Returns:
        The splits of the configuration, images included.

    Raises:
        MissingImagesError: If images are missing or differ; it lists them.
        ConfigError, DataError, PrerequisiteError: If the dataset or a folder is invalid.
    """
    from datasets import DatasetDict

    done = rehydrate_folder(
        name, source, out=out, revision=revision, allow_missing=allow_missing, overwrite=overwrite
    )
    splits = load_files(done.folder, done.manifest, config)
    assert isinstance(splits, DatasetDict)
    return splits


def rehydrate_folder(
    name: str | Path,
    source: Path | str,
    *,
    out: Path | str | None = None,
    revision: str | None = None,
    allow_missing: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> Rehydrated:
    """Write the folder with images; arguments and errors as `rehydrate`."""
    published = find(name, revision=revision, built=False)
    root, manifest = published.folder, published.manifest
    if published.repo_id:
        say(name, published, "default")
    if manifest.images == "embed":
        raise ConfigError(f"{name} holds its images already; load it as it is")
    require_columns(root, manifest, manifest.files)
    source = Path(source).expanduser()
    if not source.is_dir():
        raise ConfigError(f"{source} is not a folder; give the folder with the source's images as --source")
    base = manifest.benchmark.name + ("-cot" if manifest.holds_cots else "")
    target = Path(out).expanduser() if out else cache_folder(base)
    if (done := _already(target, manifest)) is not None:
        return done
    if overwrite:
        refuse_to_replace(target, cots=manifest.holds_cots)
    wanted = list(_wanted(root, manifest))
    places, missing = find_images(source, wanted, progress)
    if missing and not allow_missing:
        raise MissingImagesError(_missing_text(missing, len(wanted), source), missing)
    if len(missing) == len(wanted):
        raise MissingImagesError(f"{source} holds none of the {len(wanted)} images; check --source", missing)
    sources = (source,) if root.resolve() == target.resolve() else (source, root)
    with atomic_directory(target, overwrite=overwrite, sources=sources) as work:
        filled = _fill(root, work, manifest, places, missing)
    return Rehydrated(target, filled, tuple(missing))


def find_images(
    source: Path,
    wanted: Sequence[WantedImage],
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> tuple[dict[str, Path], list[MissingImage]]:
    """Find images by name, then by content.

    Args:
        source: Folder to search, with all its subfolders.
        wanted: Images to find.
        progress: Called after each hashed file.

    Returns:
        Files by sha256, and the missing images.

    Raises:
        DataError: If a file is a link out of the folder.
    """
    names = {item.file_name for item in wanted}
    files = sorted(
        inside(source, path) if path.is_symlink() else path
        for path in source.rglob("*")
        if (path.suffix.lower() in IMAGE_ENDINGS or path.name in names) and path.is_file()
    )
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        for key in {path.name, path.stem}:
            by_name[key].append(path)
    open_hashes = {item.sha256 for item in wanted}
    places: dict[str, Path] = {}
    hashes: dict[Path, str] = {}
    named = [path for item in wanted for path in by_name.get(item.file_name, ())]
    for path in dict.fromkeys([*named, *files]):
        if open_hashes <= places.keys():
            break
        hashes[path] = sha256_file(path)
        if hashes[path] in open_hashes:
            places.setdefault(hashes[path], path)
        progress(len(hashes), len(files))
    missing = [
        MissingImage(item.id, item.source_id, item.sha256, _namesake(item, by_name))
        for item in wanted
        if item.sha256 not in places
    ]
    return places, missing


def _namesake(item: WantedImage, by_name: Mapping[str, Sequence[Path]]) -> str:
    paths = by_name.get(item.file_name, ())
    ends = [path for path in paths if path.as_posix().endswith(item.source_id)]
    return str((ends or paths)[0]) if paths else ""


def _wanted(root: Path, manifest: Manifest) -> Iterator[WantedImage]:
    for path in sorted(manifest.files):
        columns = ["id", "source_id", "source_sha256"]
        for row in parquet_rows(root / path, columns=columns, batch_rows=1024):
            if not row["source_sha256"] or manifest.images_sha256.get(row["id"]) != row["source_sha256"]:
                raise DataError(
                    f"{root / path}: row {row['id']!r} and the manifest name different images; "
                    "download the dataset again, or ask its publisher"
                )
            hashes = picture_hashes(row["source_sha256"])
            names = (row["source_id"] or "").split() if len(hashes) > 1 else [row["source_id"] or ""]
            if len(names) != len(hashes):
                names = [row["source_id"] or ""] * len(hashes)
            for name, sha256 in zip(names, hashes, strict=True):
                yield WantedImage(row["id"], name, sha256)


def _already(target: Path, manifest: Manifest) -> Rehydrated | None:
    """Return an earlier result, if it is complete and of the same dataset."""
    if not (target / "manifest.json").is_file():
        return None
    there = read_manifest(target)
    same = there.images == "embed" and there.content_sha256 == manifest.content_sha256
    whole = all(
        (target / p).is_file() and (target / p).stat().st_size == e.bytes for p, e in there.files.items()
    )
    return Rehydrated(target, there, ()) if same and whole and there.counts == manifest.counts else None


def _missing_text(missing: Sequence[MissingImage], rows: int, source: Path) -> str:
    shown = "; ".join(str(item) for item in missing[:10])
    more = f"; and {len(missing) - 10} more" if len(missing) > 10 else ""
    return (
        f"{len(missing)} of {rows} images are not in {source}: {shown}{more}; complete the folder, "
        "or pass --allow-missing to go on without these rows"
    )


def _fill(
    root: Path, work: Path, manifest: Manifest, places: Mapping[str, Path], missing: Sequence[MissingImage]
) -> Manifest:
    def images_of(row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        images = []
        for sha256 in picture_hashes(row["source_sha256"]):
            path = places.get(sha256)
            if path is None:
                return None
            data = path.read_bytes()
            if sha256_bytes(data) != sha256:
                raise DataError(f"{path} changed while it was read; leave the folder alone and run again")
            images.append({"bytes": data, "path": path.name})
        return images

    (work / "data").mkdir()
    files: dict[str, FileEntry] = {}
    content: list[tuple[str, str, str, str, str]] = []
    for path, entry in sorted(manifest.files.items()):

        def kept(row: Mapping[str, Any], entry: FileEntry = entry) -> list[dict[str, Any]] | None:
            images = images_of(row)
            if images is not None and manifest.rows_sha256:
                gold = gold_text(row_to_gold(manifest.benchmark, row))
                content.append((entry.split, entry.shard, row["id"], row["source_sha256"], gold))
            return images

        rows = write_with_images(root / path, work / path, kept)
        if not rows:  # `datasets` cannot load a file without a row
            (work / path).unlink()
            continue
        size = (work / path).stat().st_size
        files[path] = entry.model_copy(
            update={"sha256": sha256_file(work / path), "rows": rows, "bytes": size}
        )
    filled = _filled_manifest(manifest, files, missing, rows_sha256(content))
    if filled.holds_cots:
        metadata, body = split_card(root)
        note = "**Do not publish this folder:** the images were joined from a local copy of the source."
        body = with_section(body, f"## Images\n\n{note}")
        atomic_write_text(work / CARD_NAME, joined_card(metadata, body, filled))
    else:
        write_card(work, filled)
        write_eval_yaml(work, filled)
    write_manifest(work, filled)
    return filled


def _filled_manifest(
    manifest: Manifest, files: dict[str, FileEntry], missing: Sequence[MissingImage], rows: str
) -> Manifest:
    changes: dict[str, Any] = {"images": "embed", "files": files}
    if missing:
        gone = {item.id for item in missing}
        counts: defaultdict[str, int] = defaultdict(int)
        for entry in files.values():
            counts[entry.split] += entry.rows
        changes |= {
            "counts": dict(counts),
            "partial": True,
            "drops": {**manifest.drops, MISSING_IMAGE: tuple(sorted(gone))},
            "images_sha256": {u: h for u, h in manifest.images_sha256.items() if u not in gone},
        }
        if manifest.rows_sha256:
            return manifest.of_rows(rows, **changes)
        mark = "\n".join([manifest.content_sha256, *sorted(gone)])
        changes["content_sha256"] = sha256_bytes(mark.encode())
    return manifest.model_copy(update=changes)
