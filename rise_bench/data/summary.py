"""Summary of a built dataset: rows by class and split, images, and images that show nothing."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rise_bench.annotations.kinds import kind_of
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import picture_hashes

#: Name of the rows of a benchmark without classes.
ALL_ROWS = "all rows"


@dataclass(frozen=True, slots=True)
class Summary:
    """Contents of a dataset.

    Attributes:
        classes: Class -> split -> rows, in order; rows without an object are one more class.
        images: Split -> images.
        empty_images: Split -> images whose rows all state that there is no object.
    """

    classes: Mapping[str, Mapping[str, int]]
    images: Mapping[str, int]
    empty_images: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {"classes": self.classes, "images": self.images, "images_without_object": self.empty_images}


def summarize(dataset: BenchmarkDataset) -> Summary:
    """Count the rows of a dataset; the images are not read."""
    manifest = dataset.manifest
    order = [*dataset.spec.classes, *manifest.categories]
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter, {name: Counter() for name in order})
    images: dict[str, int] = {}
    empty_images: dict[str, int] = {}
    for split in manifest.counts:
        shown: defaultdict[str, bool] = defaultdict(bool)
        for gold in dataset.golds(split):
            kind = kind_of(gold.annotation)
            counts[kind.group(gold.annotation, gold.category) or ALL_ROWS][split] += 1
            for sha256 in picture_hashes(manifest.images_sha256[gold.id]):
                shown[sha256] |= not kind.is_empty(gold.annotation)
        images[split] = len(shown)
        empty_images[split] = sum(not any_object for any_object in shown.values())
    if not any(counts[name] for name in order):  # rows are grouped by something else
        names = sorted(filter(counts.get, counts), key=lambda name: (len(name), name))  # 9 before 10
        counts = defaultdict(Counter, {name: counts[name] for name in names})
    classes = {name: {split: rows[split] for split in manifest.counts} for name, rows in counts.items()}
    return Summary(classes, images, empty_images)
