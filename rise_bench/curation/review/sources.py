"""Sources of a review: the queue of an audit or an annotation run, and the rows of a CoT dataset."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rise_bench.annotations.kinds import KINDS
from rise_bench.cot.dataset import (
    GROUNDED,
    SELECTED,
    VIEWS,
    CotDataset,
    cot_features,
    open_cots,
    reconstruction_format,
)
from rise_bench.curation.queue import QUEUE_NAME, QueueHeader, ReviewItem, ReviewQueue, row_image
from rise_bench.data.dataset import parquet_row, parquet_rows
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import ConfigError
from rise_bench.prompts.templates import task_sentence
from rise_bench.scoring.rewards import read_stated

_SCORES = ("reward", SELECTED, "similarity", "prior_score", *GROUNDED, *VIEWS)


class Source(Protocol):
    """Items in the order in which they are looked at; `ReviewQueue` is one.

    Attributes:
        header: Header of the queue.
        ids: Ids of the items, in order.
        ranks: Value that each item is sorted by; None without one.
    """

    header: QueueHeader
    ids: list[str]
    ranks: list[float | None]

    def item(self, index: int) -> ReviewItem:
        """Read the item at a place."""
        ...

    def image_bytes(self, item: ReviewItem) -> bytes:
        """Read the encoded image of an item."""
        ...


class CotSource:
    """The rows of a CoT dataset, lowest reward first; memory holds ids and rewards, and one row at a time.

    Attributes:
        header: Header of the queue.
        ids: Ids of the rows, in order.
        ranks: Their rewards.
    """

    def __init__(self, cots: CotDataset) -> None:
        """Open the rows.

        Raises:
            DataError: If a file is not the one that was collected, or the rows have no rewards.
        """
        cots.require_rewards("A review sorts by reward.")
        self._cots = cots
        rows = [
            (row["reward"], row["id"], path, position)
            for path in cots.files()
            for position, row in enumerate(parquet_rows(path, columns=["id", "reward"], batch_rows=1024))
        ]
        rows.sort(key=lambda row: row[0])  # rows of equal reward stay in the order of the dataset
        self.ids = [row[1] for row in rows]
        self.ranks: list[float | None] = [row[0] for row in rows]
        self._places = {uid: (path, position) for _, uid, path, position in rows}
        spec = cots.spec
        self.header = QueueHeader(
            title=f"Chains of thought of {spec.name}",
            made_by="collect",
            kind=spec.kind,
            order="reward, the lowest first",
            classes=spec.classes,
            categories=cots.manifest.categories,
            dataset=str(cots.root.resolve()),
            # decisions are on the labels that the chains of thought explain
            dataset_sha256=cots.manifest.options.get("cots_of", ""),
        )
        columns = cot_features(spec, cots.manifest.categories)
        self._columns = [name for name in columns if name != spec.image_column]

    def item(self, index: int) -> ReviewItem:
        """Read the item at a place."""
        row = parquet_row(*self._places[self.ids[index]], self._columns)
        gold = row_to_gold(self._cots.spec, row)
        stated, reading = read_stated(gold, row["reconstruction"], reconstruction_format(row["provenance"]))
        return ReviewItem(
            gold.id,
            gold.width_px,
            gold.height_px,
            question=task_sentence(self._cots.spec, gold),
            category=gold.category,
            given=gold.annotation,
            suggested=None if stated is None else KINDS[gold.kind].tidied(stated, gold.frame_px),
            reason=row["cot"],
            scores={name: row[name] for name in _SCORES if row.get(name) is not None},
            why=tuple(self._why(row, reading.reason)),
        )

    def _why(self, row: dict[str, Any], reason: str) -> Iterator[str]:
        if reason != "ok":
            yield f"The reconstruction cannot be read ({reason})."
        if row["leak_numbers"]:
            yield "The chain of thought writes a number, so it may give the label away."
        if not row["format_ok"]:
            yield "The chain of thought or the reconstruction does not have the format that was asked for."
        tau = self._cots.manifest.tau
        if row["reward"] < tau:
            yield f"Its reward is below {tau:g}, so it is not trained on."
        if row["similarity"] < row["prior_score"]:
            yield "The mean of the training labels is nearer to the label than the reconstruction is."

    def image_bytes(self, item: ReviewItem) -> bytes:
        """Read the encoded image of an item."""
        return row_image(self._cots, *self._places[item.id])


def open_source(folder: Path) -> Source:
    """Open what a folder holds.

    Raises:
        ConfigError: If it is a benchmark, which has nothing to review before an audit.
        DataError: If it holds nothing to review.
    """
    if (folder / QUEUE_NAME).is_file() or not (folder / MANIFEST_NAME).is_file():
        return ReviewQueue(folder)
    if not read_manifest(folder).holds_cots:
        raise ConfigError(
            f"{folder} is a benchmark, of which nobody has said what to look at; run `rise-bench audit "
            f"{folder} --out AUDIT` and review AUDIT"
        )
    return CotSource(open_cots(folder))
