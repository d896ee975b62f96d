"""Rendering, frames and rescaling: what is written is what was meant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.values import Boxes, frame_of
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_annotation, render_gold

sides = st.integers(1, 5_000)
probs = st.lists(st.floats(0, 1), min_size=2, max_size=12).filter(lambda ps: sum(ps) > 1e-3)


@given(probs)
def test_rendered_probabilities_keep_their_sum(numbers):
    total = sum(numbers)
    shares = tuple(n / total for n in numbers)
    classes = tuple(f"c{i}" for i in range(len(shares)))
    rendered = json.loads(render_annotation(Distribution(classes, shares)))
    assert sum(rendered.values()) == pytest.approx(
        1.0, abs=1e-9
    )  # else a gold target would teach a wrong sum
    assert all(abs(rendered.get(c, 0.0) - p) <= 0.001 + 1e-9 for c, p in zip(classes, shares, strict=True))


@given(sides, sides, st.sampled_from(["px", "norm1000", "resized_px"]))
def test_rescaling_there_and_back_is_the_identity(width, height, unit):
    box = (width * 0.1, height * 0.2, width * 0.3, height * 0.4)
    frame, original = frame_of(unit, width, height), Frame(width, height)
    back = Boxes((box,)).rescale(original, frame).rescale(frame, original)
    assert back.xywh[0] == pytest.approx(box, rel=1e-9)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (644, 476)),  # values of transformers' smart_resize with factor 28 and these limits
        (28, 28, (56, 56)),
        (4000, 3000, (728, 532)),
        (10, 1000, (28, 560)),
    ],
)
def test_resized_frame_is_that_of_the_qwen_processor(width, height, expected):
    frame = frame_of("resized_px", width, height)
    assert (frame.width, frame.height) == expected


def test_resized_frame_equals_smart_resize_of_transformers():
    module = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl")
    for width, height in [(1, 100), (33, 77), (640, 480), (1920, 1080), (5000, 40), (399, 1007)]:
        expected = module.smart_resize(height, width, factor=28, min_pixels=3136, max_pixels=401_408)
        frame = frame_of("resized_px", width, height)
        assert (frame.height, frame.width) == tuple(expected)


def test_small_boxes_keep_a_side_when_rounded():
    gold = Gold("a", Boxes(((10, 10, 0.2, 0.2),)), 2000, 2000)
    assert json.loads(render_gold(gold)) == [[5, 5, 1, 1]]


def test_a_distribution_needs_a_number_for_each_class():
    with pytest.raises(ValueError, match="2 classes but 1 numbers"):
        Distribution(("a", "b"), (1.0,))
