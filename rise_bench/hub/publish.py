"""Publishing of a dataset folder: a benchmark or chains of thought, all configurations, one commit.

The spec decides whether images are published, and the catalogue overrides the spec in a folder. Where the
source forbids republishing, only ids, hashes and annotations are sent.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from rise_bench.catalog.benchmarks import BENCHMARKS, build_command, texts_may_be_shown
from rise_bench.catalog.spec import BenchmarkSpec, ImagePolicy
from rise_bench.cot.dataset import require_columns
from rise_bench.data.card import write_card, write_eval_yaml
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.image_column import write_without_images
from rise_bench.data.manifest import MANIFEST_NAME, TEXT_TERMS, FileEntry, Manifest, write_manifest
from rise_bench.errors import ConfigError
from rise_bench.files.locks import scratch_folder
from rise_bench.files.paths import without_folders
from rise_bench.hub.dataset_card import published_card
from rise_bench.hub.find import find
from rise_bench.hub.held_dataset import guard_of
from rise_bench.hub.places import pictures_with_places, place_warning
from rise_bench.hub.push import Difference, Outgoing, Pushed, compare, push

#: Called with (prepared bytes, all bytes) of the shards while a folder is staged.
Progress = Callable[[int, int], None]

#: Paths of the repository at which files of earlier versions are deleted.
OWNED = (r"data/.*", r"assets/.*")


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preview:
    """Published manifest, the change to the repository of `publish`, and the pictures with a GPS position."""

    manifest: Manifest
    change: Difference
    pictures_with_places: int


def image_policy(spec: BenchmarkSpec) -> ImagePolicy:
    """Return whether a benchmark's images may be republished; the catalogue overrides a manifest."""
    known = BENCHMARKS.get(spec.name)
    return "reference" if "reference" in (spec.images, known.images if known else "embed") else "embed"


