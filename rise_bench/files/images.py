"""Decoder of image files for builders, tasks, trainers and endpoints.

docs/decisions/image_files.md explains formats, limits and the conversion for models.
"""

import contextlib
import functools
import io
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from rise_bench.errors import DataError, RiseError

#: Accepted formats, by Pillow's names; JPEG includes MPO. None of them names or runs a program.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")

#: Endings of files of these formats.
IMAGE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)

#: Largest image, in bytes once decoded: 89 megapixels in colour, 67 with transparency.
MAX_DECODED_BYTES = 256 << 20

#: Size above which images are decoded one at a time.
_LARGE_BYTES = 32 << 20
_ONE_LARGE = threading.Lock()

#: Modes of at most 8 bits a channel that convert to RGB without loss of levels.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")

_WIDTH_TAG, _HEIGHT_TAG = 0x0100, 0x0101
_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_CONVERT = "convert it to JPEG or PNG"

#: (offset, bytes) -> name of an unsupported file format, and the fix.
_OTHER_FILES = {
    (0, b"%!PS"): ("a PostScript file", _CONVERT),
    (0, b"\xc5\xd0\xd3\xc6"): ("a PostScript file", _CONVERT),
    (0, b"%PDF"): ("a PDF", _CONVERT),
    (0, b"8BPS"): ("a Photoshop file", _CONVERT),
    (0, b"SIMPLE  ="): ("a FITS file", _CONVERT),
    (0, b"\xd7\xcd\xc6\x9a"): ("a Windows metafile", _CONVERT),
    (0, b"\x00\x00\x01\x00"): ("an icon", _CONVERT),
    (0, b"\x00\x00\x00\x0cjP  "): ("a JPEG 2000 file", _CONVERT),
    (0, b"\xff\x4f\xff\x51"): ("a JPEG 2000 file", _CONVERT),
    (0, b"\x00\x00\x00\x0cJXL "): ("a JPEG XL file", _CONVERT),
    (4, b"ftyphe"): ("a HEIC photo", _CONVERT),
    (4, b"ftypmif1"): ("a HEIC photo", _CONVERT),
    (128, b"DICM"): ("a DICOM file", _CONVERT),
    (0, b"PK\x03\x04"): ("a ZIP archive", "unpack it"),
    (0, b"\x1f\x8b"): ("a gzip archive", "unpack it"),
    (0, b"version https://git-lfs"): ("a Git LFS pointer and not the file itself", "run `git lfs pull`"),
}


class ImageBytes(bytes):
    """Bytes of an image file, with a place for the data URL that they were sent as."""

    data_url: str | None = None


@contextlib.contextmanager
def open_image(file: bytes | Path, name: str) -> Iterator[Image.Image]:
    """Open an image, called `name` in errors, without decoding it; the first of several pages or frames.

    Raises:
        DataError: If it is not an image of `FORMATS`, is truncated or otherwise broken, is larger than
            `MAX_DECODED_BYTES`, or has more than 8 bits per channel; also for decoder errors in the block.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # lmms-eval sets it for the whole process when it is imported
    with contextlib.ExitStack() as stack:
        stack.enter_context(_decoder_errors(name))
        try:
            image = stack.enter_context(Image.open(_stream(file, stack), formats=load_decoders()))
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(f"{name}: {_refusal(file, error)}") from None
        _check(image, name)
        yield image


@contextlib.contextmanager
def decoded(image: Image.Image) -> Iterator[None]:
    """Decode an open image to its end; only one large image is in memory at a time."""
    with _ONE_LARGE if _decoded_bytes(image) > _LARGE_BYTES else contextlib.nullcontext():
        image.load()
        yield


def decode_rgb(file: bytes | Path, name: str = "the image") -> Image.Image:
    """Decode an image for a model: upright, RGB, transparent parts on white; errors as `open_image`."""
    with open_image(file, name) as image, decoded(image):
        orientation = image.getexif().get(_ORIENTATION_TAG)
        shown = opaque_rgb(image)
        return shown.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else shown


def opaque_rgb(image: Image.Image) -> Image.Image:
    """Return an image in RGB, transparent parts on white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = Image.new("RGBA", image.size, "white")
    seen.alpha_composite(image.convert("RGBA"))
    return seen.convert("RGB")


def is_plain(image: Image.Image) -> bool:
    """Whether other programs show an open image like `decode_rgb`, so that its bytes may be sent."""
    turned = image.getexif().get(_ORIENTATION_TAG) in _UPRIGHT
    moving = getattr(image, "is_animated", False)
    return image.mode in ("1", "L", "P", "RGB") and not (image.has_transparency_data or turned or moving)


def shown_size(image: Image.Image, stored_px: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return width and height of an open image with its EXIF orientation.

    Args:
        image: An open image.
        stored_px: Stored size of an image that was loaded in reduced size.
    """
    width, height = stored_px or image.size
    if image.getexif().get(_ORIENTATION_TAG) not in _SIDEWAYS:
        return width, height
    if isinstance(image, TiffImageFile):  # Pillow 13 tells the turned size before it has turned the image
        width, height = image.tag_v2[_WIDTH_TAG], image.tag_v2[_HEIGHT_TAG]
    return height, width


@functools.cache
def load_decoders() -> tuple[str, ...]:
    """Load Pillow's decoders once; return the available `FORMATS`."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _stream(file: bytes | Path, stack: contextlib.ExitStack) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(file) if isinstance(file, bytes) else stack.enter_context(file.open("rb"))


@contextlib.contextmanager
def _decoder_errors(name: str) -> Iterator[None]:
    try:
        yield
    except RiseError:
        raise
    except MemoryError as error:
        raise DataError(f"{name}: there is not enough memory to decode the image; make it smaller") from error
    except Exception as error:  # Pillow's decoders raise any exception on broken files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{name}: the image cannot be decoded ({reason}); get the file again") from error


def _check(image: Image.Image, name: str) -> None:
    if min(image.size) < 1:
        raise DataError(f"{name}: the image is {image.width} x {image.height} px; get the file again")
    if _decoded_bytes(image) > MAX_DECODED_BYTES:
        size = f"{image.width} x {image.height} px"
        raise DataError(f"{name}: the image of {size} {_too_large(max(3, len(image.getbands())))}")
    if image.mode.startswith(("I", "F")):
        raise DataError(
            f"{name}: the image has more than 8 bits a channel (mode {image.mode}), which a model would see "
            "all white or all black; convert it to 8 bits, choosing the levels that are to be seen"
        )
    if image.mode not in _MODES:
        raise DataError(f"{name}: the image has colours of mode {image.mode}; convert it to RGB")


def _decoded_bytes(image: Image.Image) -> int:
    return image.width * image.height * max(3, len(image.getbands()))


def _too_large(bands: int) -> str:
    megapixels = MAX_DECODED_BYTES / bands / 1e6
    return f"is too large to be decoded safely: the limit is {megapixels:.0f} megapixels; make it smaller"


def _refusal(file: bytes | Path, error: Exception) -> str:
    """Return why a file is not opened, and the fix."""
    if isinstance(error, Image.DecompressionBombError):
        return f"the image {_too_large(3)}"
    with contextlib.ExitStack() as stack:
        stream = _stream(file, stack)
        start = stream.read(256)
        size = stream.seek(0, io.SEEK_END)
    if not size:
        return "the file is empty; get the file again"
    for (offset, mark), (what, fix) in _OTHER_FILES.items():
        if start.startswith(mark, offset):
            return f"this is {what}, which is not opened; {fix}"
    return f"not an image of a format that is opened ({', '.join(FORMATS)}; {size} bytes); get the file again"
