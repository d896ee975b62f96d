"""Several pictures of a row as one, for people: models get each picture by itself."""

import io
from collections.abc import Sequence

from PIL import Image

from rise_bench.files.images import decode_rgb

_GAP_PX = 8


def one_picture(pictures: Sequence[bytes], name: str = "the image") -> bytes:
    """Return the encoded picture of a row; several, called `name` in errors, as a PNG of them side by side.

    Raises:
        DataError: As `decode_rgb`.
    """
    if len(pictures) == 1:
        return pictures[0]
    file = io.BytesIO()
    side_by_side([decode_rgb(picture, name) for picture in pictures]).save(file, "PNG")
    return file.getvalue()


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures from left to right with a white gap; a single one as it is."""
    if len(pictures) == 1:
        return pictures[0]
    width = sum(picture.width for picture in pictures) + _GAP_PX * (len(pictures) - 1)
    joined = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width + _GAP_PX
    return joined
