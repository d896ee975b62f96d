"""Tokenizer and processor of the base model.

A byte-level BPE learned from the lessons. Every fixed sentence of the project's prompts is a token, so that
a prompt has about ten tokens besides the picture, and so is the fixed start of every sentence that
describes a drawn picture ("At the top left there is a"); other text falls back to words and bytes. A
decimal with its comma is a token; a whole number is two, its last digit and the rest, so that the first
gives a side of a box to a hundredth of the picture.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.models.tiny import CHAT_TEMPLATE, SPECIAL_TOKENS
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.synthetic.statements import KIND_SENTENCES, MOOD_SENTENCES, PLACES
from rise_bench.trainers.base_model.architecture import SIDE_PX
from rise_bench.trainers.base_model.lesson import TAUGHT
from rise_bench.trainers.base_model.lessons import picture_lesson, text_lesson
from rise_bench.trainers.base_model.pictures import BENCHMARKS, Gallery

WORDS_AND_PIECES = 1200
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
SYSTEM = "You are a helpful assistant."
_PIECES = r" ?\d\.\d+,?|\d+(?=\d)|\d|, (?=\d)| ?[^\s\d]+|\s+"
_BREAK = re.compile(r'\n|(?<=[.:;?]) | (?=\{"|\[\[\d)')
_UNFIXED = re.compile(r"\d\.\d|\[\[\d|QUESTION|REASONING")


def fixed_sentences() -> list[str]:
    """Return the fixed sentences of prompts, for the tasks of the lessons."""
    vocabulary: dict[str, None] = {SYSTEM: None}
    for spec in TAUGHT:
        gold = Gold("fixed", KINDS[spec.kind].examples(spec.classes)[0], 1000, 1000, "", "QUESTION")
        for prompt in (
            reason_prompt(spec, gold),
            reconstruct_prompt(spec, gold, "REASONING"),
            think_answer_prompt(spec, gold),
            answer_only_prompt(spec, gold),
        ):
            for sentence in _BREAK.split(prompt):
                if len(sentence) >= 15 and not _UNFIXED.search(sentence):
                    vocabulary[sentence] = None
    return list(vocabulary)


def starts_of_statements() -> list[str]:
    """Return what comes before the first word that depends on a picture, in each form of a statement."""
    forms = (*MOOD_SENTENCES.values(), *KIND_SENTENCES.values())
    starts = [form.split(" {}")[0] for form in forms]
    return [*dict.fromkeys([*starts, "There is a", *(f"At the {place} there is a" for place in PLACES)])]


def _texts(count: int) -> Iterator[str]:
    """Yield lessons without what is a token anyway."""
    known = re.compile(
        "|".join(map(re.escape, sorted((*fixed_sentences(), *starts_of_statements()), key=len)[::-1]))
    )
    rng = random.Random(1)
    yield from [" ".join(str(n) for n in range(0, 1010, 10))] * count
    gallery = Gallery(rng)
    for _ in range(count):
        lessons = [picture_lesson(rng, gallery.see(name)) for name in BENCHMARKS]
        for lesson in (*lessons, text_lesson(rng), text_lesson(rng)):
            yield known.sub("\0", f"user\n{lesson.prompt}\nassistant\n{lesson.reply}\nsystem\n")


def make_tokenizer(texts: int = 1000) -> PreTrainedTokenizerBase:
    """Return a tokenizer learned from samples of all lessons."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=WORDS_AND_PIECES, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(_texts(texts), trainer)
    starts = [f"{space}{start}" for start in starts_of_statements() for space in ("", " ")]
    bpe.add_tokens([AddedToken(text, normalized=False) for text in (*TAGS, *fixed_sentences(), *starts)])
    bpe.add_special_tokens(list(SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL_TOKENS),
        padding_side="left",
        model_max_length=2048,
        chat_template=CHAT_TEMPLATE,
    )


def make_processor(tokenizer: PreTrainedTokenizerBase) -> Any:
    """Return the processor, which scales pictures to at most 112 x 112, 16 image tokens."""
    size = {"shortest_edge": 56 * 56, "longest_edge": SIDE_PX * SIDE_PX}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )
