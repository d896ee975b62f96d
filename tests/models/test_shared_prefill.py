"""Sampling from a prompt that is read once is the plain sampling, for every family."""

import logging
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DynamicCache, GenerationConfig, Qwen2VLForConditionalGeneration

from rise_bench.models import shared_prefill as module
from rise_bench.models.generate_settings import cache_name
from rise_bench.models.image_units import decoder_of, first_copies, image_units
from rise_bench.models.local import load_checkpoint
from rise_bench.models.prompt_groups import (
    PromptGroup,
    TokenizedPrompt,
    common_length,
    distinct_prompts,
    group_prompts,
)
from rise_bench.models.shared_prefill import SharedPrefill, shared_prefill

#: Name of the cache in this transformers.
CACHE = cache_name(Qwen2VLForConditionalGeneration)
QUESTION = "Which colours does it show?"
SAMPLED = {"do_sample": True, "top_k": 0, "max_new_tokens": 10}


def picture(seed, size=(112, 84)):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


RED, BLUE = picture(0), picture(1, (84, 140))


@pytest.fixture(scope="module")
def loaded():
    return {}


@pytest.fixture
def sampler(tiny, family, loaded):
    """Model and processor of a family; `reads(generate)` counts what a call reads."""
    if family not in loaded:
        processor, model, _ = load_checkpoint(str(tiny(family)))
        loaded[family] = SimpleNamespace(processor=processor, model=model.eval())
    return loaded[family]


def batch(sampler, rows):
    """Rows of (pictures, text), padded on the left."""
    texts = []
    for pictures, text in rows:
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": text}]
        message = {"role": "user", "content": content}
        texts.append(
            sampler.processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
        )
    images = [[*pictures] for pictures, _ in rows] if any(pictures for pictures, _ in rows) else None
    return sampler.processor(text=texts, images=images, padding=True, return_tensors="pt")


def drawn(generate, inputs, **how):
    torch.manual_seed(3)
    return generate(**inputs, **(SAMPLED | how))


def read(model, generate, inputs, **how):
    """What was drawn, and the tokens and patches (or tiles) that the model was run on."""
    tokens, patches = [], []
    towers = ("visual", "vision_model", "vision_tower")
    tower = next(getattr(model.model, name) for name in towers if hasattr(model.model, name))
    hooks = [
        decoder_of(model).register_forward_pre_hook(
            lambda _, __, kwargs: tokens.append(kwargs["inputs_embeds"].shape[:2].numel()), with_kwargs=True
        ),
        tower.register_forward_pre_hook(
            lambda _, args, kwargs: patches.append(len(args[0] if args else kwargs["pixel_values"])),
            with_kwargs=True,
        ),
    ]
    output = drawn(generate, inputs, **how)
    for hook in hooks:
        hook.remove()
    return output, sum(tokens), sum(patches)


def distinct_patches(model, inputs):
    """Patches, or tiles, of the distinct pictures of a batch."""
    units = image_units(model, inputs)
    return sum(
        1 if units[i].grid is None else len(units[i].values) for i in dict.fromkeys(first_copies(units))
    )


def closed_loop_prompts(sampler):
    """Prompts of chains of thought and of reconstructions, both ragged."""
    cots = [([RED], f"{QUESTION} It is red."), ([BLUE], f"{QUESTION} It is blue, as the sea is at noon.")]
    reconstructions = [
        (images, f"{QUESTION} Reasoning: " + "far " * i) for images, _ in cots for i in range(3)
    ]
    return batch(sampler, [cots[0]] * 3 + [cots[1]] * 3), batch(sampler, reconstructions)


@pytest.mark.parametrize("sampled", [True, False])
def test_both_segments_of_the_closed_loop_are_sampled_as_in_the_plain_way(sampler, sampled):
    model = sampler.model
    shared = SharedPrefill(model)
    patches_of_both = 0
    for inputs in closed_loop_prompts(sampler):
        plain = drawn(model.generate, inputs, do_sample=sampled)
        deltas = getattr(model.model, "rope_deltas", None)
        output, _, patches = read(model, shared.generate, inputs, do_sample=sampled)
        patches_of_both += patches
        assert torch.equal(output, plain)
        assert deltas is None or torch.equal(model.model.rope_deltas, deltas)
        assert len({tuple(row) for row in output[:, inputs["input_ids"].shape[1] :].tolist()}) > 1
    assert patches_of_both == distinct_patches(model, inputs)  # each picture once for both calls


