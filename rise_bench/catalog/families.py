"""Model families that can be trained, sampled and used as a judge; a new one is one entry of `FAMILIES`."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rise_bench.annotations.boxes.values import BoxUnit

#: lmms-eval's `--model` of ours, for families that its own models do not evaluate as they were trained.
RISE_HF = "rise_hf"


@dataclass(frozen=True, slots=True)
class Chat:
    """Chat template and special tokens, as released checkpoints of a family have them.

    Attributes:
        template: The chat template.
        special_tokens: Special tokens of the tokenizer.
        image: Token of an image in `config.image_token_id`.
        end: Token that ends a response.
        padding: Token of padding.
        begin: Token that begins a text; None for none.
        named: Names by which the processor asks the tokenizer for some of them.
    """

    template: str
    special_tokens: tuple[str, ...]
    image: str
    end: str = "<|im_end|>"
    padding: str = "<|endoftext|>"
    begin: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)


def limit_patches(images: Any, min_pixels: int, max_pixels: int) -> None:
    """Limit the area of pictures, as the processors of the Qwen-VL families do."""
    images.size = {"shortest_edge": min_pixels, "longest_edge": max_pixels}


def limit_split(images: Any, min_pixels: int, max_pixels: int) -> None:  # noqa: ARG001
    """Limit the side of Idefics3's square of tiles, to at most `max_pixels` in it, and one tile at least.

    A picture of one tile is not split; else a small copy of the picture is one tile more.
    """
    tile = images.max_image_size["longest_edge"]
    images.size = {"longest_edge": tile * max(1, math.isqrt(max_pixels) // tile)}


def limit_crops(images: Any, min_pixels: int, max_pixels: int) -> None:  # noqa: ARG001
    """Limit the number of InternVL's tiles, so that they have at most `max_pixels`, and to one at least.

    A picture of more than one tile has a small copy as one tile more.
    """
    images.min_patches = 1
    images.max_patches = max(1, max_pixels // (images.size["height"] * images.size["width"]))


_QWEN_SYSTEM_TURN = (
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}"
)

#: The role markers, the default system turn and the image place-holder are those of the released models.
QWEN_CHAT = Chat(
    "{% for message in messages %}" + _QWEN_SYSTEM_TURN + "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    (
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
        *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
        *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
    ),
    "<|image_pad|>",
)

#: Released Qwen3-VL models have no default system turn.
QWEN3_CHAT = replace(QWEN_CHAT, template=QWEN_CHAT.template.replace(_QWEN_SYSTEM_TURN, ""))

#: Chat template of the released SmolVLM models (Apache-2.0), as transformers' tests of Idefics3 have it.
SMOLVLM_CHAT = Chat(
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
    (
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>"),
        *("<end_of_utterance>", "<global-img>"),
        *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    ),
    "<image>",
    end="<end_of_utterance>",
    padding="<|im_end|>",
    begin="<|im_start|>",
)

#: Chat template of the released InternVL3 models (Apache-2.0), as transformers' conversion script has it.
INTERNVL_CHAT = Chat(
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}"
    "{% elif content['type'] == 'video' %}{{ '<video>\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{'<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\n' }}{% endif %}",
    (
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
        *("<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>"),
    ),
    "<IMG_CONTEXT>",
    named={
        "context_image_token": "<IMG_CONTEXT>",
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "video_token": "<video>",
    },
)


@dataclass(frozen=True, slots=True)
class Family:
    """Family of vision-language models, loaded by classes of transformers.

    Attributes:
        name: `model_type` of its checkpoints.
        label: Display name.
        classes: Prefix of its classes, e.g. `Qwen2VL` of `Qwen2VLForConditionalGeneration`.
        tiny_vision: Settings of the vision tower of its tiny checkpoint (two layers).
        tiny_text: Additional settings of the language model of its tiny checkpoint.
        tiny_rope: Additional settings of its rotary embedding.
        tiny_config: Additional settings of the configuration of its tiny checkpoint.
        tiny_processor: Settings of the processor of its tiny checkpoint.
        tiny_images: Class and settings of the image processor of its tiny checkpoint.
        chat: Chat template and special tokens.
        also_named: Other parts of names of its models, in lower-case letters and digits.
        tiles: Whether pictures are cut into tiles, whose tokens have plain positions; else they are grids of
            patches with M-RoPE.
        engine: lmms-eval's `--model`; empty if it is `name`. See `RISE_HF`.
        limit: Sets the smallest and largest picture, in pixels, of its image processor.
        box_unit: Unit of boxes in its training.
        patch_px: Side of an image patch; two by two patches are an image token of the Qwen-VL families.
        video_classes: Prefix of its video processor; empty if it has none.
        decoder: Attribute that holds the language model, in which an adapter is trained.
        max_aspect_ratio: Largest ratio of the sides of a picture for its processor.
        can_be_rerun: Whether lmms-eval's model of the name loads it without any code of its author, so that
            submissions are run again; a test reads that model's source.
        by_vllm: Whether the trainers can sample it with vLLM.
    """

    name: str
    label: str
    classes: str
    tiny_vision: Mapping[str, Any]
    tiny_text: Mapping[str, Any] = field(default_factory=dict)
    tiny_rope: Mapping[str, Any] = field(default_factory=dict)
    tiny_config: Mapping[str, Any] = field(default_factory=dict)
    tiny_processor: Mapping[str, Any] = field(default_factory=dict)
    tiny_images: tuple[str, Mapping[str, Any]] = ("", {})
    chat: Chat = QWEN_CHAT
    also_named: tuple[str, ...] = ()
    tiles: bool = False
    engine: str = ""
    limit: Callable[[Any, int, int], None] = limit_patches
    box_unit: BoxUnit = "norm1000"
    patch_px: int = 14
    video_classes: str = "Qwen2VL"
    decoder: str = "language_model"
    max_aspect_ratio: int = 200
    can_be_rerun: bool = False
    by_vllm: bool = True

    @property
    def lmms_model(self) -> str:
        """lmms-eval's `--model`."""
        return self.engine or self.name


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
            chat=QWEN3_CHAT,
            engine=RISE_HF,
            patch_px=16,
            video_classes="Qwen3VL",
        ),
        Family(
            "idefics3",
            "SmolVLM",
            "Idefics3",
            {"hidden_size": 32, "intermediate_size": 64, "image_size": 56},
            tiles=True,
            tiny_config={"scale_factor": 2},
            tiny_processor={"image_seq_len": 4},
            tiny_images=("Idefics3", {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}}),
            chat=SMOLVLM_CHAT,
            also_named=("smolvlminstruct", "smolvlm256m", "smolvlm500m"),
            engine=RISE_HF,
            limit=limit_split,
            video_classes="",
            decoder="text_model",
            by_vllm=False,
        ),
        Family(
            "internvl",
            "InternVL",
            "InternVL",
            {"hidden_size": 32, "intermediate_size": 64, "image_size": (56, 56)},
            tiles=True,
            tiny_config={"image_seq_length": 4},
            tiny_processor={"image_seq_length": 4},
            tiny_images=(
                "GotOcr2",
                {"size": {"height": 56, "width": 56}, "crop_to_patches": True, "max_patches": 4},
            ),
            chat=INTERNVL_CHAT,
            engine=RISE_HF,
            limit=limit_crops,
            video_classes="InternVL",
            by_vllm=False,
        ),
    )
}


def family_named(model: str) -> Family | None:
    """Return the family whose name is part of the name of a model or class; None if there is none.

    >>> family_named("Qwen/Qwen2.5-VL-3B-Instruct").name
    'qwen2_5_vl'
    """
    letters = _letters(model)
    return next(
        (
            family
            for family in FAMILIES.values()
            if any(part in letters for part in (_letters(family.name), *family.also_named))
        ),
        None,
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
