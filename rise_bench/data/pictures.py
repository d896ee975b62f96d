"""Pictures of a row: one in the column `image`, or several, in order, in the column `images`.

All pictures of a row have one size, that of the columns `width` and `height`. `source_sha256` holds the hash
of each, with a blank between them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.errors import DataError
from rise_bench.files.images import ImageBytes

#: Names of the column; `BenchmarkSpec.image_column` says which one a benchmark has.
IMAGE_COLUMNS = ("image", "images")


def image_column(names: Sequence[str]) -> str:
    """Return which of the columns of a row holds its pictures."""
    return next(name for name in IMAGE_COLUMNS if name in names)


def named_pictures(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the pictures of a row as `{"bytes", "path"}`; none in a dataset by reference."""
    held = row.get("images") if "images" in row else [row.get("image")]
    return [picture for picture in held or () if picture is not None and picture["bytes"]]


def pictures_of(row: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return the encoded pictures of a row, in order; none in a dataset by reference."""
    return tuple(ImageBytes(picture["bytes"]) for picture in named_pictures(row))


def held_pictures(row: Mapping[str, Any], root: Path) -> tuple[bytes, ...]:
    """Return the encoded pictures of a row of the dataset in `root`, at least one.

    Raises:
        DataError: If the dataset holds no pictures.
    """
    if pictures := pictures_of(row):
        return pictures
    raise DataError(f"{root} holds no images; run `rise-bench rehydrate` on it first")


def joined_sha256(hashes: Sequence[str]) -> str:
    """Return the hashes of the pictures of a row as one text."""
    return " ".join(hashes)


def picture_hashes(joined: str) -> list[str]:
    """Return the hash of each picture of a row, from `source_sha256` or the manifest."""
    return joined.split()
