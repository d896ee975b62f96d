"""Looking at an image file without changing it: is it whole, how large is it shown, what does it look like.

The whole stream of a JPEG is decoded, at 1/8 of its size and without colour: that walks every coded block, so
a tear is found, and costs half of a full decode. Bytes are never re-encoded.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from rise_bench.errors import DataError
from rise_bench.storage import sha256_bytes

_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_SCAN, _END = 0xDA, b"\xff\xd9"
_HASH_SIDE = 8

#: Grey levels by which the thumbnail must vary; flatter images all look alike and get no hash.
_FLAT_STD = 4.0


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image file is.

    Attributes:
        sha256: Hash of the bytes.
        width_px: Width as shown, EXIF orientation applied.
        height_px: Height as shown.
        look: Difference hash (64 bits as 16 hex digits) for finding near-duplicates; empty for a flat image.
    """

    sha256: str
    width_px: int
    height_px: int
    look: str


def inspect_image(data: bytes, name: str) -> ImageFacts:
    """Decode an image to the end and describe it.

    Args:
        data: Encoded image, in any format that Pillow reads; grey and CMYK are fine.
        name: What an error calls it.

    Raises:
        DataError: If it is no image, is torn, or is too large to be decoded safely.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # lmms-eval sets it for the whole process when it is imported
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            image.draft("L", (width // 8, height // 8))
            image.load()
            torn = image.format == "JPEG" and not _jpeg_ends(data)
            width, height = shown_size(image, (width, height))
            look = _difference_hash(image)
    except UnidentifiedImageError:
        raise DataError(
            f"{name}: not an image that Pillow reads ({len(data)} bytes); get the file again"
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: the image cannot be decoded ({error}); get the file again") from error
    if torn:
        raise DataError(f"{name}: the JPEG is torn (its end marker is missing); get the file again")
    return ImageFacts(sha256_bytes(data), width, height, look)


def _jpeg_ends(data: bytes) -> bool:
    """Tell whether an end marker follows the first scan; headers, which may hold a thumbnail, are skipped.

    A file whose tail was never written decodes without an error: zeros are valid codes.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        fill = data[at + 1] == 0xFF
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(_END, at) >= 0


def shown_size(image: Image.Image, stored_px: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return width and height of an image as shown: EXIF may say that it lies on its side.

    Args:
        image: An open image.
        stored_px: Its stored size, where `image` was loaded in reduced size.
    """
    width, height = stored_px or image.size
    return (height, width) if image.getexif().get(_ORIENTATION_TAG) in _SIDEWAYS else (width, height)


def _difference_hash(image: Image.Image) -> str:
    """Return 64 bits: is each cell of a 9 x 8 grey thumbnail darker than its right neighbour."""
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
    """Find the pairs of images that look alike.

    Args:
        looks: (id, look) of one set of images.
        others: (id, look) of the other set.
        max_bits: Largest number of differing bits, of 64.
        listed: Most pairs to return.

    Returns:
        The nearest pairs as (id, other id, differing bits), and how many there are in all.
    """
    left, right = ([(i, look) for i, look in side if look] for side in (looks, others))
    table = np.frombuffer(bytes.fromhex("".join(look for _, look in left)), dtype=np.uint8).reshape(-1, 8)
    pairs: list[tuple[str, str, int]] = []
    total = 0
    for other_id, look in right:
        differing = table ^ np.frombuffer(bytes.fromhex(look), dtype=np.uint8)
        bits = np.unpackbits(differing, axis=1).sum(axis=1)
        near = np.flatnonzero(bits <= max_bits)
        total += len(near)
        pairs += [(left[i][0], other_id, int(bits[i])) for i in near]
        pairs = sorted(pairs, key=lambda pair: (pair[2], pair[0], pair[1]))[:listed]
    return pairs, total
