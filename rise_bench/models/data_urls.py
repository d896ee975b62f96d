"""Pictures as data URLs, the form in which endpoints take them."""

import asyncio
import base64
import io

from rise_bench.files.images import ImageBytes, decode_rgb, is_plain, open_image

_PLAIN_FORMATS = {"JPEG", "PNG", "WEBP", "GIF"}


async def sent_url(image: bytes) -> str:
    """Return the data URL of a picture, which is encoded once for all requests about it."""
    url = getattr(image, "data_url", None) or _plain_url(image)
    if url is None:
        url = await asyncio.to_thread(data_url, image)  # takes as long as many requests
    if isinstance(image, ImageBytes):
        image.data_url = url
    return url


def data_url(image: bytes) -> str:
    """Return an image file as a data URL; re-encoded only if servers may not show it upright."""
    if (url := _plain_url(image)) is not None:
        return url
    buffer = io.BytesIO()
    decode_rgb(image).save(buffer, "PNG")
    return _url("PNG", buffer.getvalue())


def _plain_url(image: bytes) -> str | None:
    """Return the data URL of a file that any server shows upright."""
    with open_image(image, "the image") as opened:
        kind = opened.format or ""
        plain = kind in _PLAIN_FORMATS and is_plain(opened)
    return _url(kind, image) if plain else None


def _url(kind: str, image: bytes) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(image).decode()}"