def test_next_token_scores_are_those_of_the_plain_way(sampler):
    shared = SharedPrefill(sampler.model)
    for inputs in closed_loop_prompts(sampler):
        how = {"return_dict_in_generate": True, "output_logits": True, "do_sample": False}
        plain = drawn(sampler.model.generate, inputs, **how)
        output = drawn(shared.generate, inputs, **how)
        for logits, expected in zip(output.logits, plain.logits, strict=True):
            torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-5)


def test_a_prompt_is_read_once_for_all_its_samples(sampler):
    model = sampler.model
    inputs = batch(sampler, [([RED], QUESTION), ([BLUE], f"{QUESTION} Say more.")])
    lengths = inputs["attention_mask"].sum(1)
    how = {"num_return_sequences": 4, "min_new_tokens": 10}
    plain, plain_tokens, _ = read(model, model.generate, inputs, **how)
    output, tokens, patches = read(model, SharedPrefill(model).generate, inputs, **how)
    assert torch.equal(output, plain)
    assert plain_tokens == 8 * lengths.max() + 8 * 9
    assert tokens == 2 * (lengths.max() - 1) + 8 * 10  # the last token of the prompt is read by every row
    assert patches == distinct_patches(model, inputs)


def test_a_generation_config_is_followed_and_left_alone(sampler, caplog):
    settings = GenerationConfig(**SAMPLED, num_return_sequences=3, pad_token_id=0)
    inputs = batch(sampler, [([RED], QUESTION)])
    for samples in (3, 1):
        settings.num_return_sequences = samples
        rows = {
            name: value if samples == 3 else value.repeat(3, *[1] * (value.dim() - 1))
            for name, value in inputs.items()
        }
        outputs = []
        for generate in (sampler.model.generate, SharedPrefill(sampler.model).generate):
            torch.manual_seed(3)
            outputs.append(generate(**rows, generation_config=settings))
        assert torch.equal(*outputs) and len(outputs[0]) == 3
        assert settings.num_return_sequences == samples
    assert not caplog.messages  # transformers warns of a config beside settings


def test_reconstructions_read_what_they_share_once_and_go_on_from_the_chains_of_thought(sampler):
    model = sampler.model
    cots, reconstructions = closed_loop_prompts(sampler)
    alone, alone_tokens, _ = read(model, SharedPrefill(model).generate, reconstructions, max_new_tokens=1)
    shared = SharedPrefill(model)
    drawn(shared.generate, cots)
    after, tokens, patches = read(model, shared.generate, reconstructions, max_new_tokens=1)
    assert torch.equal(after, alone) and patches == 0
    rows = reconstructions["attention_mask"].sum()
    assert tokens < alone_tokens < rows * 0.6


def test_rows_with_several_pictures_and_with_none(sampler):
    rows = [
        ([RED, BLUE], QUESTION),
        ([RED, BLUE], QUESTION),
        ([BLUE, RED], QUESTION),
        ([RED, BLUE], f"{QUESTION} Reasoning: the second is blue"),
        ([RED], QUESTION),
        ([RED], "Another question"),
    ]
    for inputs in (batch(sampler, rows), batch(sampler, [([], "How are you?")] * 3 + [([], "How long?")])):
        plain = drawn(sampler.model.generate, inputs)
        assert torch.equal(drawn(SharedPrefill(sampler.model).generate, inputs), plain)


def test_pictures_of_the_same_grid_are_told_apart_from_call_to_call(sampler):
    shared = SharedPrefill(sampler.model)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        inputs = batch(sampler, [([picture(first)], QUESTION)] * 2 + [([picture(second)], QUESTION)] * 2)
        assert torch.equal(drawn(shared.generate, inputs), drawn(sampler.model.generate, inputs))


@pytest.fixture
def one(tiny):
    processor, model, _ = load_checkpoint(str(tiny()))
    return SimpleNamespace(processor=processor, model=model.eval())


def right_padded(inputs):
    return {name: value.flip(1) if name == "attention_mask" else value for name, value in inputs.items()}


def checkpointing(model):
    model.gradient_checkpointing_enable()
    model.train()


