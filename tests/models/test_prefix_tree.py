"""A packed row gives the log-probabilities and gradients of separate rows."""

from dataclasses import dataclass, field

import numpy as np
import pytest

pytest.importorskip("trl")

import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForImageTextToText,
    AutoProcessor,
)
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from trl.trainer.utils import add_fused_lm_head

from rise_bench.models import tree_attention
from rise_bench.models.image_units import decoder_of, image_units
from rise_bench.models.prefix_tree import PrefixTree, Rows, pack
from rise_bench.models.tree_attention import Segment, TreeLayout, use_tree_attention
from rise_bench.trainers.phases.cpu_logprob_patch import trained_positions_only

from ..support.tiny_models import images_of

#: Picture, question and completion of each row.
ROWS = {
    "completions that differ at once": [(0, "what?", [70, 71, 72]), (0, "what?", [80, 81])],
    "completions that share a start": [(0, "what?", [70, 71, 72]), (0, "what?", [70, 71, 80, 81])],
    "a completion that is a prefix of another": [(0, "what?", [70, 71]), (0, "what?", [70, 71, 80])],
    "an empty completion": [(0, "what?", []), (0, "what?", [70]), (0, "what?", [80])],
    "equal rows": [(0, "what?", [70, 71]), (0, "what?", [70, 71])],
    "a single row": [(0, "what?", [70, 71])],
    "ragged prompts": [(0, "what?", [70]), (0, "what is it, and where?", [80, 81, 82]), (0, "what?", [90])],
    "two pictures": [(0, "what?", [70]), (1, "what?", [70]), (0, "what?", [80]), (1, "what?", [70, 71])],
    "pictures of two sizes": [(0, "what?", [70, 71]), (2, "what?", [70, 71]), (2, "what?", [80])],
    "a closed loop": [
        *((0, "explain joy", [70, 71, 72]), (0, "state: joy joy", [90])),
        *((0, "explain joy", [70, 73]), (0, "state: joy fear", [90, 91])),
    ],
}


def picture(seed):
    size = (84, 112) if seed == 2 else (112, 84)
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    )


@dataclass
class Subject:
    """A tiny model that scores rows."""

    model: object
    processor: object
    images: dict = field(default_factory=dict)

    def rows(self, described):
        """Padded rows as TRL makes them."""
        chats = [
            self.processor.apply_chat_template(
                [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
                add_generation_prompt=True,
            )
            for _, text, _ in described
        ]
        images = [[picture(seed)] for seed, _, _ in described]
        asked = self.processor(text=chats, images=images, padding=True, return_tensors="pt")
        width = max(1, *(len(completion) for _, _, completion in described), 0)
        ids = torch.zeros(len(described), width, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for row, (_, _, completion) in enumerate(described):
            ids[row, : len(completion)] = torch.tensor(completion, dtype=torch.long)
            seen[row, : len(completion)] = 1
        self.images = images_of(asked)
        if (kinds := self.images.get("mm_token_type_ids")) is not None:
            self.images["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(ids)], 1)
        return Rows(
            torch.cat([asked["input_ids"], ids], 1),
            torch.cat([asked["attention_mask"], seen], 1),
            width,
            image_units(self.model, asked),
        )

    def separate(self, rows):
        """Log-probabilities of the last padded rows."""
        labels = rows.input_ids.masked_fill(rows.attention_mask == 0, -100)
        labels[:, : -rows.completion] = -100
        output = self.model(
            input_ids=rows.input_ids,
            attention_mask=rows.attention_mask,
            labels=labels,
            **self.images,
            fused_lm_head=True,
        )
        return output.log_probs[:, -rows.completion :], output.entropy[:, -rows.completion :]

    def packed(self, rows):
        """Log-probabilities of the packed row."""
        packed = pack(self.model, rows)
        output = self.model(**packed.inputs, fused_lm_head=True)
        return packed.unpack(output.log_probs), packed.unpack(output.entropy)

    def gradients(self, values):
        """Gradient of every parameter of a weighted sum."""
        self.model.zero_grad()
        (values * torch.linspace(-1, 1.5, values.numel()).view_as(values)).sum().backward()
        return {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}


@pytest.fixture(params=["sdpa", "eager"])
def subject(tiny, family, request):
    model = AutoModelForImageTextToText.from_pretrained(tiny(family), attn_implementation=request.param)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    assert use_tree_attention(model.train())
    return Subject(model, AutoProcessor.from_pretrained(tiny(family), padding_side="left"))


def assert_alike(first, second):
    for name, gradient in first.items():
        scale = gradient.abs().max().item() + 1e-4  # a key bias has no gradient but rounding
        assert (second[name] - gradient).abs().max().item() <= 1e-4 * scale, name
    assert first.keys() == second.keys()


def test_values_and_gradients_are_those_of_separate_rows(subject):
    moved = 0
    with trained_positions_only():
        for name, described in ROWS.items():
            rows = subject.rows(described)
            one, other = subject.separate(rows), subject.packed(rows)
            for expected, value in zip(one, other, strict=True):
                torch.testing.assert_close(value, expected, atol=5e-6, rtol=1e-5, msg=name)
            first, second = subject.gradients(one[0]), subject.gradients(other[0])
            assert_alike(first, second)
            moved += sum(bool(gradient.abs().max() > 1e-3) for gradient in first.values())
    assert moved > 100


def test_gradient_checkpointing_recomputes_the_packed_row(subject):
    rows = subject.rows(ROWS["a closed loop"])
    plain = subject.gradients(subject.packed(rows)[0])
    subject.model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_alike(plain, subject.gradients(subject.packed(rows)[0]))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_a_packed_row_by_flex_attention(subject, monkeypatch):
    """The path of a GPU, uncompiled."""
    rows = subject.rows(ROWS["a closed loop"])
    expected = subject.packed(rows)[0]
    monkeypatch.setattr(tree_attention, "by_segment", tree_attention.by_block_mask)
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(subject.packed(rows)[0], expected, atol=5e-6, rtol=1e-5)


def test_other_forward_passes_and_samples_are_the_usual_ones(tiny, family):
    inputs = {"input_ids": torch.arange(70, 80)[None], "attention_mask": torch.ones(1, 10, dtype=torch.long)}
    model = AutoModelForImageTextToText.from_pretrained(tiny(family), attn_implementation="sdpa").eval()
    logits, drawn = model(**inputs).logits, model.generate(**inputs, max_new_tokens=8, do_sample=False)
    assert use_tree_attention(model)
    assert model(**inputs).logits.equal(logits)
    assert model.generate(**inputs, max_new_tokens=8, do_sample=False).equal(drawn)


def test_every_shared_token_is_computed_once(subject):
    one = pack(subject.model, subject.rows(ROWS["a single row"])).tokens
    rows = subject.rows([(0, "what?", [70, 71])] * 8)
    assert pack(subject.model, rows).tokens == one
    shown = image_units(subject.model, pack(subject.model, rows).inputs)
    assert len(shown) == len(rows.units) / 8
    split = pack(subject.model, subject.rows([(0, "what?", [70 + i, 71]) for i in range(8)]))
    assert split.tokens == one - 3 + 8 * 3  # the end of the prompt and two tokens, eight times


def test_a_model_with_a_sliding_window_is_not_packed(tiny):
    model = AutoModelForImageTextToText.from_pretrained(tiny())
    model.model.language_model.config.layer_types[0] = "sliding_attention"
    assert not use_tree_attention(model)
    assert not use_tree_attention(torch.nn.Linear(1, 1))


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 2), min_size=1, max_size=5), st.lists(st.integers(0, 2), max_size=5)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_rows_can_be_read_from_the_tree(described):
    """Each completion token has a position that sees just the tokens before it and is labelled with it."""
    texts = [np.array([*prompt, *completion]) for prompt, completion in described]
    prompts = [len(prompt) for prompt, _ in described]
    tree = PrefixTree(texts, prompts)
    tokens = len(tree.source)
    at, labels = tree.predictions(6, tokens, [len(text) for text in texts])
    packed = [int(texts[row][token]) for row, token in tree.source]
    above = {
        position: [i for start, end in segment.above for i in range(start, end)]
        + list(range(segment.start, position + 1))
        for segment in tree.segments
        for position in range(segment.start, segment.end)
    }
    for row, (_, completion) in enumerate(described):
        assert at[row][len(completion) :] == [-1] * (6 - len(completion))
        for number, token in enumerate(completion):
            position = at[row][number]
            assert labels[position] == token
            assert [packed[i] for i in above[position]] == texts[row][: prompts[row] + number].tolist()
    assert tokens <= sum(map(len, texts))


@given(st.lists(st.tuples(st.lists(st.integers(0, 1), min_size=1, max_size=4)), min_size=1, max_size=5))
def test_the_block_mask_is_the_mask_of_the_segments(described):
    tree = PrefixTree([np.array(text) for (text,) in described], [1] * len(described))
    layout = TreeLayout(tree.segments, torch.device("cpu"))
    dense = torch.zeros(len(tree.source), len(tree.source), dtype=torch.bool)
    for segment in tree.segments:
        for position in range(segment.start, segment.end):
            for start, end in (*segment.above, (segment.start, position + 1)):
                dense[position, start:end] = True
    grid = torch.arange(len(dense))
    assert layout.block_mask.mask_mod(0, 0, grid[:, None], grid[None]).equal(dense)


def test_a_repeated_picture_cannot_be_packed():
    assert PrefixTree([np.array([5, -1, 7]), np.array([5, -1, 8])], [2, 2]).repeats_image
    assert not PrefixTree([np.array([5, -1, 6, 7]), np.array([5, -1, 6, 8])], [3, 3]).repeats_image


def test_a_prompt_that_two_rows_leave_is_cut_one_token_early():
    tree = PrefixTree([np.array([1, 2, 3]), np.array([1, 2, 4])], [2, 2])
    assert tree.segments == [Segment(0, 1, ()), Segment(1, 3, ((0, 1),)), Segment(3, 5, ((0, 1),))]


def test_the_usual_attention_finds_its_own_name(tiny):
    """FlashAttention looks its kernel up by the name in the config."""
    seen = []

    def flash(module, *arguments, **options):
        seen.append(module.config._attn_implementation)
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, *arguments, **options)

    AttentionInterface.register("flash_of_a_test", flash)
    AttentionMaskInterface.register("flash_of_a_test", ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    model = AutoModelForImageTextToText.from_pretrained(tiny("qwen2_vl"))
    decoder_of(model).config._attn_implementation = "flash_of_a_test"
    assert use_tree_attention(model)
    model(input_ids=torch.tensor([[70, 71, 72]]))
    assert set(seen) == {"flash_of_a_test"}
    assert decoder_of(model).config._attn_implementation == "prefix_tree_flash_of_a_test"
