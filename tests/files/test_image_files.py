"""Every image is opened in one place: which files, how large, and what a model is shown."""

import ast
import base64
import io
import random
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from datasets import Image as ImageFeature
from PIL import Image, ImageFile

from rise_bench.data.image_facts import inspect_image
from rise_bench.errors import DataError
from rise_bench.files import images as image_files
from rise_bench.files.images import decode_rgb, decoded, open_image
from rise_bench.models.data_urls import data_url

from ..support.made_sources import photo

OPENED = ["JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM"]
NOT_OPENED = ["EPS", "PDF", "ICO", "TGA", "PCX", "SGI", "DDS", "JPEG2000", "SPIDER", "QOI"]


def encoded(image: Image.Image, form: str = "PNG", **save: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **save)
    return buffer.getvalue()


def picture(mode: str = "RGB", size_px: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.open(io.BytesIO(photo(3, size_px, form="PNG"))).convert(mode)


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(size_px: tuple[int, int], rows: bytes, bits: int, colour: int) -> bytes:
    """A PNG from its parts: for depths that Pillow does not write, and sizes that cost nothing."""
    header = struct.pack(">IIBBBBB", *size_px, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def levels(image: Image.Image) -> list[int]:
    return np.asarray(image).ravel().tolist()


@pytest.mark.parametrize("form", OPENED)
def test_formats_that_are_opened(form: str) -> None:
    data = encoded(picture(), form)
    facts = inspect_image(data, "x")
    assert (facts.width_px, facts.height_px) == (40, 30)
    shown = decode_rgb(data)
    assert (shown.mode, shown.size) == ("RGB", (40, 30))
    assert levels(shown) == levels(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("form", NOT_OPENED)
def test_formats_that_are_not(form: str) -> None:
    data = encoded(picture("L" if form == "SPIDER" else "RGB", (32, 32)), form)
    for read in (inspect_image, decode_rgb):
        with pytest.raises(DataError, match=r"photo\.jpg: (this is|not an image of a format)"):
            read(data, "photo.jpg")


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `gs` that leaves a mark when it is started."""
    ran = tmp_path / "ran"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit\necho x > {ran}\nexit 1\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    return ran


def test_no_file_starts_a_program(ghostscript: Path) -> None:
    """A PostScript file called photo.jpg starts Ghostscript where Pillow may choose the decoder."""
    data = encoded(picture(), "EPS")
    for read in (inspect_image, decode_rgb, lambda data, _: data_url(data)):
        with pytest.raises(DataError, match="PostScript.*convert it"):
            read(data, "photo.jpg")
    assert not ghostscript.exists()
    with pytest.raises(Exception, match="gs"), Image.open(io.BytesIO(data)) as image:
        image.load()
    assert ghostscript.exists()  # the trap works


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"<html>404</html>", "not an image of a format"),
        (b"%PDF-1.7 ...", "a PDF.*convert"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC.*convert"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"PK\x03\x04....", "ZIP.*unpack"),
        (bytes(128) + b"DICM", "DICOM.*convert"),
        (png((0, 5), b"", 8, 0), "."),
    ],
)
def test_what_is_no_image_is_told_with_what_to_do(data: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=rf"a\.jpg: .*{problem}"):
        decode_rgb(data, "a.jpg")


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("form", OPENED)
def test_broken_files_are_errors_and_nothing_else(form: str) -> None:
    """Cut anywhere, and with bits flipped: an image comes out, or an error that names the file."""
    data = encoded(picture(), form)
    rng = random.Random(form)
    broken = [data[: len(data) * i // 23] for i in range(23)]
    for _ in range(50):
        flipped = bytearray(data)
        for _ in range(rng.choice((1, 3, 9))):
            flipped[rng.randrange(min(len(flipped), 400))] ^= 1 << rng.randrange(8)
        broken.append(bytes(flipped))
    errors = 0
    for bad in broken:
        for read in (inspect_image, decode_rgb):
            try:
                read(bad, "a.jpg")
            except DataError as error:
                assert str(error).startswith("a.jpg: ")
                errors += 1
    assert errors > len(broken) // 4


@pytest.mark.parametrize("form", OPENED)
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated_file_is_found(form: str, keep: float) -> None:
    data = photo(5, (200, 150), form=form)
    with pytest.raises(DataError, match=r"a\.jpg"):
        inspect_image(data[: int(len(data) * keep)], "a.jpg")


@pytest.mark.parametrize(
    "raised",
    [
        *(RuntimeError, SyntaxError, ValueError, TypeError, OverflowError, MemoryError, EOFError, IndexError),
        *(KeyError, AttributeError, AssertionError, ZeroDivisionError, RecursionError, UnicodeError),
        *(struct.error, zlib.error),
    ],
)
def test_whatever_a_decoder_raises_names_the_file(
    raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoders of new formats raise new types; AVIF's raises RuntimeError."""

    def fail(self: object) -> None:
        raise raised("broken")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    for read in (inspect_image, decode_rgb):
        with pytest.raises(DataError, match=r"dir/a\.png: .*(get the file again|make it smaller)"):
            read(photo(1, form="PNG"), "dir/a.png")


def test_interrupt_is_not_taken_for_a_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFile.ImageFile, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decode_rgb(photo(1, form="PNG"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("size_px", "bits", "colour", "fits"),
    [
        ((9_400, 9_400), 1, 0, True),  # 88 megapixels
        ((13_000, 13_000), 1, 0, False),  # 21 kB on the disk, 507 MB as RGB
        ((9_500, 9_500), 8, 2, False),
        ((8_100, 8_100), 8, 6, True),
        ((8_300, 8_300), 8, 6, False),  # four channels
        ((89_000_000, 1), 8, 0, True),
        ((40_000, 40_000), 1, 0, False),  # where Pillow raises by itself
    ],
)
def test_limit_counts_decoded_bytes(size_px: tuple[int, int], bits: int, colour: int, fits: bool) -> None:
    data = png(size_px, b"", bits, colour)
    if fits:
        with open_image(data, "big.png") as image:
            assert image.size == size_px
        return
    for read in (inspect_image, decode_rgb):
        with pytest.raises(DataError, match=r"big\.png: .*limit is \d+ megapixels; make it smaller"):
            read(data, "big.png")


def test_large_images_are_decoded_one_at_a_time() -> None:
    """So the threads of a build hold one large image together, not one each."""
    with decoded(Image.new("L", (4_000, 3_000))):
        assert image_files._ONE_LARGE.locked()
    with decoded(Image.new("RGB", (1_000, 1_000))):
        assert not image_files._ONE_LARGE.locked()


@pytest.mark.parametrize(
    ("mode", "form"),
    [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF"), ("I", "TIFF"), ("F", "TIFF"), ("I;16", "PPM")],
)
def test_more_than_8_bits_is_refused(mode: str, form: str) -> None:
    """Converted to RGB such an image is all white or all black, for every model."""
    image = Image.fromarray(np.linspace(0, 60_000, 1_200, dtype=np.float32).reshape(30, 40))
    data = encoded(image.convert("I").convert(mode) if mode != "F" else image, form)
    for read in (inspect_image, decode_rgb, lambda data, _: data_url(data)):
        with pytest.raises(DataError, match="8 bits a channel.*convert it to 8 bits"):
            read(data, "x-ray.png")


def test_16_bits_in_colour_keep_their_upper_8() -> None:
    values = [0x0102, 0x7FFF, 0xFFFF, 0x8000, 0x00FF, 0x1234]
    data = png((2, 1), b"\0" + struct.pack(">6H", *values), 16, 2)
    assert levels(decode_rgb(data)) == [value >> 8 for value in values]


def test_colours_that_do_not_convert_are_refused() -> None:
    with pytest.raises(DataError, match="mode LAB; convert it to RGB"):
        inspect_image(encoded(Image.new("LAB", (4, 4)), "TIFF"), "x")


def kinds_of_picture() -> Iterator[tuple[str, bytes]]:
    """Files whose bytes and whose look are not the same thing."""
    faded = picture("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(faded.size))
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = picture("P")
    yield "opaque RGBA", encoded(picture("RGBA"))
    yield "transparent RGBA", encoded(faded)
    yield "transparent WebP", encoded(faded, "WEBP", lossless=True)
    yield "grey with alpha", encoded(faded.convert("LA"))
    yield "palette with a transparent colour", encoded(palette, transparency=palette.getpixel((0, 0)))
    yield "RGB with a transparent colour", encoded(picture(), transparency=(picture().getpixel((0, 0))))
    yield "grey", encoded(picture("L"))
    yield "one bit", encoded(picture("1"))
    yield "palette", encoded(palette)
    yield "CMYK", photo(4, mode="CMYK")
    yield "turned JPEG", photo(4, exif=exif)
    yield "turned PNG", photo(4, form="PNG", exif=exif)
    yield "turned TIFF", photo(4, form="TIFF", exif=exif)
    other = Image.new("RGB", (40, 30), "red")
    for form in ("GIF", "WEBP", "PNG", "TIFF", "MPO"):
        yield f"moving {form}", encoded(picture(), form, save_all=True, append_images=[other])


@pytest.mark.parametrize(("name", "data"), [pytest.param(n, d, id=n) for n, d in kinds_of_picture()])
def test_a_server_is_sent_what_a_model_here_is_shown(name: str, data: bytes) -> None:
    kind, _, payload = data_url(data).partition(";base64,")
    assert kind in ("data:image/jpeg", "data:image/png", "data:image/webp")
    sent = Image.open(io.BytesIO(base64.b64decode(payload)))
    assert sent.mode in ("1", "L", "P", "RGB")
    assert levels(sent.convert("RGB")) == levels(decode_rgb(data))


def test_transparent_parts_are_white_and_the_rest_is_untouched() -> None:
    image = Image.new("RGBA", (3, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    image.putpixel((2, 0), (0, 0, 0, 128))
    shown = levels(decode_rgb(encoded(image)))
    assert shown == [10, 20, 30, 255, 255, 255, 127, 127, 127]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(10))
def test_images_are_turned_as_datasets_turns_them(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = photo(1, (64, 40), form=form, exif=exif)
    shown = ImageFeature().decode_example({"bytes": data, "path": None}).convert("RGB")
    assert levels(decode_rgb(data)) == levels(shown)
    facts = inspect_image(data, "x")
    assert (facts.width_px, facts.height_px) == shown.size


def test_first_frame_of_an_animation_is_shown() -> None:
    for form in ("GIF", "WEBP", "PNG"):
        data = encoded(picture(), form, save_all=True, append_images=[Image.new("RGB", (40, 30), "red")])
        assert abs(np.asarray(decode_rgb(data), int) - np.asarray(picture(), int)).mean() < 30, form


def test_images_are_opened_nowhere_else(root: Path) -> None:
    """Any other way in would skip the list of formats, the limit and the conversion."""
    places = []
    for folder in ("rise_bench", "builders", "tasks", "trainers", "leaderboards", "benchmarks"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            if "Image" not in text and "decode_example" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Attribute) and (
                    node.attr == "decode_example"
                    or (node.attr == "open" and ast.unparse(node.value).endswith("Image"))
                ):
                    places.append(f"{path.relative_to(root)}: {ast.unparse(node)}")
                if isinstance(node, ast.ImportFrom) and node.module == "PIL.Image":
                    places.append(f"{path.relative_to(root)}: {ast.unparse(node)}")
    assert places == ["rise_bench/files/images.py: Image.open"]
