"""Model families that can be trained, sampled and used as a judge; a new one is one entry of `FAMILIES`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rise_bench.annotations.boxes.values import BoxUnit


@dataclass(frozen=True, slots=True)
class Family:
    """Family of vision-language models, loaded by classes of transformers.

    Attributes:
        name: `model_type` of its checkpoints, and lmms-eval's `--model`.
        label: Display name.
        classes: Prefix of its classes, e.g. `Qwen2VL` of `Qwen2VLForConditionalGeneration`.
        tiny_vision: Settings of the vision tower of its tiny checkpoint (width 64, two layers).
        tiny_text: Additional settings of the language model of its tiny checkpoint.
        tiny_rope: Additional settings of its rotary embedding.
        box_unit: Unit of boxes in its training.
        patch_px: Side of an image patch; two by two patches are an image token.
        video_classes: Prefix of its video processor, if it differs.
        decoder: Attribute that holds the language model, in which an adapter is trained.
        max_aspect_ratio: Largest ratio of the sides of a picture for its processor.
        can_be_rerun: Whether lmms-eval's model of the name loads it without any code of its author, so that
            submissions are run again; a test reads that model's source.
    """

    name: str
    label: str
    classes: str
    tiny_vision: Mapping[str, Any]
    tiny_text: Mapping[str, Any] = field(default_factory=dict)
    tiny_rope: Mapping[str, Any] = field(default_factory=dict)
    box_unit: BoxUnit = "norm1000"
    patch_px: int = 14
    video_classes: str = "Qwen2VL"
    decoder: str = "language_model"
    max_aspect_ratio: int = 200
    can_be_rerun: bool = False


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "qwen2_vl",
            "Qwen2-VL",
            "Qwen2VL",
            {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2},
            can_be_rerun=True,
        ),
        Family(
            "qwen2_5_vl",
            "Qwen2.5-VL",
            "Qwen2_5_VL",
            {
                "hidden_size": 32,
                "intermediate_size": 64,
                "out_hidden_size": 64,
                "window_size": 112,
                "fullatt_block_indexes": [1],
            },
            box_unit="resized_px",
            can_be_rerun=True,
        ),
        Family(
            "qwen3_vl",
            "Qwen3-VL",
            "Qwen3VL",
            {
                "hidden_size": 32,
                "intermediate_size": 64,
                "out_hidden_size": 64,
                "num_position_embeddings": 256,
                "deepstack_visual_indexes": [0],
            },
            tiny_text={"head_dim": 16},
            tiny_rope={"mrope_interleaved": True},
            patch_px=16,
            video_classes="Qwen3VL",
        ),
    )
}


def family_named(model: str) -> Family | None:
    """Return the family whose name is part of a model's name, in any spelling; None if there is none.

    >>> family_named("Qwen/Qwen2.5-VL-3B-Instruct").name
    'qwen2_5_vl'
    """
    return next((family for family in FAMILIES.values() if _letters(family.name) in _letters(model)), None)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
