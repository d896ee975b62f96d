"""Boxes in pixels of the resized image mean the same to the prompt and to the libraries that resize."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rise_bench.annotations.boxes.values import MAX_PIXELS, MIN_PIXELS, frame_of
from rise_bench.evaluation.image_limits import checkpoint_limits

sides = st.integers(min_value=8, max_value=6000)


@given(sides, sides)
@example(
    1024, 683
)  # resized straight from here, lmms-eval's two roundings give 784 x 504, one gives 756 x 504
@example(28, 28)
@example(4000, 40)
def test_processors_leave_an_image_of_the_stated_size_alone(width, height):
    """So it does not matter how often a backend resizes what `doc_to_visual` returns."""
    from qwen_vl_utils.vision_process import smart_resize as of_qwen_vl_utils
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize as of_transformers

    if max(width, height) / min(width, height) > 100:
        return  # the processors refuse such strips
    frame = frame_of("resized_px", width, height)
    size = (int(frame.height), int(frame.width))
    assert of_qwen_vl_utils(*size, factor=28) == size  # its own wide limits
    assert of_transformers(*size, factor=28, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS) == size


def test_two_roundings_without_that_would_move_the_frame():
    """The reason for resizing first: this is what lmms-eval's Qwen2.5-VL does to an image of 1024 x 683."""
    from qwen_vl_utils.vision_process import smart_resize as of_qwen_vl_utils
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize as of_transformers

    once = of_qwen_vl_utils(683, 1024, factor=28)
    twice = of_transformers(*once, factor=28, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
    frame = frame_of("resized_px", 1024, 683)
    assert twice == (504, 784)
    assert (frame.height, frame.width) == (504, 756)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (500, 375), (1024, 683), (60, 40), (3000, 4000)])
def test_the_frame_is_that_of_the_processor(width, height):
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    frame = frame_of("resized_px", width, height)
    expected = smart_resize(height, width, factor=28, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
    assert (frame.height, frame.width) == expected


def test_limits_of_a_checkpoint_are_those_that_transformers_reads(tmp_path):
    from transformers import Qwen2VLImageProcessor

    published = {
        "min_pixels": 3136,
        "max_pixels": 12_845_056,
        "size": {"shortest_edge": 1, "longest_edge": 2},
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(published))
    size = Qwen2VLImageProcessor.from_pretrained(tmp_path).size
    found = checkpoint_limits(str(tmp_path))
    assert (size["shortest_edge"], size["longest_edge"]) == (found.smallest, found.largest)
