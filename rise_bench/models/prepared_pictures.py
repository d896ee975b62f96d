"""An image processor that prepares equal pictures once; rows of a group show the same ones, call after call.

Resizing and cutting into patches takes tens of milliseconds of CPU for a picture of the paper's largest size.
A step of GRPO asks for each picture of a prompt two or three times for each of its samples: for chains of
thought, for reconstructions, for the loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

_FIELDS = {"pixel_values", "image_grid_thw"}


def prepare_pictures_once(image_processor: Any) -> None:
    """Let an image processor of the Qwen-VL families remember the pictures of its last call; leave others.

    Tensors, and the files that `save_pretrained` writes, are those of before. Pictures
    other than PIL images are prepared as before too.
    """
    kind = type(image_processor)
    if not hasattr(image_processor, "merge_size"):  # pictures are cut into tiles
        return
    if not issubclass(kind, _PreparesOnce):
        # a class of its own, by the same name: what is remembered must not be among the saved attributes
        own = {"__module__": kind.__module__, "_remembered": {}, "_kind": kind}
        image_processor.__class__ = type(kind.__name__, (_PreparesOnce, kind), own)


class _PreparesOnce:
    _remembered: dict[Hashable, tuple[Tensor, Tensor]]
    _kind: type

    def preprocess(self, images: Any, *others: Any, **settings: Any) -> Any:
        """Prepare pictures, see the image processor."""
        prepare: Any = super().preprocess  # type: ignore[misc]
        pictures = _flat(images)
        if others or not pictures or not all(isinstance(picture, Image.Image) for picture in pictures):
            return prepare(images, *others, **settings)
        keys = _keys(pictures, repr((sorted(vars(self).items()), sorted(settings.items()))))
        known = self._remembered
        new = {key: picture for key, picture in zip(keys, pictures, strict=True) if key not in known}
        if new:
            output = prepare(list(new.values()), **settings)
            if set(output) != _FIELDS or not all(isinstance(output[name], Tensor) for name in _FIELDS):
                return output if len(new) == len(pictures) else prepare(images, **settings)
            grids = output["image_grid_thw"]
            parts = torch.split(output["pixel_values"], grids.prod(-1).tolist())
            known = known | dict(zip(new, zip(parts, grids, strict=True), strict=True))
        type(self)._remembered = {key: known[key] for key in keys}
        patches, grid = zip(*(known[key] for key in keys), strict=True)
        return _features({"pixel_values": torch.cat(patches), "image_grid_thw": torch.stack(grid)})

    def __reduce__(self) -> Any:
        return _restored, (self._kind, vars(self))


def _restored(kind: type, attributes: dict[str, Any]) -> Any:
    """Return a copy, which remembers for itself."""
    copied: Any = object.__new__(kind)
    vars(copied).update(attributes)
    prepare_pictures_once(copied)
    return copied


def _keys(pictures: Sequence[Image.Image], settings: str) -> list[Hashable]:
    """Return what tells pictures apart: mode, size, pixels, and how they are prepared."""
    by_object = {id(picture): picture for picture in pictures}
    keys = {
        name: (p.mode, p.size, hashlib.blake2b(p.tobytes()).digest(), settings)
        for name, p in by_object.items()
    }
    return [keys[id(picture)] for picture in pictures]


def _flat(images: Any) -> list[Any]:
    if not isinstance(images, list | tuple):
        return [images]
    return [picture for part in images for picture in _flat(part)]


def _features(data: dict[str, Tensor]) -> Any:
    from transformers import BatchFeature

    return BatchFeature(data)
