"""Images are looked at and never changed: torn files are found, shown size told, likenesses counted."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rise_bench.data.image_facts import inspect_image, near_duplicates
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_bytes

from ..support.made_sources import photo, with_comment


@pytest.mark.parametrize(
    ("mode", "form", "save"),
    [
        ("RGB", "JPEG", {}),
        ("RGB", "JPEG", {"progressive": True}),
        ("L", "JPEG", {}),  # ImageNet has grey files
        ("CMYK", "JPEG", {}),  # and CMYK ones
        ("RGB", "PNG", {}),  # and a PNG that is called JPEG
        ("RGBA", "PNG", {}),
        ("P", "PNG", {}),
        ("L", "BMP", {}),
        ("RGB", "WEBP", {}),
    ],
)
def test_every_kind_of_file_is_read(mode: str, form: str, save: dict[str, bool]) -> None:
    data = photo(3, (50, 38), mode=mode, form=form, **save)
    facts = inspect_image(data, "x")
    assert (facts.width_px, facts.height_px) == (50, 38)
    assert facts.sha256 == sha256_bytes(data)
    assert len(bytes.fromhex(facts.look)) == 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_as_datasets_shows_it(orientation: int) -> None:
    """Cameras store a portrait sideways with an EXIF note; `datasets` turns it before a model sees it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = photo(1, (64, 40), exif=exif)
    from datasets import Image as ImageFeature

    shown = ImageFeature().decode_example({"bytes": data, "path": None})
    facts = inspect_image(data, "x")
    assert (facts.width_px, facts.height_px) == shown.size


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.7, 0.95, 0.999])
@pytest.mark.parametrize("progressive", [False, True])
def test_cut_jpeg_is_found(keep: float, progressive: bool) -> None:
    data = photo(5, (400, 300), quality=90, progressive=progressive)
    with pytest.raises(DataError, match=r"a\.jpg.*get the file again"):
        inspect_image(data[: int(len(data) * keep)], "a.jpg")


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_jpeg_whose_tail_is_zeros_is_found(keep: float) -> None:
    """A crash leaves files of the right length whose last blocks were never written; they decode silently."""
    data = photo(5, (400, 300), quality=90)
    kept = int(len(data) * keep)
    with pytest.raises(DataError, match="truncated|cannot be decoded"):
        inspect_image(data[:kept] + bytes(len(data) - kept), "a.jpg")


@pytest.mark.parametrize(
    "tail", [b"camera maker's data", b"\xff\xda a film of the moment \xff\xda", bytes(999)]
)
def test_bytes_after_the_end_marker_are_fine(tail: bytes) -> None:
    inspect_image(photo(5) + tail, "a.jpg")


def test_end_marker_of_a_thumbnail_does_not_count() -> None:
    thumbnail, data = photo(1, (16, 12)), photo(5, (400, 300), quality=90)
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = data[:2] + segment + data[2:]
    inspect_image(whole, "a.jpg")
    kept = int(len(whole) * 0.7)
    with pytest.raises(DataError, match="truncated|cannot be decoded"):
        inspect_image(whole[:kept] + bytes(len(whole) - kept), "a.jpg")


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\xff\xd8\xff", photo(1, form="PNG")[:200]])
def test_what_is_no_image_is_an_error(data: bytes) -> None:
    with pytest.raises(DataError, match=r"b\.png"):
        inspect_image(data, "b.png")


def look(data: bytes) -> str:
    return inspect_image(data, "x").look


def test_near_duplicates_are_the_same_picture_in_other_bytes() -> None:
    pictures = [photo(i, (320, 240), quality=95) for i in range(6)]
    again = photo(2, (320, 240), quality=60)
    smaller = photo(4, (240, 180), quality=90)
    pairs, total = near_duplicates(
        [(f"train {i}", look(data)) for i, data in enumerate(pictures)],
        [
            ("a", look(with_comment(pictures[0], "copy"))),
            ("b", look(again)),
            ("c", look(smaller)),
            ("d", look(photo(99))),
        ],
    )
    assert {(left, right) for left, right, _ in pairs} == {
        ("train 0", "a"),
        ("train 2", "b"),
        ("train 4", "c"),
    }
    assert total == 3
    assert pairs[0] == ("train 0", "a", 0)


def test_flat_images_have_no_look_and_match_nothing() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (127, 127, 127)).save(buffer, "JPEG")
    assert look(buffer.getvalue()) == ""
    assert near_duplicates([("a", "")], [("b", "")]) == ([], 0)


def test_near_duplicates_count_all_and_list_the_nearest() -> None:
    rng = np.random.default_rng(0)
    base = int(rng.integers(0, 2**62))
    hexes = [f"{base ^ ((1 << bits) - 1):016x}" for bits in range(7)]
    pairs, total = near_duplicates([(f"{i}", h) for i, h in enumerate(hexes)], [("x", hexes[0])], listed=2)
    assert pairs == [("0", "x", 0), ("1", "x", 1)]
    assert total == 5  # up to 4 differing bits


@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.sets(st.integers(0, 63), max_size=7), max_size=8),
    st.integers(0, 8),
)
def test_near_duplicates_are_those_of_every_pair(look: int, flips: list[set[int]], max_bits: int) -> None:
    near = [f"{look ^ sum(1 << bit for bit in bits):016x}" for bits in flips]
    pairs, total = near_duplicates(
        [(str(i), text) for i, text in enumerate(near)], [("x", f"{look:016x}")], max_bits=max_bits
    )
    expected = sorted((len(bits), str(i)) for i, bits in enumerate(flips) if len(bits) <= max_bits)
    assert [(bits, i) for i, _, bits in pairs] == expected
    assert total == len(expected)


@pytest.mark.parametrize("size_px", [(7, 20), (20, 7), (1, 1)])
def test_a_jpeg_of_a_few_pixels_is_an_image(size_px: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size_px, "navy").save(file, "JPEG")
    facts = inspect_image(file.getvalue(), "small.jpg")
    assert (facts.width_px, facts.height_px) == size_px
