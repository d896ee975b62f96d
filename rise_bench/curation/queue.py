"""Queue of annotations to review: written by an audit or an annotation run.

A queue is a folder with `queue.json` (what is asked, and where the images are) and `queue.jsonl` (one line an
item, the most urgent first). Annotations are written as `AnnotationKind.to_json` writes them, in pixels of
the original image.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.cot.dataset import CotDataset
from rise_bench.data.dataset import BenchmarkDataset, open_dataset, parquet_row
from rise_bench.data.pictures import held_pictures
from rise_bench.errors import DataError
from rise_bench.files import strict_json
from rise_bench.files.atomic import atomic_text_file, atomic_write_text, sha256_bytes
from rise_bench.files.side_by_side import one_picture

QUEUE_NAME, ITEMS_NAME = "queue.json", "queue.jsonl"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class QueueHeader:
    """Header of a queue.

    Attributes:
        title: Title of the review, e.g. "Audit of pets".
        made_by: Command that wrote the queue: "audit", "annotate" or "collect".
        kind: Name of the kind of annotation.
        order: Sort order of the items, in words.
        classes: Class names of the annotations, if the kind has any.
        categories: Classes that are asked for one at a time, if there are any.
        pictures: Absolute folder that the items' images lie in; empty if they are rows of a dataset.
        dataset: Absolute folder of the dataset that the items are rows of; empty if they are pictures.
        dataset_sha256: Identity of its content.
    """

    title: str
    made_by: str
    kind: str
    order: str = ""
    classes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    pictures: str = ""
    dataset: str = ""
    dataset_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One annotation to look at.

    Attributes:
        id: Id of the dataset's row, or name of the picture (and of the class asked for) in an annotation run.
        width_px: Width of the image as shown.
        height_px: Height of the image as shown.
        image: Path of the image inside `QueueHeader.pictures`; empty if it is that of the dataset's row.
        question: Question on the image.
        category: Class that is asked for; empty where there is none.
        given: Label that the data has; None for a new picture.
        suggested: The model's annotation; None if it was unreadable.
        reason: Chain of thought of the model.
        scores: Name of a score -> value; the queue is sorted by the first.
        why: Why the item is in the queue, in sentences.
        image_sha256: Hash of the file of the image; empty if it is a dataset's, or not known.
    """

    id: str
    width_px: int
    height_px: int
    image: str = ""
    question: str = ""
    category: str = ""
    given: Annotation | None = None
    suggested: Annotation | None = None
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    why: tuple[str, ...] = ()
    image_sha256: str = ""

    def gold(self, annotation: Annotation) -> Gold:
        """Return an annotation of this image as ground truth."""
        return Gold(self.id, annotation, self.width_px, self.height_px, self.category, self.question)


def write_queue(folder: Path, header: QueueHeader, items: Iterable[ReviewItem]) -> None:
    """Write a queue, one item at a time; the header last, so that a folder that has it has all items."""
    kind, written = KINDS[header.kind], 0
    (folder / QUEUE_NAME).unlink(missing_ok=True)
    with atomic_text_file(folder / ITEMS_NAME) as file:
        for item in items:
            annotations = {
                name: None if value is None else kind.to_json(value)
                for name, value in (("given", item.given), ("suggested", item.suggested))
            }
            fields = {name: getattr(item, name) for name in ReviewItem.__slots__}
            file.write(json.dumps(fields | annotations | {"scores": dict(item.scores)}) + "\n")
            written += 1
    record = {"format": _FORMAT, "items": written} | asdict(header)
    atomic_write_text(folder / QUEUE_NAME, json.dumps(record, indent=2) + "\n")


