"""Images of the rows of a parquet file: removed for publishing by reference, and filled from a local source.

All other columns are copied value by value, a row group at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rise_bench.data.pictures import IMAGE_COLUMNS, image_column, pictures_of
from rise_bench.files.atomic import sync_folder

_BATCH_ROWS = 256
GROUP_BYTES = 8 << 20

#: Gives the images (`{"bytes", "path"}`) of a row, or None to leave the row out.
ImagesOf = Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]] | None]


def write_without_images(source: Path, target: Path) -> int:
    """Copy a parquet file with null images, without reading them; return the number of rows."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        shown = image_column(schema.names)
        others = [name for name in schema.names if name != shown]
        rows = 0
        with image_writer(target, schema) as writer:
            for batch in file.iter_batches(_BATCH_ROWS, columns=others, use_threads=False):
                empty = pa.nulls(batch.num_rows, schema.field(shown).type)
                columns = [empty if name == shown else batch.column(name) for name in schema.names]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
                rows += batch.num_rows
    sync_folder(target.parent)
    return rows


def write_with_images(source: Path, target: Path, images_of: ImagesOf) -> int:
    """Copy a parquet file with the images that `images_of` gives; returns the number of rows written.

    Args:
        source: File whose image column is null.
        target: File to write.
        images_of: Called with each row (without its images), in order; memory holds about `GROUP_BYTES`.
    """
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        rows = 0
        with image_writer(target, schema) as writer:
            for group in _groups(_filled(file, images_of)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                rows += len(group)
    sync_folder(target.parent)
    return rows


def _filled(file: pq.ParquetFile, images_of: ImagesOf) -> Iterator[dict[str, Any]]:
    shown = image_column(file.schema_arrow.names)
    names = [name for name in file.schema_arrow.names if name != shown]
    for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
        for row in batch.to_pylist():
            images = images_of(row)
            if images is not None:
                held = [dict(image) for image in images]
                yield row | {shown: held if shown == "images" else held[0]}


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(map(len, pictures_of(row)))
        if size >= GROUP_BYTES or len(group) >= _BATCH_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group


def image_writer(target: Path | IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """Open a parquet writer: images without compression, dictionary or statistics, other columns compact."""
    others = [name for name in schema.names if name not in IMAGE_COLUMNS]
    return pq.ParquetWriter(
        target,
        schema,
        compression="none",
        use_dictionary=others,
        write_statistics=False,
        data_page_size=GROUP_BYTES,
    )
