"""Outlines of masks cover what the masks do, and stay within the tolerance of their border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pycocotools import mask as coco

from rise_bench.annotations.base import Outline
from rise_bench.builders.formats.mask_outline import Simplification, outlines_of, simplified, simplify


def painted(outlines: list[Outline], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels of outlines, each filled by itself."""
    pixels = np.zeros(shape, dtype=bool)
    for outline in outlines:
        (filled,) = coco.frPyObjects([[side for point in outline for side in point]], *shape)
        pixels |= coco.decode(filled).astype(bool)
    return pixels


def disc(radius: float, side: int = 120) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    inside: NDArray[np.bool_] = x**2 + y**2 <= radius**2
    return inside


@given(arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_without_tolerance_outlines_cover_exactly_the_mask(mask: NDArray[np.bool_]) -> None:
    """Holes, islands in holes and regions that touch in a corner included."""
    assert (painted(outlines_of(mask, 0), mask.shape) == mask).all()


def test_regions_are_connected_over_corners_and_come_largest_first() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[1:3, 1:3] = mask[3:5, 3:5] = True
    mask[10:16, 2:9] = True
    first, second = outlines_of(mask, 0)
    assert first == ((2, 10), (9, 10), (9, 16), (2, 16)) and len(second) == 8


@pytest.mark.parametrize(
    ("tolerance_px", "most_points", "least_iou"), [(0.5, 64, 0.99), (1, 20, 0.99), (2, 16, 0.98)]
)
def test_a_disc_is_simplified(tolerance_px: float, most_points: int, least_iou: float) -> None:
    mask = disc(50)
    (outline,) = outlines_of(mask, tolerance_px)
    pixels = painted([outline], mask.shape)
    assert len(outline) <= most_points
    assert (pixels & mask).sum() / (pixels | mask).sum() >= least_iou


@given(st.integers(0, 10**6), st.floats(0.1, 8))
def test_no_point_that_is_left_out_is_farther_than_the_tolerance(seed: int, tolerance_px: float) -> None:
    points = np.random.default_rng(seed).uniform(0, 40, (30, 2))
    kept = simplified(points, tolerance_px)
    ends = np.roll(kept, -1, axis=0)
    for point in points:
        ways = ends - kept
        shares = ((point - kept) * ways).sum(axis=1) / np.maximum((ways**2).sum(axis=1), 1e-12)
        nearest = kept + np.clip(shares, 0, 1)[:, None] * ways
        assert np.linalg.norm(nearest - point, axis=1).min() <= tolerance_px + 1e-9


def test_holes_are_kept_and_specks_left_out() -> None:
    mask = disc(50) & ~disc(20)
    mask[0, 0] = True
    mask[60, 15:17] = False
    outlines = outlines_of(mask, 1)
    assert len(outlines) == 1  # the speck is no region of its own
    pixels = painted(outlines, mask.shape)
    assert pixels[60, 15] and not pixels[0, 0]
    assert not pixels[60, 60] and abs(int(pixels.sum()) - int(mask.sum())) < 0.02 * mask.sum()


@pytest.mark.parametrize("mask", [np.ones((1, 1)), np.ones((1, 9)), np.eye(5)])
def test_what_a_tolerance_would_swallow_keeps_its_border(mask: NDArray[np.float64]) -> None:
    outlines = outlines_of(mask > 0, 3)
    assert len(outlines) == 1 and painted(outlines, mask.shape).sum() == mask.sum()


def test_the_loss_is_recorded() -> None:
    record = Simplification(1.0)
    assert "no mask" in record.summary()
    simplify(record, np.ones((30, 40), dtype=bool), "box")
    simplify(record, disc(10), "disc")
    assert record.ious["disc"] < record.ious["box"] <= 1
    assert "1 px" in record.summary() and f"{record.ious['disc']:.4f} at the least (disc)" in record.summary()
