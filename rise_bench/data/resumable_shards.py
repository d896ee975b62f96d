"""Shards on disk: a note beside each finished file lets a rerun after a kill keep it."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rise_bench.data.build_plan import SourcePlan
from rise_bench.data.image_facts import ImageFacts
from rise_bench.data.manifest import FileEntry
from rise_bench.data.shards import LoadedImages, Shard, fingerprint, read_ahead, write_shard
from rise_bench.files.atomic import atomic_write_text, sha256_file
from rise_bench.files.images import load_decoders

#: Called with (images done, images in all).
Progress = Callable[[int, int], None]

_NOTES = "notes"


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """Finished parquet file, with the facts of its images."""

    shard: Shard
    entry: FileEntry
    images: Sequence[ImageFacts]


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide the bytes of a dataset."""
    return {name: version(name) for name in ("rise-bench", "datasets", "pillow", "pyarrow")}


def write_shards(
    work: Path, shards: Sequence[Shard], plan: SourcePlan, workers: int, progress: Progress
) -> list[WrittenShard]:
    """Write the shards that an earlier, killed run did not finish.

    Args:
        work: Unfinished dataset folder.
        shards: All shards of the plan, in order.
        plan: Source plan of the shards.
        workers: Threads that read and decode.
        progress: Called at the start, and after each image.

    Returns:
        All shards, including those kept from the earlier run.

    Raises:
        DataError: If an image or an annotation is bad.
    """
    (work / "data").mkdir(exist_ok=True)
    load_decoders()  # before the threads, so that they do not race to load Pillow's plugins
    used = versions()
    marks = [fingerprint(shard, plan, used) for shard in shards]
    finished = [_finished(work, shard, mark) for shard, mark in zip(shards, marks, strict=True)]
    pending = [shard for shard, kept in zip(shards, finished, strict=True) if kept is None]
    total = sum(len(shard.rows) for shard in shards)
    done = total - sum(len(shard.rows) for shard in pending)
    progress(done, total)

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    written: list[WrittenShard] = []
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        images = read_ahead(itertools.chain.from_iterable(shard.rows for shard in pending), pool)
        for shard, mark, kept in zip(shards, marks, finished, strict=True):
            written.append(kept or _write(work, shard, mark, plan, images, advance))
    finally:
        pool.shutdown(cancel_futures=True)
    return written


def _write(
    work: Path,
    shard: Shard,
    mark: str,
    plan: SourcePlan,
    images: Iterator[LoadedImages],
    advance: Callable[[], None],
) -> WrittenShard:
    """Write a parquet file and then its note."""
    path = work / shard.path
    facts = write_shard(path, shard, plan, images, advance)
    entry = FileEntry(
        split=shard.split,
        shard=shard.name,
        sha256=sha256_file(path),
        rows=len(facts),
        bytes=path.stat().st_size,
    )
    note = {
        "fingerprint": mark,
        "entry": entry.model_dump(),
        "images": [dataclasses.asdict(image) for image in facts],
    }
    atomic_write_text(_note_path(work, shard), json.dumps(note))
    return WrittenShard(shard, entry, facts)


def _note_path(work: Path, shard: Shard) -> Path:
    return work / _NOTES / f"{Path(shard.path).stem}.json"


def _finished(work: Path, shard: Shard, mark: str) -> WrittenShard | None:
    """Return the file of an earlier run, if it is complete and of the same plan."""
    path, note_path = work / shard.path, _note_path(work, shard)
    if not (path.is_file() and note_path.is_file()):
        return None
    note = json.loads(note_path.read_bytes())
    if note["fingerprint"] != mark or note["entry"]["sha256"] != sha256_file(path):
        return None
    return WrittenShard(shard, FileEntry(**note["entry"]), [ImageFacts(**image) for image in note["images"]])
