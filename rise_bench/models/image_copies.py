"""Equal pictures of a batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def first_copies(images: Sequence[Tensor], image_grid_thw: Tensor) -> list[int]:
    """Return, for each image, the position of its first exact copy (its own position if it is the first).

    A random projection proposes pairs, and equality of all values decides, so that images that differ in one
    pixel or in the order of their patches stay distinct.

    Args:
        images: Patches of each image, shape (t*h*w, values of a patch).
        image_grid_thw: Grid of each image, shape (images, 3).
    """
    longest = max(len(image) for image in images)
    generator = torch.Generator().manual_seed(0)
    over_patches = torch.randn(longest, generator=generator).to(images[0].device)
    over_values = torch.randn(images[0].size(1), generator=generator).to(images[0].device)
    codes = torch.stack([over_patches[: len(i)] @ (i.float() @ over_values) for i in images]).tolist()
    first: dict[tuple[Any, ...], int] = {}
    keys = zip(map(tuple, image_grid_thw.tolist()), codes, strict=True)
    source = [first.setdefault(key, position) for position, key in enumerate(keys)]
    copies = [(position, of) for position, of in enumerate(source) if of != position]
    if copies:
        same = torch.stack([(images[a] == images[b]).all() for a, b in copies]).tolist()
        for (position, _), equal in zip(copies, same, strict=True):
            if not equal:
                source[position] = position
    return source
