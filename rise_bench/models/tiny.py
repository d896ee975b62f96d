"""Tiny random-weight checkpoints of the Qwen-VL families, made on the spot.

They say nothing sensible, but they are whole: configuration, weights, tokenizer, processor and chat
template, under 2 MB, in about a second, from a seed. `rise-bench demo` scores one and the tests train them,
so that every code path which a real checkpoint takes is taken without a download.

The tokenizer is a byte-level BPE trained on a few sentences; the weights are scaled up after the default
initialisation, so that greedy decoding depends on the image and the prompt instead of repeating one token.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from rise_bench.errors import ConfigError
from rise_bench.extras import require_extra
from rise_bench.files.atomic import atomic_directory

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

TinyFamily = Literal["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

_CORPUS = (
    "You are a helpful assistant. system user assistant",
    "<think> the scene shows a red square left of a blue circle on a dark ground </think>",
    "<answer> joy sadness anger fear surprise disgust neutral </answer>",
    '{"joy": 0.125, "fear": 0.25, "anger": 0.0} [[120, 300, 45, 678]] 0 1 2 3 4 5 6 7 8 9',
    "Explain why the image calls forth these emotions. Do not state any number.",
    "Answer with the probability of each class as JSON. Give each box as [x, y, w, h].",
)

# The role markers, the default system turn and the image place-holder are those of the released models.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tiny_model(
    out: Path | str,
    family: TinyFamily = "qwen2_vl",
    *,
    seed: int = 0,
    hidden_size: int = 64,
    layers: int = 2,
    weight_scale: float = 4.0,
) -> Path:
    """Write a tiny checkpoint that `from_pretrained`, TRL and lmms-eval load like a released one.

    Args:
        out: Folder to create; it appears only when complete, and an existing one is left as it is.
        family: Which architecture.
        seed: Seeds the weights; the same seed gives the same files.
        hidden_size: Width of the language model, a multiple of 64.
        layers: Depth of the language model and of the vision tower, at least 2.
        weight_scale: Factor on every matrix after initialisation.

    Returns:
        `out` as a path.

    Raises:
        ConfigError: On an unknown family or an impossible size.
        PrerequisiteError: When a package of the `eval` extra is not installed.
    """
    target = Path(out)
    if family not in get_args(TinyFamily):
        raise ConfigError(f"unknown family {family!r}; use one of {', '.join(get_args(TinyFamily))}")
    if hidden_size < 64 or hidden_size % 64 or layers < 2:
        raise ConfigError(
            f"tiny model: hidden_size={hidden_size}, layers={layers}; "
            "use a multiple of 64 and at least 2 layers"
        )
    if (target / "config.json").is_file():
        return target
    require_extra("eval")
    import torch
    import transformers

    tokenizer = _tokenizer(transformers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _model(transformers, tokenizer, family, hidden_size, layers)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.mul_(weight_scale)
    with atomic_directory(target) as folder:
        model.save_pretrained(folder)
        _processor(transformers, tokenizer, family).save_pretrained(folder)
    return target


def _tokenizer(transformers: Any) -> PreTrainedTokenizerBase:
    """Byte-level BPE, so that any text round-trips; padding on the left, as batched generation needs it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(_CORPUS * 8, trainer)
    bpe.add_special_tokens(list(SPECIAL_TOKENS))
    built: PreTrainedTokenizerBase = transformers.Qwen2TokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token=None,
        unk_token=None,
        additional_special_tokens=list(SPECIAL_TOKENS),
        padding_side="left",
        model_max_length=4096,
        chat_template=CHAT_TEMPLATE,
    )
    return built


def _processor(transformers: Any, tokenizer: PreTrainedTokenizerBase, family: TinyFamily) -> ProcessorMixin:
    """Image and video processors with the patch size of the family and at most 64 image tokens an image."""
    side_px = 32 if family == "qwen3_vl" else 28
    bounds = {"shortest_edge": side_px**2 * 4, "longest_edge": side_px**2 * 64}
    processor, video = {
        "qwen2_vl": (transformers.Qwen2VLProcessor, transformers.Qwen2VLVideoProcessor),
        "qwen2_5_vl": (transformers.Qwen2_5_VLProcessor, transformers.Qwen2VLVideoProcessor),
        "qwen3_vl": (transformers.Qwen3VLProcessor, transformers.Qwen3VLVideoProcessor),
    }[family]
    images = transformers.Qwen2VLImageProcessor(patch_size=side_px // 2, size=bounds)
    built: ProcessorMixin = processor(
        image_processor=images, tokenizer=tokenizer, video_processor=video(), chat_template=CHAT_TEMPLATE
    )
    return built


def _model(
    transformers: Any, tokenizer: PreTrainedTokenizerBase, family: TinyFamily, hidden_size: int, layers: int
) -> PreTrainedModel:
    """Random weights under the default initialisation; biases and norms included."""
    ids: dict[str, Any] = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    configuration, architecture = {
        "qwen2_vl": (transformers.Qwen2VLConfig, transformers.Qwen2VLForConditionalGeneration),
        "qwen2_5_vl": (transformers.Qwen2_5_VLConfig, transformers.Qwen2_5_VLForConditionalGeneration),
        "qwen3_vl": (transformers.Qwen3VLConfig, transformers.Qwen3VLForConditionalGeneration),
    }[family]
    model: PreTrainedModel = architecture(
        configuration(
            text_config=_text_config(family, len(tokenizer), ids, hidden_size, layers),
            vision_config=_vision_config(family, hidden_size, layers),
            image_token_id=ids["<|image_pad|>"],
            video_token_id=ids["<|video_pad|>"],
            vision_start_token_id=ids["<|vision_start|>"],
            vision_end_token_id=ids["<|vision_end|>"],
            tie_word_embeddings=True,
        )
    )
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]], pad_token_id=ids["<|endoftext|>"]
    )
    return model


def _text_config(
    family: TinyFamily, vocabulary: int, ids: dict[str, Any], hidden_size: int, layers: int
) -> dict[str, Any]:
    heads, key_value_heads = 4, 2
    head_dim = hidden_size // heads
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e6}
    # Sections over time, height and width; they add up to half the head dimension.
    eighth = head_dim // 16
    rope["mrope_section"] = [2 * eighth, 3 * eighth, 3 * eighth]
    text = {
        "vocab_size": vocabulary,
        "hidden_size": hidden_size,
        "intermediate_size": 2 * hidden_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads,
        "max_position_embeddings": 4096,
        "rope_parameters": rope,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    if family == "qwen3_vl":
        rope["mrope_interleaved"] = True
        text["head_dim"] = head_dim
    return text


def _vision_config(family: TinyFamily, hidden_size: int, layers: int) -> dict[str, Any]:
    shared = {"depth": layers, "num_heads": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
    if family == "qwen2_vl":
        return shared | {"embed_dim": 32, "hidden_size": hidden_size, "mlp_ratio": 2, "patch_size": 14}
    own = shared | {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": hidden_size}
    if family == "qwen2_5_vl":
        return own | {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [layers - 1]}
    return own | {"patch_size": 16, "num_position_embeddings": 256, "deepstack_visual_indexes": [0]}