def publish(
    folder: Path | str,
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    embed: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> Pushed:
    """Send a dataset folder to the Hub in one commit; a rerun sends only missing files.

    Args:
        folder: Folder of `build`, `collect` or `rehydrate`, or the name of a built dataset.
        repo_id: "ORG/NAME"; created if it does not exist.
        private: Create it private; an existing repository must be private already.
        create_pr: Open a pull request instead of committing to main.
        embed: Fail if the images may not be sent.
        progress: Called after each prepared shard.

    Raises:
        ConfigError: If `embed` is set and the source forbids it, or the folder lacks the images; or if the
            repository holds another dataset.
        DataError: If the folder is incomplete, or a file differs from the manifest.
        PrerequisiteError: If the Hub refuses or cannot be reached.
    """
    with scratch_folder("publish") as work:
        manifest, files = stage(folder, repo_id, work, embed=embed, private=private, progress=progress)
        if not private and (located := pictures_with_places(work, manifest)):
            _log.warning("%s", place_warning(located))
        title = f"Publish {manifest.benchmark.name}, content {manifest.content_sha256[:12]}"
        guard = guard_of(repo_id, manifest)
        return push(
            repo_id, files, title=title, owned=OWNED, private=private, create_pr=create_pr, guard=guard
        )


def preview(
    folder: Path | str,
    repo_id: str,
    *,
    private: bool = False,
    embed: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> Preview:
    """Return the changes of `publish` without sending; same arguments and errors."""
    with scratch_folder("publish") as work:
        manifest, files = stage(folder, repo_id, work, embed=embed, private=private, progress=progress)
        located = pictures_with_places(work, manifest)
        change = compare(repo_id, files, owned=OWNED, guard=guard_of(repo_id, manifest))
        return Preview(manifest, change, located)


def stage(
    folder: Path | str,
    repo_id: str,
    work: Path,
    *,
    embed: bool = False,
    private: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> tuple[Manifest, tuple[Outgoing, ...]]:
    """Return the published manifest and the files of a repository; arguments and errors as `publish`.

    Files that differ from those of `folder` are written to the empty folder `work`.
    """
    dataset = open_dataset(find(folder).folder)
    if dataset.manifest.is_private and not private:
        raise ConfigError(
            f"{folder} holds the test annotations of a leaderboard; publish the dataset that was made "
            "with it, or keep this one in a repository of your own with --private"
        )
    _check_texts(dataset)
    policy = image_policy(dataset.spec)
    _check_embed(dataset.spec, policy, dataset.manifest.images, asked=embed)
    require_columns(dataset.root, dataset.manifest, dataset.manifest.files)
    strip = policy == "reference" and dataset.manifest.images == "embed"
    (work / "data").mkdir()
    shards = _shards(dataset.root, dataset.manifest, work, strip, progress)
    entries = {
        file.path: dataset.manifest.files[file.path].model_copy(
            update={"sha256": file.sha256, "bytes": file.size_bytes}
        )
        for file in shards
    }
    manifest = _public(dataset.manifest, entries, "reference" if strip else dataset.manifest.images)
    rest = _texts(dataset.root, repo_id, work, manifest)
    return manifest, (*(Outgoing.of(path, data) for path, data in rest.items()), *shards)


def _check_texts(dataset: BenchmarkDataset) -> None:
    """Refuse texts that may not be republished."""
    spec = dataset.spec
    if not texts_may_be_shown(spec):
        raise ConfigError(
            f"the questions and answers of {spec.name} may not be republished: {spec.license_note} Everyone "
            f"builds it from the source: {build_command(spec.name)}"
        )
    if dataset.manifest.unverified:
        raise ConfigError(
            f"the chains of thought in {dataset.root} were made elsewhere, under terms of their own, and are "
            f"unverified. Everyone builds them from the source: {build_command(spec.name)}"
        )
    if terms := dataset.manifest.options.get(TEXT_TERMS):
        raise ConfigError(
            f"the chains of thought in {dataset.root} are those of {terms}, under terms of their own. "
            f"Everyone builds them from the source ({build_command(terms)}) and verifies them"
        )


def _check_embed(spec: BenchmarkSpec, policy: ImagePolicy, has: ImagePolicy, *, asked: bool) -> None:
    if asked and policy == "reference":
        why = spec.license_note or "it was built with --images reference; build it with embed if they may."
        raise ConfigError(
            f"the images of {spec.name} may not be republished: {why} Publish without --embed: ids, hashes "
            "and annotations go out, and `rise-bench rehydrate` joins everyone's own copy of the images back"
        )
    if asked and has == "reference":
        raise ConfigError(
            f"this folder of {spec.name} holds no images to embed; run `rise-bench rehydrate` on it first"
        )


def _shards(root: Path, manifest: Manifest, work: Path, strip: bool, progress: Progress) -> list[Outgoing]:
    """Return the parquet files, or copies without images (`strip`)."""
    shards: list[Outgoing] = []
    done, total = 0, sum(entry.bytes for entry in manifest.files.values())
    for path, entry in sorted(manifest.files.items()):
        if strip:
            write_without_images(root / path, work / path)
            shards.append(Outgoing.of(path, work / path))
        else:
            shards.append(Outgoing.of(path, root / path))
            (work / path).symlink_to((root / path).absolute())
        done += entry.bytes
        progress(done, total)
    return shards


def _public(manifest: Manifest, files: dict[str, FileEntry], images: ImagePolicy) -> Manifest:
    """Return the published manifest: options and names of dropped files without folders of this machine."""
    drops = {reason: tuple(map(without_folder, names)) for reason, names in manifest.drops.items()}
    changes = {"drops": drops, "options": without_folders(manifest.options)}
    return manifest.model_copy(update={"files": files, "images": images, **changes})


def without_folder(name: str) -> str:
    """Shorten absolute paths in a text to their last two parts.

    >>> without_folder("/home/me/coco/train2017/1.jpg (line 7)")
    'train2017/1.jpg (line 7)'
    >>> without_folder("/home/me/my photos (old)/cats/1.jpg (folder train/cat)")
    'cats/1.jpg (folder train/cat)'
    """
    return re.sub(
        r"(?<!\S)/.+?(?= \([^()]*\)$|$)", lambda match: "/".join(PurePath(match[0]).parts[-2:]), name
    )


def _texts(root: Path, repo_id: str, work: Path, manifest: Manifest) -> dict[str, bytes]:
    """Return card, pictures, `eval.yaml` and manifest."""
    write_manifest(work, manifest)
    if manifest.holds_cots:
        base = root
        names: Sequence[str] = (MANIFEST_NAME,)
    else:
        write_card(work, manifest)
        write_eval_yaml(work, manifest)
        base = work
        names = ("eval.yaml", MANIFEST_NAME)
    card = published_card(base, work, manifest, repo_id)
    return card | {name: (work / name).read_bytes() for name in names}
