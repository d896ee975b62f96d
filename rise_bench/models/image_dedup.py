"""Encode each distinct image of a forward pass once.

The rows of a GRPO group have the same image, in RISE-CoT twice each (CoT and reconstruction), and a stock
forward pass encodes every copy. Here each image is encoded once and all copies share its features; the
gradient of that encoding is the sum over the copies. Copies are found by content, because TRL shuffles rows.

Works on every model with `get_image_features(pixel_values, image_grid_thw)` that returns a tensor per image:
Qwen2-VL, Qwen2.5-VL, Qwen3-VL (with its deep-stack features).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def deduplicated_images(model: Any, enabled: bool = True) -> Iterator[None]:
    """Share image encodings in every forward pass of `model`, an unwrapped model, inside the block."""
    if not enabled:
        yield
        return
    backbone = model.model
    encode = backbone.get_image_features

    def encode_once(pixel_values: Tensor, image_grid_thw: Tensor, **kwargs: Any) -> Any:
        images = torch.split(pixel_values, image_grid_thw.prod(-1).tolist())
        source = first_copies(images, image_grid_thw)
        distinct = sorted(set(source))
        if len(distinct) == len(images):
            return encode(pixel_values, image_grid_thw, **kwargs)
        output = encode(torch.cat([images[i] for i in distinct]), image_grid_thw[distinct], **kwargs)
        place = {image: position for position, image in enumerate(distinct)}
        order = [place[i] for i in source]
        if (deepstack := getattr(output, "deepstack_features", None)) is not None:
            output.deepstack_features = [_share(layer, order, output.pooler_output) for layer in deepstack]
        output.pooler_output = _share(output.pooler_output, order, output.pooler_output)
        return output

    backbone.get_image_features = encode_once
    try:
        yield
    finally:
        del backbone.get_image_features  # the method of the class is used again


def first_copies(images: tuple[Tensor, ...], image_grid_thw: Tensor) -> list[int]:
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


def _share(features: Any, order: list[int], pooled: tuple[Tensor, ...]) -> Any:
    """Return the features of all copies from those of the distinct images, split by image or joined."""
    if isinstance(features, Tensor):
        parts = torch.split(features, [len(image) for image in pooled])
        return torch.cat([parts[i] for i in order])
    return tuple(features[i] for i in order)
