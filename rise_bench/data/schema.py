"""Columns of a benchmark row, and conversion between a row and a `Gold`.

`image` holds the original bytes (`{"bytes", "path"}`, the Hub's image feature), or null in a dataset
published by reference; where rows have several images of one size, `images` is a list of them, in order.
`width` and `height` are the size as shown, EXIF orientation applied, which is what `datasets` hands to a
model. `problem` and `solution` are the think-answer prompt and the answer in thousandths of the image, so
that loaders written for Visual-RFT read a row unchanged; the typed gold is in the columns of the kind.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, kind_of, render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import DataError
from rise_bench.prompts.templates import answer_only_text, think_answer_prompt

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features


SCHEMA_VERSION = 1


def features(spec: BenchmarkSpec, categories: tuple[str, ...] = ()) -> "Features":
    """Return the columns of a benchmark as `datasets` features; `.arrow_schema` is the parquet schema."""
    from datasets import Features, Image, List, Value

    text = {name: Value("string") for name in ("problem", "solution", "question", "category")}
    shown = Image() if spec.images_per_row == 1 else List(Image())
    return Features(
        {"id": Value("string"), spec.image_column: shown, "width": Value("int32"), "height": Value("int32")}
        | text
        | KINDS[spec.kind].features(spec.classes, categories)
        | {"shot_rank": Value("int32")}
        | {name: Value("string") for name in ("source_id", "source_sha256", "license")}
    )


def has_columns(schema: "pa.Schema", expected: "Features") -> bool:
    """Whether a parquet file has these columns: names, types and names of classes."""
    from datasets import Features

    return bool(schema.equals(expected.arrow_schema) and Features.from_arrow_schema(schema) == expected)


def gold_columns(spec: BenchmarkSpec, gold: Gold, categories: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the columns of a gold: id, size, texts and typed annotation.

    Raises:
        DataError: If the gold breaks the rules of `validate_gold`.
    """
    validate_gold(spec, gold)
    return {
        "id": gold.id,
        "width": gold.width_px,
        "height": gold.height_px,
        "problem": think_answer_prompt(spec, gold),
        "solution": answer_only_text(render_gold(gold)),
        "question": gold.question,
        "category": gold.category,
        **KINDS[spec.kind].to_columns(gold, categories),
    }


def row_to_gold(spec: BenchmarkSpec, row: Mapping[str, Any]) -> Gold:
    """Read the gold of a row; only its annotation, size and text columns are needed.

    Raises:
        DataError: If a column is missing or the gold breaks the rules of `validate_gold`.
    """
    try:
        gold = Gold(
            str(row["id"]),
            KINDS[spec.kind].from_columns(row, spec.classes),
            int(row["width"]),
            int(row["height"]),
            row["category"] or "",
            row["question"] or "",
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"row {row.get('id')!r} of {spec.name} does not fit the schema ({error!r}); rebuild the dataset"
        ) from error
    validate_gold(spec, gold)
    return gold


def gold_text(gold: Gold) -> str:
    """Return the ground truth as canonical JSON at the precision of the columns."""
    values = kind_of(gold.annotation).canonical(gold.annotation)
    return json.dumps([gold.category, gold.question, values], ensure_ascii=False)


def validate_gold(spec: BenchmarkSpec, gold: Gold) -> None:
    """Check the ground truth before it is stored or scored.

    Raises:
        DataError: If the image is empty, the kind is not the benchmark's, or the kind finds a `problem`.
    """
    if gold.width_px < 1 or gold.height_px < 1:
        raise DataError(f"sample {gold.id!r}: image size {gold.width_px} x {gold.height_px} is empty")
    if gold.kind != spec.kind:
        raise DataError(f"sample {gold.id!r}: annotation is {gold.kind}, {spec.name} expects {spec.kind}")
    if problem := KINDS[spec.kind].problem(gold, spec.classes):
        raise DataError(f"sample {gold.id!r}: {problem}; fix or remove it in the source")
