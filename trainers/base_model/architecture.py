"""Architecture of the base model, its initial weights, and pixels for its vision tower."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

SIDE_PX = 112
"""Width and height that every picture is resized to: 8 x 8 patches, 16 image tokens."""

IMAGE_TOKENS = 16
HIDDEN = 128
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def make_model(tokenizer: PreTrainedTokenizerBase, seed: int) -> Qwen2VLForConditionalGeneration:
    """Return the model with initial matrices at 1/sqrt(fan in), as a small model needs."""
    torch.manual_seed(seed)
    ids: dict[str, Any] = {t: tokenizer.convert_tokens_to_ids(t) for t in tokenizer.all_special_tokens}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": math.ceil(len(tokenizer) / 64) * 64,
            "hidden_size": HIDDEN,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 3,
            "embed_dim": 128,
            "hidden_size": HIDDEN,
            "num_heads": 4,
            "mlp_ratio": 3,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    model = Qwen2VLForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() < 2:
                continue
            branch_end = any(part in name for part in ("o_proj", "down_proj", "attn.proj", "fc2"))
            deviation = (
                0.05
                if "embed_tokens" in name
                else (0.5 if branch_end else 1.0) / math.sqrt(weight[0].numel())
            )
            weight.normal_(0, 0.7 * deviation if "visual" in name else deviation)
    model.generation_config = GenerationConfig(
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]], pad_token_id=ids["<|endoftext|>"]
    )
    return model


def patches(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Return the output of `Qwen2VLImageProcessor` for pictures without resizing.

    Args:
        pixels: uint8 of shape (pictures, SIDE_PX, SIDE_PX, 3).

    Returns:
        float32 of shape (pictures * 64, 1176): blocks of 2 x 2 patches, each as channel, time, row, column.
    """
    x = (torch.from_numpy(pixels).float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    count, side = x.shape[0], SIDE_PX // 14
    x = x.permute(0, 3, 1, 2).reshape(count, 3, side // 2, 2, 14, side // 2, 2, 14)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6).expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)
    return x.reshape(count * side * side, 3 * 2 * 14 * 14)


def embed_by_product(model: Qwen2VLForConditionalGeneration) -> None:
    """Embed patches by a matrix product, faster than the equal convolution; for training only."""
    embed: Any = model.model.visual.patch_embed

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(pixels, embed.proj.weight.flatten(1))

    embed.forward = forward


def grids(count: int) -> torch.Tensor:
    """Return `image_grid_thw` of pictures by their number."""
    return torch.tensor([[1, SIDE_PX // 14, SIDE_PX // 14]]).expand(count, 3)
