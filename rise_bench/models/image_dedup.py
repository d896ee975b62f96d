"""Encode each distinct image of a forward once.

The rows of a GRPO group show the same image, in RISE-CoT twice each (CoT and reconstruction), and a stock
forward sends every copy through the vision tower. Here the copies are found by content, one of each is
encoded, and its features are handed to every row that shows it; the gradient of that one encoding is the sum
of what the copies would have received. Content is compared and not row order, because TRL shuffles rows.

Works on every model whose `get_image_features` takes `(pixel_values, image_grid_thw)` and returns one tensor
for each image: Qwen2-VL, Qwen2.5-VL, Qwen3-VL (whose deep-stack features are shared the same way).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def deduplicated_images(model: Any, enabled: bool = True) -> Iterator[None]:
    """Share image encodings inside every forward of `model` while the context is open.

    Args:
        model: An image-text-to-text model of transformers, unwrapped.
        enabled: False leaves the model as it is.
    """
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
        del backbone.get_image_features  # the class's own method shows again


def first_copies(images: tuple[Tensor, ...], image_grid_thw: Tensor) -> list[int]:
    """For each image the position of its first exact copy (its own position if it is the first).

    A random projection proposes pairs; equality of every value decides, so that two images which differ in
    one pixel, or only in the order of their patches, are never taken for the same.

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
    """Hand the features of the distinct images, split by image or joined, to every copy."""
    if isinstance(features, Tensor):
        parts = torch.split(features, [len(image) for image in pooled])
        return torch.cat([parts[i] for i in order])
    return tuple(features[i] for i in order)
