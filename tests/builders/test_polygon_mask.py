"""Polygons are filled as OpenCV fills them, without OpenCV."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rise_bench.builders.formats.polygon_mask import Point, fill_polygon


def painted(points: list[Point], size_px: tuple[int, int]) -> NDArray[np.uint8]:
    patch = fill_polygon(points, size_px)
    mask = np.zeros(size_px[::-1], dtype=np.uint8)
    patch.window(mask)[patch.pixels] = 1
    return mask


@given(
    size_px=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    corners=st.lists(st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)), min_size=1, max_size=12),
)
def test_equals_opencv(size_px: tuple[int, int], corners: list[tuple[float, float]]) -> None:
    """Self-crossing outlines, single points and lines included."""
    cv2 = pytest.importorskip("cv2")
    points = [(int(x * size_px[0]), int(y * size_px[1])) for x, y in corners]
    expected = np.zeros(size_px[::-1], dtype=np.uint8)
    cv2.polylines(expected, np.array([points], dtype=np.int32), True, 1, 1)
    cv2.fillPoly(expected, np.array([points], dtype=np.int32), 1)
    assert (painted(points, size_px) == expected).all()


@pytest.mark.parametrize(
    ("points", "rows"),
    [
        ([(1, 1), (3, 1), (3, 3), (1, 3)], [".....", ".###.", ".###.", ".###."]),
        ([(0, 0), (4, 0), (0, 3)], ["#####", "####.", "###..", "#...."]),
        ([(2, 2)], [".....", ".....", "..#..", "....."]),
        ([(0, 3), (4, 0)], ["....#", "...#.", ".##..", "#...."]),
        ([(-5, -5), (1, -5), (1, 1), (-5, 1)], ["##...", "##...", ".....", "....."]),
        ([(3, 2), (9, 2), (9, 9), (3, 9)], [".....", ".....", "...##", "...##"]),
        ([(9, 9), (12, 9), (12, 12)], [".....", ".....", ".....", "....."]),
    ],
)
def test_known_shapes(points: list[Point], rows: list[str]) -> None:
    assert ["".join(".#"[pixel] for pixel in row) for row in painted(points, (5, 4))] == rows


def test_patch_is_no_larger_than_the_polygon() -> None:
    """A photo of 12 megapixels with many polygons must not need 12 megabytes for each."""
    patch = fill_polygon([(3000, 2000), (3010, 2000), (3010, 2005)], (4000, 3000))
    assert (patch.left, patch.top, patch.pixels.shape) == (3000, 2000, (6, 11))
