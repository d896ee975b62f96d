"""Copies of a dataset: some of its rows, some of its labels changed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rise_bench.annotations.base import Annotation
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.pictures import held_pictures, named_pictures
from rise_bench.data.schema import row_to_gold
from rise_bench.data.writer import shortfalls_of, write_dataset
from rise_bench.files.locks import scratch_folder


@dataclass(frozen=True, slots=True)
class Change:
    """Differences between a dataset and its copy.

    Attributes:
        labels: New label by row id.
        notes: Sentences on them for the copy's manifest.
        options: Options on them for the copy's manifest, by name.
        files: Further texts in the copy's folder, by file name.
    """

    labels: Mapping[str, Annotation] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def write_copy(
    dataset: BenchmarkDataset,
    out: Path,
    change: Change,
    *,
    train: Callable[[str], bool] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Manifest:
    """Write a copy of a dataset.

    Args:
        dataset: Dataset with images.
        out: Folder to make.
        change: The changes.
        train: Takes a row id: the copy has a train split of these rows, whatever split they are of, and
            nothing else. None keeps every row in its split.
        overwrite: Replace what is at `out`.
        progress: Called after each row.

    Raises:
        DataError: The dataset has no images, or a new label cannot be ground truth.
        ConfigError: `out` may not be written.
    """
    with _plan(dataset, change, train) as plan:
        return write_dataset(
            plan,
            out,
            seed=dataset.manifest.seed,
            allow_partial=True,
            overwrite=overwrite,
            progress=progress,
        )


@contextmanager
def _plan(
    dataset: BenchmarkDataset, change: Change, train: Callable[[str], bool] | None
) -> Iterator[SourcePlan]:
    """Give the plan of a copy; its images lie in a temporary folder, so that memory does not hold them."""
    manifest = dataset.manifest
    rows: dict[str, list[SourceRow]] = {split: [] for split in ("train", "test", *manifest.counts)}
    with scratch_folder("copy") as folder:
        for split in manifest.counts:
            for row in _source_rows(dataset, split, folder):
                if train is None or train(row.id):
                    label = change.labels.get(row.id, row.annotation)
                    rows["train" if train else split].append(replace(row, annotation=label))
                else:
                    for image in row.images:
                        image.unlink()  # type: ignore[union-attr]
        yield SourcePlan(
            dataset.spec,
            rows["train"],
            rows["test"],
            manifest.categories,
            drops=manifest.drops,
            shortfalls=shortfalls_of(manifest),
            notes=(*manifest.differences, *change.notes),
            options={**manifest.options, **change.options},
            files=change.files,
            more_tests={split: of for split, of in rows.items() if of and split not in ("train", "test")},
        )


def _source_rows(dataset: BenchmarkDataset, split: str, folder: Path) -> Iterator[SourceRow]:
    for number, row in enumerate(dataset.rows(split)):
        held_pictures(row, dataset.root)
        gold = row_to_gold(dataset.spec, row)
        images = []
        for place, picture in enumerate(named_pictures(row)):
            images.append(folder / f"{split}-{number}-{place}" / Path(picture["path"] or "image").name)
            images[-1].parent.mkdir()
            images[-1].write_bytes(picture["bytes"])
        yield SourceRow(
            gold.id,
            row["source_id"],
            images[0],
            gold.annotation,
            gold.category,
            gold.question,
            row["license"] or "",
            where=f"{dataset.root}, {split}",
            more_images=tuple(images[1:]),
        )
