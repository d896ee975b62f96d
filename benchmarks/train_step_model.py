"""Model and samples of the training-step benchmark: random weights, noise images."""

from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.models.tiny import SPECIAL_TOKENS, make_tiny_model

SHAPES = {
    "tiny": SimpleNamespace(  # for tests of the benchmarks
        text={
            "vocab_size": 2048,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        vision={"depth": 2, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 2},
        mrope=[2, 3, 3],
        cot=8,
        reconstruction=4,
    ),
    "small": SimpleNamespace(
        text={
            "vocab_size": 2048,
            "hidden_size": 256,
            "intermediate_size": 1024,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        vision={"depth": 4, "embed_dim": 192, "num_heads": 4, "mlp_ratio": 4},
        mrope=[8, 12, 12],
        cot=32,
        reconstruction=16,
    ),
    "qwen2-vl-2b": SimpleNamespace(
        text={
            "vocab_size": 151936,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
        },
        vision={"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4},
        mrope=[16, 24, 24],
        cot=192,
        reconstruction=96,
    ),
}


def make_model(folder, shape, dtype, device="cpu"):
    """Write a checkpoint of the shape with random weights and the tokenizer of the tiny models.

    Weights are drawn on `device`; two billion of them take minutes on a CPU.
    """
    from transformers import AutoProcessor, GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    processor = AutoProcessor.from_pretrained(make_tiny_model(folder / "tiny"), trust_remote_code=False)
    ids = {token: processor.tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": shape.mrope}
    text = shape.text | {
        "max_position_embeddings": 4096,
        "rope_parameters": rope,
        "tie_word_embeddings": True,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "bos_token_id": None,
    }
    vision = shape.vision | {"hidden_size": shape.text["hidden_size"], "patch_size": 14}
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2VLForConditionalGeneration(config).to(dtype)
    model.generation_config = GenerationConfig(
        eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"]
    )
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    return folder / "model", sum(p.numel() for p in model.parameters())


def make_samples(image_px, count):
    """Noise images with a uniform distribution over the emotions."""
    spec = get_benchmark("emotion6")
    uniform = Distribution(spec.classes, tuple(1 / len(spec.classes) for _ in spec.classes))
    width, height = image_px
    golds = [Gold(f"sample-{i}", uniform, width, height) for i in range(count)]
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)) for _ in golds]
    return SimpleNamespace(spec=spec, golds=golds, images=images)