class ReviewQueue:
    """A queue on disk; memory holds where its lines begin, and one item at a time.

    Attributes:
        folder: The folder.
        header: Header of the queue.
        ids: Ids of the items, in order.
        ranks: First score of each item; None where it has none.
    """

    def __init__(self, folder: Path) -> None:
        """Open a queue.

        Raises:
            DataError: If the folder holds none, or one that is incomplete.
        """
        self.folder, path = folder, folder / QUEUE_NAME
        if not path.is_file():
            raise DataError(
                f"{path} is missing, so {folder} holds nothing to review; name the --out folder of "
                "`rise-bench audit` or `rise-bench annotate`"
            )
        try:
            record = strict_json.loads(path.read_bytes())
            if record.pop("format") != _FORMAT:
                raise ValueError(f"expected format {_FORMAT}")
            count = record.pop("items")
            lists = {name: tuple(record[name]) for name in ("classes", "categories")}
            self.header = QueueHeader(**record | lists)
            KINDS[self.header.kind]
            self._offsets, self.ids, self.ranks = self._scan()
            if len(self.ids) != count:
                raise ValueError(f"{ITEMS_NAME} has {len(self.ids)} items, expected {count}")
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} is not a queue ({error!r}); run the command that wrote it again"
            ) from error
        self._dataset: BenchmarkDataset | None = None
        self._places: dict[str, tuple[Path, int]] = {}

    def _scan(self) -> tuple[list[int], list[str], list[float | None]]:
        offsets, ids, ranks, offset = [], [], [], 0
        with (self.folder / ITEMS_NAME).open("rb") as file:
            for line in file:
                fields = strict_json.loads(line)
                offsets.append(offset)
                ids.append(str(fields["id"]))
                ranks.append(next(iter(fields["scores"].values()), None))
                offset += len(line)
        if len(set(ids)) != len(ids):
            raise ValueError("two items have one id")
        return offsets, ids, ranks

    def __len__(self) -> int:
        return len(self.ids)

    def item(self, index: int) -> ReviewItem:
        """Read the item at a place of the queue.

        Raises:
            DataError: If the queue was written again since it was opened.
        """
        with (self.folder / ITEMS_NAME).open("rb") as file:
            file.seek(self._offsets[index])
            line = file.readline()
        try:
            fields: dict[str, Any] = strict_json.loads(line)
            if fields["id"] != self.ids[index]:
                raise ValueError(f"expected the item {self.ids[index]!r}")
        except (LookupError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.folder / ITEMS_NAME} is not what it was when it was opened ({error}); start again"
            ) from error
        kind = KINDS[self.header.kind]
        for name in ("given", "suggested"):
            if fields[name] is not None:
                fields[name] = kind.from_json(fields[name], self.header.classes)
        return ReviewItem(**fields | {"why": tuple(fields["why"])})

    def image_bytes(self, item: ReviewItem) -> bytes:
        """Read the encoded image of an item.

        Raises:
            DataError: If it is not where the queue says, lies outside the folder of the pictures, or is not
                the one that was annotated.
        """
        if self.header.dataset:
            return self._row_image(item.id)
        root = Path(self.header.pictures).resolve()
        path = (root / item.image).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise DataError(f"{path} is not a picture in {root}; put it back, or run `annotate` again")
        data = path.read_bytes()
        if item.image_sha256 and sha256_bytes(data) != item.image_sha256:
            raise DataError(
                f"{path} is another picture than the one that was annotated; put that one back, or run "
                "`annotate` again"
            )
        return data

    def _row_image(self, row_id: str) -> bytes:
        if self._dataset is None:
            dataset = open_dataset(self.header.dataset)
            if dataset.sha256 != self.header.dataset_sha256:
                raise DataError(
                    f"{dataset.root} is not the dataset that the queue is of; run the audit again, or put "
                    "the dataset back"
                )
            self._places = {
                row["id"]: (path, position)
                for split in dataset.manifest.counts
                for path in dataset.files(split)
                for position, row in enumerate(dataset.file_rows(path, columns=["id"]))
            }
            self._dataset = dataset
        if row_id not in self._places:
            raise DataError(f"{self._dataset.root} has no row {row_id!r}; run the audit again")
        return row_image(self._dataset, *self._places[row_id])


def row_image(dataset: BenchmarkDataset | CotDataset, file: Path, position: int) -> bytes:
    """Read the encoded image of a dataset's row; several are joined side by side.

    Raises:
        DataError: If the dataset is published by reference.
    """
    row = parquet_row(file, position, ["id", dataset.spec.image_column])
    return one_picture(held_pictures(row, dataset.root), row["id"])
