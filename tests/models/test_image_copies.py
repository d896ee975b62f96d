import pytest

pytest.importorskip("torch")

import torch

from rise_bench.models.image_copies import first_copies


def test_same_patches_in_another_order_are_another_image():
    image = torch.arange(24.0).view(4, 6)
    grids = torch.tensor([[1, 2, 2]] * 3 + [[1, 4, 1]])
    assert first_copies((image, image.flip(0), image.clone(), image), grids) == [0, 1, 0, 3]


def test_a_single_changed_value_is_another_image():
    image = torch.zeros(4, 6)
    changed = image.clone()
    changed[3, 5] = 1e-30  # lost in any sum, seen by the comparison
    assert first_copies((image, changed), torch.tensor([[1, 2, 2]] * 2)) == [0, 1]