@pytest.mark.parametrize(
    ("reason", "how", "change", "prepare"),
    [
        ("num_beams is 2", {"num_beams": 2, "do_sample": False}, None, None),
        ("use_cache is False", {"use_cache": False}, None, None),
        ("prompts are not padded on the left", {}, right_padded, None),
        (CACHE, {CACHE: DynamicCache}, None, None),
        ("gradient checkpointing is on", {"use_cache": True}, None, checkpointing),
        ("the family 'other' is not covered", {}, None, lambda m: setattr(m.config, "model_type", "other")),
    ],
)
def test_what_is_not_covered_is_sampled_the_plain_way_and_said_once(
    one, caplog, reason, how, change, prepare
):
    inputs = batch(one, [([RED], QUESTION)] * 2 + [([RED], f"{QUESTION} Say more.")])
    inputs = dict(inputs) if change is None else change(inputs)
    if prepare:
        prepare(one.model)
    module._say_once.cache_clear()
    calls = []
    plain = one.model.generate
    one.model.generate = lambda **given: calls.append(set(given)) or plain(**given)
    shared = SharedPrefill(one.model)
    with caplog.at_level(logging.WARNING, module.__name__):
        for _ in range(2):
            given = {name: value() if value is DynamicCache else value for name, value in how.items()}
            drawn(shared.generate, inputs, **given)
    assert [names >= {"pixel_values"} for names in calls] == [True, True]
    messages = [record.getMessage() for record in caplog.records if record.name == module.__name__]
    assert len(messages) == 1 and reason in messages[0]


def test_prompts_that_share_nothing_are_sampled_the_plain_way_without_a_word(one, caplog):
    inputs = batch(one, [([RED], QUESTION), ([BLUE], QUESTION)])
    _, tokens, _ = read(one.model, SharedPrefill(one.model).generate, inputs, max_new_tokens=1)
    assert tokens == inputs["input_ids"].numel() and not caplog.messages


def test_inside_the_context_the_model_generates_this_way_and_afterwards_its_own(one):
    inputs = batch(one, [([RED], QUESTION)] * 4)
    with shared_prefill(one.model):
        assert read(one.model, one.model.generate, inputs, max_new_tokens=1)[1] < inputs["input_ids"].numel()
    assert "generate" not in vars(one.model)
    with shared_prefill(one.model, enabled=False):
        assert "generate" not in vars(one.model)
    one.model.generate = own = one.model.generate
    with shared_prefill(one.model):
        assert one.model.generate != own
    assert vars(one.model)["generate"] is own


def test_prompts_are_grouped_by_what_they_share_up_to_the_last_picture():
    image = (9, 9)
    prompts = [
        TokenizedPrompt((1, *image, 2, 3, 4), (0,), 3),
        TokenizedPrompt((1, *image, 2, 3, 5, 6), (0,), 3),
        TokenizedPrompt((1, *image, 2), (1,), 3),
        TokenizedPrompt((7, *image, 2), (1,), 3),  # differs before its picture
        TokenizedPrompt((1, *image), (2,), 3),  # its last token is of the picture
    ]
    assert group_prompts(prompts) == [
        PromptGroup((0, 1), 5),
        PromptGroup((2,), 3),
        PromptGroup((3,), 3),
        PromptGroup((4,), 2),
    ]
    assert distinct_prompts([prompts[1], prompts[0], prompts[1]]) == ([prompts[1], prompts[0]], [0, 1, 0])
    assert common_length((1, 2), (1, 2, 3)) == 2


def test_a_prompt_that_is_the_start_of_another_keeps_its_last_token():
    short, long = TokenizedPrompt((1, 2, 3)), TokenizedPrompt((1, 2, 3, 4))
    assert group_prompts([short, long]) == [PromptGroup((0, 1), 2)]


def test_pictures_are_encoded_in_the_context_of_the_forward_pass(sampler, monkeypatch):
    """TRL's mixed precision wraps `forward` alone, and FlashAttention takes no float32."""
    inside, encoded = [], []

    @contextmanager
    def autocast():
        inside.append(True)
        yield
        inside.pop()

    plain = sampler.model.model.get_image_features

    def encode(*arguments, **options):
        encoded.append(bool(inside))
        return plain(*arguments, **options)

    monkeypatch.setattr(sampler.model.model, "get_image_features", encode)
    asked = batch(sampler, [([RED], QUESTION)] * 2)
    with shared_prefill(sampler.model, True, autocast):
        sampler.model.generate(**asked, max_new_tokens=2, do_sample=False)
    assert encoded == [True]
