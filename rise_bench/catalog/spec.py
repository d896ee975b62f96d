"""Description of a benchmark."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.metric import Metric
from rise_bench.errors import DataError
from rise_bench.files.plain_text import name_problem, text_problem

ImagePolicy = Literal["embed", "reference"]


ShotUnit = Literal["class", "dataset"]

#: Most pictures of a row.
MAX_IMAGES = 16


@dataclass(frozen=True, slots=True)
class BenchmarkSpec:
    """Specification of a benchmark.

    Attributes:
        name: Short name, as in `rise-bench build emotion6`.
        kind: Name of the kind of annotation.
        metric: Name of the ranking metric.
        question: Task sentence of the prompts; `{category}` and `{question}` are filled in from the row.
        classes: Class names of a distribution, in order; empty for boxes.
        images: `embed` if images may be republished, else `reference`: ids and hashes only.
        license: Licence identifier for the dataset card.
        license_note: Terms of the source, in a sentence.
        source_url: Address of the raw files.
        citation: BibTeX key facts of the source.
        paper_counts: (train, test) rows in the paper; None for datasets that it does not use.
        shots_per: Whether "4-shot" means 4 per class or 4 in all (LISA).
        title: Title of the card; from the name if empty. A manifest has it only where there is one.
        images_per_row: Pictures that a row shows. A manifest has it only where there are several.
        texts: `embed` if questions and answers may be republished. A manifest has it only where they may not.
        part_of: Dataset whose further test this is; empty of a dataset.
    """

    name: str
    kind: str
    metric: str
    question: str
    classes: tuple[str, ...] = ()
    images: ImagePolicy = "reference"
    license: str = "other"
    license_note: str = ""
    source_url: str = ""
    citation: str = ""
    paper_counts: tuple[int, int] | None = None
    shots_per: ShotUnit = "class"
    title: str = ""
    images_per_row: int = 1
    texts: ImagePolicy = "embed"
    part_of: str = ""

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise DataError(f"benchmark {self.name!r}: kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if len(self.classes) < kind.min_classes:
            raise DataError(
                f"benchmark {self.name!r}: kind {self.kind!r} needs {kind.min_classes} classes or more, "
                f"got {self.classes}"
            )
        ranking = [metric.name for metric in kind.metrics if metric.ranks]
        if self.metric not in ranking:
            raise DataError(
                f"benchmark {self.name!r}: metric {self.metric!r} does not fit kind {self.kind!r}; choose "
                f"{' or '.join(ranking)}"
            )
        if self.images_per_row > 1 and kind.in_frame:
            raise DataError(
                f"benchmark {self.name!r}: annotations of kind {self.kind!r} are places in one picture, and "
                f"its rows have {self.images_per_row}; set images_per_row to 1"
            )
        if not 1 <= self.images_per_row <= MAX_IMAGES:
            raise DataError(
                f"benchmark {self.name!r}: images_per_row is {self.images_per_row}, expected 1 to "
                f"{MAX_IMAGES}"
            )

    @property
    def image_column(self) -> str:
        """Name of the column that holds the picture of a row, or its pictures."""
        return "image" if self.images_per_row == 1 else "images"

    @property
    def ranking(self) -> Metric:
        """Metric that ranks models."""
        return next(metric for metric in KINDS[self.kind].metrics if metric.name == self.metric)

    @property
    def hub_id(self) -> str:
        """Dataset id on the Hub; the namespace is `RISE_BENCH_ORG`, `rise-bench` by default."""
        name = (self.part_of or self.name).replace("_", "-")
        return f"{os.environ.get('RISE_BENCH_ORG', 'rise-bench')}/rise-{name}"

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON for a manifest."""
        usual = {"title": "", "images_per_row": 1, "texts": "embed", "part_of": ""}
        data = dataclasses.asdict(self)
        return {name: value for name, value in data.items() if name not in usual or value != usual[name]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BenchmarkSpec":
        """Read a spec from a manifest, or raise `DataError`."""
        from pydantic import TypeAdapter, ValidationError

        unknown = sorted(set(data) - {field.name for field in dataclasses.fields(cls)})
        try:
            if unknown:
                raise ValueError(f"unknown fields {unknown}")
            spec = TypeAdapter(cls).validate_python(data)
            texts = (
                *spec.classes,
                spec.question,
                spec.license,
                spec.license_note,
                spec.source_url,
                spec.citation,
                spec.title,
            )
            for problem in filter(None, (name_problem(spec.name), *map(text_problem, texts))):
                raise ValueError(problem)
            return spec
        except (ValidationError, ValueError) as error:
            raise DataError(
                f"the spec in a manifest does not fit this version of rise-bench: {error}; build it again"
            ) from error
