"""The image column of a parquet file: emptied for publishing by reference, and filled from a local source.

All other columns are copied value by value, a row group at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rise_bench.files.atomic import sync_folder

_BATCH_ROWS = 256
GROUP_BYTES = 8 << 20

#: Gives the image (`{"bytes", "path"}`) of a row, or None to leave the row out.
ImageOf = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


def write_without_images(source: Path, target: Path) -> int:
    """Copy a parquet file with null images, without reading them; return the number of rows."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        others = [name for name in schema.names if name != "image"]
        rows = 0
        with image_writer(target, schema) as writer:
            for batch in file.iter_batches(_BATCH_ROWS, columns=others, use_threads=False):
                empty = pa.nulls(batch.num_rows, schema.field("image").type)
                columns = [empty if name == "image" else batch.column(name) for name in schema.names]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
                rows += batch.num_rows
    sync_folder(target.parent)
    return rows


def write_with_images(source: Path, target: Path, image_of: ImageOf) -> int:
    """Copy a parquet file with the images that `image_of` gives; returns the number of rows written.

    Args:
        source: File whose image column is null.
        target: File to write.
        image_of: Called with each row (without its image), in order; memory holds about `GROUP_BYTES`.
    """
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        rows = 0
        with image_writer(target, schema) as writer:
            for group in _groups(_filled(file, image_of)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                rows += len(group)
    sync_folder(target.parent)
    return rows


def _filled(file: pq.ParquetFile, image_of: ImageOf) -> Iterator[dict[str, Any]]:
    names = [name for name in file.schema_arrow.names if name != "image"]
    for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
        for row in batch.to_pylist():
            image = image_of(row)
            if image is not None:
                yield row | {"image": dict(image)}


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row["image"]["bytes"])
        if size >= GROUP_BYTES or len(group) >= _BATCH_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group


def image_writer(target: Path | IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """Open a parquet writer: images without compression, dictionary or statistics, other columns compact."""
    others = [name for name in schema.names if name != "image"]
    return pq.ParquetWriter(
        target,
        schema,
        compression="none",
        use_dictionary=others,
        write_statistics=False,
        data_page_size=GROUP_BYTES,
    )
