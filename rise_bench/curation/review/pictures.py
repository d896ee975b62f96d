"""Images as a browser shows them."""

import io

from rise_bench.files.images import decode_rgb, is_plain, open_image

#: Formats that every browser shows, by Pillow's names -> media type.
_SHOWN = {"PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp"}


def browser_image(data: bytes, name: str) -> tuple[bytes, str]:
    """Return an encoded image that a browser shows as a model sees it, and its media type.

    Args:
        data: Encoded image; sent as it is where browsers agree on it, and as PNG if not.
        name: Name of the image in errors.

    Raises:
        DataError: The file is not an image that can be opened.
    """
    with open_image(data, name) as image:
        if image.format in ("JPEG", "MPO"):  # browsers turn it as EXIF says
            return data, "image/jpeg"
        if image.format in _SHOWN and is_plain(image):
            return data, _SHOWN[image.format]
    out = io.BytesIO()
    decode_rgb(data, name).save(out, "PNG")
    return out.getvalue(), "image/png"
