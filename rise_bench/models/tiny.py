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
from rise_bench.catalog.families import FAMILIES, QWEN_CHAT, Chat, Family
from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_directory

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

#: Width and depth of the language model, and depth of the vision tower.
_WIDTH, _LAYERS = 64, 2
#: Factor on every matrix after initialisation.
_WEIGHT_SCALE = 4.0

#: Special tokens and chat template of the Qwen-VL families.
SPECIAL_TOKENS, CHAT_TEMPLATE = QWEN_CHAT.special_tokens, QWEN_CHAT.template

_CORPUS = (
    "You are a helpful assistant. system user assistant",
    "<think> the scene shows a red square left of a blue circle on a dark ground </think>",
    "<answer> joy sadness anger fear surprise disgust neutral </answer>",
    '{"joy": 0.125, "fear": 0.25, "anger": 0.0} [[120, 300, 45, 678]] 0 1 2 3 4 5 6 7 8 9',
    "Explain why the image calls forth these emotions. Do not state any number.",
    "Answer with the probability of each class as JSON. Give each box as [x, y, w, h].",
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

    tokenizer = _tokenizer(transformers, FAMILIES[family].chat)
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


def _tokenizer(transformers: Any, chat: Chat) -> PreTrainedTokenizerBase:
    """Return a byte-level BPE, in which any text round-trips, with padding on the left for generation."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(_CORPUS * 8, trainer)
    bpe.add_special_tokens(list(chat.special_tokens))
    built: PreTrainedTokenizerBase = transformers.Qwen2TokenizerFast(
        tokenizer_object=bpe,
        eos_token=chat.end,
        pad_token=chat.padding,
        bos_token=chat.begin,
        unk_token=None,
        additional_special_tokens=list(chat.special_tokens),
        padding_side="left",
        model_max_length=4096,
        chat_template=chat.template,
        **({"extra_special_tokens": dict(chat.named)} if chat.named else {}),
    )
    return built


def _processor(transformers: Any, tokenizer: PreTrainedTokenizerBase, family: Family) -> ProcessorMixin:
    """Return image and video processors with the family's patch or tile, and few tokens per image."""
    token_px = (2 * family.patch_px) ** 2
    sizes = {"size": {"shortest_edge": 4 * token_px, "longest_edge": 64 * token_px}}
    kind, settings = (
        family.tiny_images if family.tiles else ("Qwen2VL", sizes | {"patch_size": family.patch_px})
    )
    parts: dict[str, Any] = {"image_processor": getattr(transformers, f"{kind}ImageProcessor")(**settings)}
    if family.video_classes:
        parts["video_processor"] = getattr(transformers, f"{family.video_classes}VideoProcessor")()
    built: ProcessorMixin = getattr(transformers, f"{family.classes}Processor")(
        tokenizer=tokenizer, chat_template=family.chat.template, **parts, **family.tiny_processor
    )
    return built


def _model(transformers: Any, tokenizer: PreTrainedTokenizerBase, family: Family) -> PreTrainedModel:
    """Return a model with random weights by the default initialisation."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in family.chat.special_tokens}
    vision: dict[str, Any] = {"num_hidden_layers": _LAYERS, "num_attention_heads": 4}
    tokens: dict[str, Any] = {"image_token_id": ids[family.chat.image]}
    if not family.tiles:
        vision = {"depth": _LAYERS, "num_heads": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
        tokens |= {
            "video_token_id": ids["<|video_pad|>"],
            "vision_start_token_id": ids["<|vision_start|>"],
            "vision_end_token_id": ids["<|vision_end|>"],
        }
    configuration = getattr(transformers, f"{family.classes}Config")(
        text_config=_text_config(family, len(tokenizer), ids),
        vision_config=vision | {"patch_size": family.patch_px} | dict(family.tiny_vision),
        tie_word_embeddings=True,
        **tokens,
        **family.tiny_config,
    )
    architecture = getattr(transformers, f"{family.classes}ForConditionalGeneration")
    model: PreTrainedModel = architecture(configuration)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=list(dict.fromkeys((ids[family.chat.end], ids["<|endoftext|>"]))),
        pad_token_id=ids[family.chat.padding],
    )
    return model


def _text_config(family: Family, vocabulary: int, ids: dict[str, Any]) -> dict[str, Any]:
    heads = 4
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e6}
    if not family.tiles:
        # Sections over time, height and width; they add up to half the head dimension.
        eighth = _WIDTH // heads // 16
        rope["mrope_section"] = [2 * eighth, 3 * eighth, 3 * eighth]
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
        "eos_token_id": ids[family.chat.end],
        "pad_token_id": ids[family.chat.padding],
        **family.tiny_text,
    }
