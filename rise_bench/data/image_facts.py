"""Completeness, size as shown and difference hash of an image file.

A JPEG is decoded at 1/8 of its size and without colour: that reads every coded block, so truncation is
detected at half the cost of a full decode. Bytes are never re-encoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rise_bench.data.pictures import joined_sha256
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_bytes
from rise_bench.files.images import decoded, open_image, shown_size

_SCAN, _END = 0xDA, b"\xff\xd9"
_HASH_SIDE = 8
_LOOK_BITS = _HASH_SIDE**2
_POPCOUNT = np.array([number.bit_count() for number in range(2**16)], dtype=np.uint8)

#: Grey levels by which the thumbnail must vary; flatter images all look alike and get no hash.
_FLAT_STD = 4.0


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Hash of the bytes, size as shown (EXIF orientation applied), and difference hash of an image.

    `look` has 64 bits as 16 hex digits, for near-duplicates; empty for a flat image. The facts of several
    images of a row (`facts_of_row`) have the hashes and the looks of all, with blanks between them.
    """

    sha256: str
    width_px: int
    height_px: int
    look: str


def inspect_image(data: bytes, name: str) -> ImageFacts:
    """Decode an encoded image to the end; grey and CMYK are accepted. Errors call it `name`.

    Raises:
        DataError: As `open_image`; also for a JPEG without its end.
    """
    with open_image(data, name) as image:
        stored_px = image.size
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
        with decoded(image):
            width, height = shown_size(image, stored_px)
            look = _difference_hash(image)
        if image.format == "JPEG" and not _jpeg_ends(data):
            raise DataError(f"{name}: the JPEG is truncated (its end marker is missing); get the file again")
    return ImageFacts(sha256_bytes(data), width, height, look)


def facts_of_row(facts: Sequence[ImageFacts], name: str) -> ImageFacts:
    """Return the facts of the images of a row, at least one. Errors call the row `name`.

    Raises:
        DataError: If the images have different sizes.
    """
    first = facts[0]
    for number, image in enumerate(facts[1:], 2):
        if (image.width_px, image.height_px) != (first.width_px, first.height_px):
            raise DataError(
                f"{name}: picture {number} is {image.width_px} x {image.height_px} px, the first "
                f"{first.width_px} x {first.height_px}; the pictures of a row have one size: "
                "scale or pad them"
            )
    looks = " ".join(image.look for image in facts if image.look)
    return ImageFacts(
        joined_sha256([image.sha256 for image in facts]), first.width_px, first.height_px, looks
    )


def _jpeg_ends(data: bytes) -> bool:
    """Whether an end marker follows the first scan; headers, which may hold a thumbnail, are skipped.

    A file with an unwritten tail decodes without an error: zeros are valid codes.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        fill = data[at + 1] == 0xFF
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(_END, at) >= 0


def _difference_hash(image: Image.Image) -> str:
    """Return 64 bits: whether each cell of a 9 x 8 grey thumbnail is darker than its right neighbour."""
    small = image.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.int16)
    if grey.std() < _FLAT_STD:
        return ""
    return np.packbits(grey[:, :-1] < grey[:, 1:]).tobytes().hex()


def near_duplicates(
    looks: Sequence[tuple[str, str]],
    others: Sequence[tuple[str, str]],
    *,
    max_bits: int = 4,
    listed: int = 100,
) -> tuple[list[tuple[str, str, int]], int]:
    """Return pairs of images with similar difference hashes.

    Args:
        looks: (id, look) of one set of images.
        others: (id, look) of the other set.
        max_bits: Largest number of differing bits, of 64.
        listed: Most pairs to return.

    Returns:
        The nearest pairs as (id, other id, differing bits), and how many there are in all.
    """
    left, right = ([(i, look) for i, look in side if look] for side in (looks, others))
    table = np.array([int(look, 16) for _, look in left], dtype=np.uint64)
    bands = [_Band(table, at, _LOOK_BITS // (max_bits + 1)) for at in range(max_bits + 1)]
    pairs: list[tuple[str, str, int]] = []
    total = 0
    for other_id, look in right:
        value = np.uint64(int(look, 16))
        sharing = np.unique(np.concatenate([band.sharing(value) for band in bands]))
        bits = _POPCOUNT[(table[sharing] ^ value).view(np.uint16)].reshape(-1, 4).sum(axis=1)
        near = np.flatnonzero(bits <= max_bits)
        if near.size:
            total += len(near)
            pairs += [(left[sharing[i]][0], other_id, int(bits[i])) for i in near]
            pairs = sorted(pairs, key=lambda pair: (pair[2], pair[0], pair[1]))[:listed]
    return pairs, total


class _Band:
    """Looks in order of some of their bits. Looks that differ in n bits share one of n + 1 bands."""

    def __init__(self, table: NDArray[np.uint64], number: int, bits: int) -> None:
        self._shift, self._mask = np.uint64(number * bits), np.uint64(2**bits - 1)
        keys = self._key(table)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def _key(self, looks: Any) -> Any:
        return looks >> self._shift & self._mask

    def sharing(self, look: np.uint64) -> NDArray[np.intp]:
        """Return the places of the looks that share this band with another look."""
        key = self._key(look)
        return self._order[self._keys.searchsorted(key) : self._keys.searchsorted(key, "right")]
