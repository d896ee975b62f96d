"""Tiny checkpoints of the model families with random weights, made in a second from a seed, under 2 MB.

They have configuration, weights, tokenizer, processor and chat template, so that every code path of a real
checkpoint runs without a download.

The tokenizer is a byte-level BPE trained on a few sentences; the weights are scaled up after the default
initialisation, so that greedy decoding depends on image and prompt instead of repeating a token.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_bench.catalog.extras import require_extra
from rise_bench.catalog.families import FAMILIES, Family
from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_directory

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

#: Width and depth of the language model, and depth of the vision tower.
_WIDTH, _LAYERS = 64, 2
#: Factor on every matrix after initialisation.
_WEIGHT_SCALE = 4.0

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


def make_tiny_model(out: Path | str, family: str = "qwen2_vl", *, seed: int = 0) -> Path:
    """Write a tiny checkpoint for `from_pretrained`, TRL and lmms-eval.

    Args:
        out: Folder to create; an existing checkpoint is kept.
        family: Name of a model family.
        seed: Seed of the weights.

    Returns:
        `out` as a path.

    Raises:
        ConfigError: On an unknown family.
        PrerequisiteError: When a package of the `eval` extra is not installed.
    """
    target = Path(out)
    if family not in FAMILIES:
        raise ConfigError(f"unknown family {family!r}; use one of {', '.join(FAMILIES)}")
    if (target / "config.json").is_file():
        return target
    require_extra("eval")
    import torch
    import transformers

    tokenizer = _tokenizer(transformers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _model(transformers, tokenizer, FAMILIES[family])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.mul_(_WEIGHT_SCALE)
    with atomic_directory(target) as folder:
        model.save_pretrained(folder)
        _processor(transformers, tokenizer, FAMILIES[family]).save_pretrained(folder)
    return target


def _tokenizer(transformers: Any) -> PreTrainedTokenizerBase:
    """Return a byte-level BPE, in which any text round-trips, with padding on the left for generation."""
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


def _processor(transformers: Any, tokenizer: PreTrainedTokenizerBase, family: Family) -> ProcessorMixin:
    """Return image and video processors with the family's patch size and at most 64 tokens per image."""
    token_px = (2 * family.patch_px) ** 2
    images = transformers.Qwen2VLImageProcessor(
        patch_size=family.patch_px, size={"shortest_edge": 4 * token_px, "longest_edge": 64 * token_px}
    )
    built: ProcessorMixin = getattr(transformers, f"{family.classes}Processor")(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=getattr(transformers, f"{family.video_classes}VideoProcessor")(),
        chat_template=CHAT_TEMPLATE,
    )
    return built


def _model(transformers: Any, tokenizer: PreTrainedTokenizerBase, family: Family) -> PreTrainedModel:
    """Return a model with random weights by the default initialisation."""
    ids: dict[str, Any] = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    vision = {"depth": _LAYERS, "num_heads": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
    configuration = getattr(transformers, f"{family.classes}Config")(
        text_config=_text_config(family, len(tokenizer), ids),
        vision_config=vision | {"patch_size": family.patch_px} | dict(family.tiny_vision),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    architecture = getattr(transformers, f"{family.classes}ForConditionalGeneration")
    model: PreTrainedModel = architecture(configuration)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]], pad_token_id=ids["<|endoftext|>"]
    )
    return model


def _text_config(family: Family, vocabulary: int, ids: dict[str, Any]) -> dict[str, Any]:
    heads = 4
    # Sections over time, height and width; they add up to half the head dimension.
    eighth = _WIDTH // heads // 16
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2 * eighth, 3 * eighth, 3 * eighth]}
    return {
        "vocab_size": vocabulary,
        "hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "rope_parameters": rope | dict(family.tiny_rope),
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        **family.tiny_text,
    }
