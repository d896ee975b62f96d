import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from rise_bench.models.prepared_pictures import prepare_pictures_once


def picture(seed, size=(150, 90), mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.fixture
def processors(tiny, grid_family):
    """The stock processor, one that prepares pictures once, and how many pictures that one prepared."""
    stock, once = (AutoProcessor.from_pretrained(tiny(grid_family), padding_side="left") for _ in range(2))
    prepared, prepare = [], type(once.image_processor)._preprocess

    class Counting(type(once.image_processor)):
        def _preprocess(self, images, *others, **named):
            prepared.extend(images)
            return prepare(self, images, *others, **named)

    once.image_processor.__class__ = Counting
    prepare_pictures_once(once.image_processor)
    return stock, once, prepared


def batch(processor, rows, **how):
    content = [*({"type": "image"} for _ in rows[0]), {"type": "text", "text": "what?"}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    return processor(text=[text] * len(rows), images=rows, padding=True, **how)


def test_tensors_are_the_same_and_equal_pictures_are_prepared_once(processors):
    stock, once, prepared = processors
    red, blue, gray = picture(0), picture(1, (90, 150)), picture(2, mode="L")
    calls = [[[red], [picture(0)], [blue]], [[blue, red], [red, blue]], [[gray], [gray.convert("RGB")]]]
    for rows, new in zip(calls, (2, 0, 2), strict=True):
        prepared.clear()
        given, expected = (batch(p, rows, return_tensors="pt") for p in (once, stock))
        assert set(given) == set(expected) and len(prepared) == new
        for name, tensor in expected.items():
            assert torch.equal(given[name], tensor) and given[name].dtype == tensor.dtype, name


def test_one_changed_pixel_or_setting_is_prepared_anew(processors):
    stock, once, prepared = processors
    first, second = picture(0), picture(0)
    second.putpixel((3, 4), (1, 2, 3))
    for image, size in ((first, None), (second, None), (second, 20_000), (second, 10_000)):
        prepared.clear()
        for processor in (stock, once):
            if size:
                processor.image_processor.size = {"shortest_edge": 3136, "longest_edge": size}
        given, expected = (p.image_processor(images=[image], return_tensors="pt") for p in (once, stock))
        assert torch.equal(given["pixel_values"], expected["pixel_values"]) and len(prepared) == 1
        given["pixel_values"].zero_()  # what is remembered is out of the caller's reach
        again = once.image_processor(images=image, return_tensors="pt")
        assert torch.equal(again["pixel_values"], expected["pixel_values"]) and len(prepared) == 1


def test_what_is_no_picture_of_pil_is_left_to_the_processor(processors):
    stock, once, _ = processors
    array = np.array(picture(0))
    given, expected = (p.image_processor(images=[array, array], return_tensors="pt") for p in (once, stock))
    assert torch.equal(given["pixel_values"], expected["pixel_values"])


def test_saved_copied_and_pickled_it_is_the_processor_that_it_was(tiny, grid_family, tmp_path):
    stock, once = (AutoProcessor.from_pretrained(tiny(grid_family)) for _ in range(2))
    prepare_pictures_once(once.image_processor)
    prepare_pictures_once(once.image_processor)  # the second time changes nothing
    once.image_processor(images=[picture(0)])
    for processor, name in ((stock, "stock"), (once, "once")):
        processor.save_pretrained(tmp_path / name)
    for path in (tmp_path / "stock").iterdir():
        assert path.read_bytes() == (tmp_path / "once" / path.name).read_bytes()
    expected = stock.image_processor(images=[picture(1)], return_tensors="pt")["pixel_values"]
    for copied in (copy.deepcopy(once), pickle.loads(pickle.dumps(once))):
        assert isinstance(copied.image_processor, type(stock.image_processor))
        assert torch.equal(
            copied.image_processor([picture(1)], return_tensors="pt")["pixel_values"], expected
        )
