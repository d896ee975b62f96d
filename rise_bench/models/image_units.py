"""Images of rows as the vision tower encodes them: whole pictures, or tiles of a fixed size.

The Qwen-VL families encode a picture as one grid of patches (`image_grid_thw`) and give its tokens positions
in time, height and width (M-RoPE). Idefics3 and InternVL cut it into square tiles, each with the same number
of tokens, which have positions as text has. Idefics3 pads the tiles of each row with tiles of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rise_bench.catalog.families import FAMILIES


@dataclass(frozen=True, slots=True)
class ImageUnit:
    """A picture or a tile.

    Attributes:
        values: Patches of a picture, shape (patches, values), or a tile, shape (channels, height, width).
        grid: Patches in time, height and width, shape (3,); None for a tile.
        tokens: Number of its tokens.
        of_row: Whether the tiles of a row are an own dimension of `pixel_values` (Idefics3).
    """

    values: Tensor
    grid: Tensor | None
    tokens: int
    of_row: bool = False

    @property
    def flat(self) -> Tensor:
        """The values, shape (rows, values)."""
        return self.values if self.grid is not None else self.values.flatten(1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, which tells units with as many values apart."""
        return tuple(self.values.shape) if self.grid is None else tuple(self.grid.tolist())


def image_units(model: Any, inputs: Mapping[str, Any]) -> list[ImageUnit]:
    """Return the units of rows in the order of their tokens.

    Args:
        model: Unwrapped model.
        inputs: `pixel_values`, and `image_grid_thw` of a family with grids; without pictures, there are none.
    """
    pixels = inputs.get("pixel_values")
    if pixels is None:
        return []
    if (grids := inputs.get("image_grid_thw")) is not None:
        merged = model.config.vision_config.spatial_merge_size**2
        parts = torch.split(pixels, grids.prod(-1).tolist())
        return [ImageUnit(part, grid, len(part) // merged) for part, grid in zip(parts, grids, strict=True)]
    tokens, of_row = tokens_of_tile(model.config), pixels.dim() == 5
    tiles = pixels.flatten(0, 1) if of_row else pixels
    held = (tiles != 0).flatten(1).any(1).tolist() if of_row else [True] * len(tiles)
    return [ImageUnit(tile, None, tokens, of_row) for tile, on in zip(tiles, held, strict=True) if on]


def image_arguments(units: Sequence[ImageUnit]) -> dict[str, Tensor]:
    """Return units as arguments of a model: `pixel_values`, and `image_grid_thw` of a family with grids."""
    if not units:
        return {}
    if units[0].grid is None:
        tiles = torch.stack([unit.values for unit in units])
        return {"pixel_values": tiles[None] if units[0].of_row else tiles}
    return {
        "pixel_values": torch.cat([unit.values for unit in units]),
        "image_grid_thw": torch.stack([unit.grid for unit in units if unit.grid is not None]),
    }


def tokens_of_tile(config: Any) -> int:
    """Return the number of tokens of a tile, of a family that cuts pictures into tiles."""
    if (stated := getattr(config, "image_seq_length", None)) is not None:
        return int(stated)
    vision = config.vision_config
    return int((vision.image_size // vision.patch_size) ** 2 / config.scale_factor**2)


def first_copies(units: Sequence[ImageUnit]) -> list[int]:
    """Return, for each unit, the position of its first exact copy (its own position if it is the first).

    A random projection proposes pairs, and equality of all values decides, so that images that differ in one
    pixel or in the order of their patches stay distinct.
    """
    images = [unit.flat for unit in units]
    generator = torch.Generator().manual_seed(0)
    longest, widest = max(len(image) for image in images), max(image.size(1) for image in images)
    over_patches = torch.randn(longest, generator=generator).to(images[0].device)
    over_values = torch.randn(widest, generator=generator).to(images[0].device)
    codes = torch.stack(
        [over_patches[: len(i)] @ (i.float() @ over_values[: i.size(1)]) for i in images]
    ).tolist()
    first: dict[tuple[Any, ...], int] = {}
    keys = zip((unit.shape for unit in units), codes, strict=True)
    source = [first.setdefault(key, position) for position, key in enumerate(keys)]
    copies = [(position, of) for position, of in enumerate(source) if of != position]
    if copies:
        same = torch.stack([(images[a] == images[b]).all() for a, b in copies]).tolist()
        for (position, _), equal in zip(copies, same, strict=True):
            if not equal:
                source[position] = position
    return source


def token_positions(
    model: Any, ids: Tensor, mask: Tensor, units: Sequence[ImageUnit], is_image: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the positions of tokens, and what M-RoPE adds to those of later tokens.

    Args:
        model: Unwrapped model.
        ids: Token ids of padded rows, shape (rows, width).
        mask: Whether a place holds a token, the same shape.
        units: Units of the rows, in their order.
        is_image: Whether a place holds a token of an image, the same shape.

    Returns:
        Positions, shape (rows, width), or (3, rows, width) in time, height and width; and the differences of
        the rows, shape (rows, 1), or None.
    """
    if not has_grids(model):
        return (mask.long().cumsum(-1) - 1).clamp(min=0), None
    grids = [unit.grid for unit in units if unit.grid is not None]
    positions, deltas = model.model.get_rope_index(
        ids,
        mm_token_type_ids=is_image.int(),
        image_grid_thw=torch.stack(grids) if grids else None,
        attention_mask=mask.long(),
    )
    return positions, deltas


def has_grids(model: Any) -> bool:
    """Whether a model encodes whole pictures, with positions in time, height and width."""
    return hasattr(model.model, "get_rope_index")


def decoder_of(model: Any) -> Any:
    """Return the language model of an unwrapped model of a family; None of another model."""
    family = FAMILIES.get(getattr(getattr(model, "config", None), "model_type", ""))
    return getattr(model.model, family.decoder, None) if family else None
