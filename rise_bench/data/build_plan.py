"""Source plan: rows with their source images, split, and the samples left out by reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.kinds import kind_of
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import DataError


def inside(source: Path, path: Path) -> Path:
    """Return a file of a source; it must not be a pipe or a link out of the source.

    A source from elsewhere may hold a link to any file of this machine, which would be built in and sent.

    Raises:
        DataError: If it lies behind a link out of the source, or is a pipe or a device.
    """
    real = path.resolve()
    if not real.is_relative_to(source.resolve()):
        raise DataError(
            f"{path} is a link that leads out of {source}, to {real}; what lies outside is not read: put the "
            "file itself there, or give the folder that holds both as --source (`init`: its first "
            "argument)"
        )
    if real.exists() and not (real.is_file() or real.is_dir()):
        raise DataError(f"{path} is a pipe or a device, expected a file; remove it")
    return path


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Sample of a source.

    Attributes:
        id: Stable, unique id of the row, e.g. "emotion6/joy/111".
        source_id: Id of the image in its source; rows that show the same image share it.
        image: File that holds the image, or its encoded bytes; stored as they are.
        annotation: Ground truth; boxes are in pixels of the image as shown.
        category: Class of the boxes, where the benchmark has more than one.
        question: Question about this image, where it differs between rows.
        license: Licence of the image, where it differs between rows.
        where: Place in the source that errors name, e.g. "ground_truth.txt line 17".
        size_px: Width and height that the source states; the image must agree. None where it states none.
        more_images: Further images of the row, in order, where the benchmark has several a row.
    """

    id: str
    source_id: str
    image: Path | bytes
    annotation: Annotation
    category: str = ""
    question: str = ""
    license: str = ""
    where: str = ""
    size_px: tuple[int, int] | None = None
    more_images: tuple[Path | bytes, ...] = ()

    @property
    def images(self) -> tuple[Path | bytes, ...]:
        """All images of the row, in order."""
        return (self.image, *self.more_images)

    @property
    def shot_class(self) -> str:
        """Class by which few-shot sets are counted."""
        return kind_of(self.annotation).group(self.annotation, self.category)

    @property
    def file_name(self) -> str:
        """File name in the image column."""
        return self.file_names[0]

    @property
    def file_names(self) -> tuple[str, ...]:
        """File name of each image."""
        own = self.id.rpartition("/")[2]
        return tuple(image.name if isinstance(image, Path) else own for image in self.images)

    @property
    def public_name(self) -> str:
        """Id in the source, and place there, without folders of this machine."""
        return f"{self.source_id} ({self.where})" if self.where else self.source_id

    def __str__(self) -> str:
        """Name the row for an error message: its file or id, and its place in the source."""
        name = str(self.image) if isinstance(self.image, Path) else self.id
        return f"{name} ({self.where})" if self.where else name


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """Rows of a source, split; images are not opened yet.

    Attributes:
        spec: The benchmark.
        train: Training rows; empty if the source has none.
        test: Test rows.
        categories: Classes of the boxes, in order; empty where there is only one.
        drops: Reason -> names of the samples left out.
        shortfalls: Why the source is incomplete, in sentences; building it anyway needs `--allow-partial`.
        notes: Decisions that explain counts unlike the paper's, in sentences.
        options: Options of the builder, for the manifest.
        files: Texts that lie beside the manifest, by file name.
        more_tests: Rows of further tests, by the name of their split ("ood").
    """

    spec: BenchmarkSpec
    train: Sequence[SourceRow]
    test: Sequence[SourceRow]
    categories: tuple[str, ...] = ()
    drops: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shortfalls: Sequence[str] = ()
    notes: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    more_tests: Mapping[str, Sequence[SourceRow]] = field(default_factory=dict)

    @property
    def tests(self) -> dict[str, Sequence[SourceRow]]:
        """Rows of all tests by split."""
        return {"test": self.test, **self.more_tests}

    @property
    def rows(self) -> list[SourceRow]:
        """All rows, training first."""
        return [*self.train, *chain.from_iterable(self.tests.values())]
