import pytest

pytest.importorskip("torch")

import torch

from rise_bench.models.image_units import ImageUnit, first_copies


def picture(patches, *grid):
    return ImageUnit(patches, torch.tensor(grid), len(patches))


def tile(values):
    return ImageUnit(values, None, 4)


def test_same_patches_in_another_order_are_another_image():
    image = torch.arange(24.0).view(4, 6)
    units = [picture(patches, 1, 2, 2) for patches in (image, image.flip(0), image.clone())]
    assert first_copies([*units, picture(image, 1, 4, 1)]) == [0, 1, 0, 3]
    pixels = torch.arange(24.0).view(1, 4, 6)
    assert first_copies([tile(pixels), tile(pixels.flip(1)), tile(pixels.clone())]) == [0, 1, 0]


def test_a_single_changed_value_is_another_image():
    image = torch.zeros(4, 6)
    changed = image.clone()
    changed[3, 5] = 1e-30  # lost in any sum, seen by the comparison
    assert first_copies([picture(image, 1, 2, 2), picture(changed, 1, 2, 2)]) == [0, 1]
    assert first_copies([tile(image[None]), tile(changed[None])]) == [0, 1]
