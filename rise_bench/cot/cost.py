"""Tokens and price of a sweep before it is started: counted from the prompts and pictures, nothing is asked.

Text is counted by a rough rule that needs no tokenizer and counts long lists of boxes too high; a picture by
its area; the reconstruction by the length of the ground truth. What a chain of thought will be like is a
guess until there are logs.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import render_gold
from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.schema import row_to_gold
from rise_bench.prompts.templates import answer_only_text

#: Side of the square of pixels that is a token of Qwen2-VL.
TOKEN_PX = 28

#: Tokens that a chat format puts around a message.
_CHAT_TOKENS = 12

#: Share of their limit that chains of thought are assumed to be long, before there are any.
_ASSUMED_SHARE = 0.5

_PIECE = re.compile(r"\d|[^\W\d_]+|[^\w\s]+|_+|\n")


@dataclass(frozen=True, slots=True)
class Prices:
    """Price of a million tokens, in any currency."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class SweepCost:
    """What a sweep will read and write.

    Attributes:
        samples: Samples that are annotated.
        pictures: Distinct pictures among them.
        requests: Requests to the model.
        text_tokens: Tokens of the prompts.
        picture_tokens: Tokens of the pictures in the prompts.
        input_tokens_at_most: Tokens of both where the server gives one text for each request.
        answer_tokens: Tokens that the model writes, by the assumed length of a chain of thought.
        answer_tokens_at_most: Tokens that it may write, by the limits.
        cot_tokens: Assumed length of a chain of thought.
        measured: Whether that is the mean of chains of thought that are there, and no guess.
    """

    samples: int
    pictures: int
    requests: int
    text_tokens: int
    picture_tokens: int
    input_tokens_at_most: int
    answer_tokens: int
    answer_tokens_at_most: int
    cot_tokens: int
    measured: bool

    def price(self, prices: Prices, *, at_most: bool = False) -> float:
        """Return the price of the sweep."""
        tokens = (self.input_tokens, self.answer_tokens)
        if at_most:
            tokens = (self.input_tokens_at_most, self.answer_tokens_at_most)
        return (tokens[0] * prices.input + tokens[1] * prices.output) / 1e6

    @property
    def input_tokens(self) -> int:
        """Tokens of the prompts and their pictures."""
        return self.text_tokens + self.picture_tokens

    def per_1000_pictures(self, value: float) -> float:
        """Return what a total comes to for a thousand pictures."""
        return value * 1000 / max(1, self.pictures)

    def to_json(self, prices: Prices | None) -> dict[str, Any]:
        """Return the counts, and the prices where they are known, as plain JSON values."""
        data = asdict(self)
        data["input_tokens_per_1000_pictures"] = round(self.per_1000_pictures(self.input_tokens))
        data["answer_tokens_per_1000_pictures"] = round(self.per_1000_pictures(self.answer_tokens))
        if prices:
            for name, at_most in (("price", False), ("price_at_most", True)):
                price = self.price(prices, at_most=at_most)
                data |= {name: price, f"{name}_per_1000_pictures": self.per_1000_pictures(price)}
        return data


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has.

    >>> count_tokens('{"joy": 0.25}'), count_tokens("Warm light falls on the faces.")
    (8, 7)
    """
    return sum(_tokens_of_piece(piece) for piece in _PIECE.findall(text))


def sweep_cost(
    benchmark: BenchmarkDataset,
    settings: LoopSettings,
    rows: Iterable[dict[str, Any]],
    *,
    max_pixels: int | None = None,
    tokens_per_picture: int | None = None,
    known_cots: Sequence[str] = (),
) -> SweepCost:
    """Count what a sweep over rows will read and write.

    Args:
        benchmark: The benchmark.
        settings: How a sample is annotated.
        rows: Rows to annotate, with the columns of the ground truth and `source_sha256`.
        max_pixels: Area that a larger picture is shrunk to; None for pictures as they are.
        tokens_per_picture: Tokens of each picture, where that is known; None to count its area.
        known_cots: Chains of thought of the same model, whose mean length is taken.
    """
    loop = ClosedLoop(benchmark.spec, settings)
    thought = round(fmean(map(count_tokens, known_cots))) if known_cots else 0
    thought = min(thought or round(settings.max_cot_length * _ASSUMED_SHARE), settings.max_cot_length)
    text = picture = again = answer = samples = 0
    pictures: set[str] = set()
    for row in rows:
        gold = row_to_gold(benchmark.spec, row)
        shown = tokens_per_picture or _picture_tokens(gold, max_pixels)
        prompts = (count_tokens(loop.reason_text(gold)), count_tokens(loop.reconstruct_text(gold, "")))
        text += prompts[0] + _CHAT_TOKENS + settings.samples * (prompts[1] + thought + _CHAT_TOKENS)
        picture += shown * (1 + settings.samples)
        again += (settings.samples - 1) * (prompts[0] + _CHAT_TOKENS + shown)
        stated = count_tokens(answer_only_text(render_gold(gold, settings.answer_format)))
        answer += settings.samples * (thought + min(stated, settings.max_reconstruction_length))
        pictures.add(row["source_sha256"])
        samples += 1
    limit = settings.samples * (settings.max_cot_length + settings.max_reconstruction_length)
    requests = samples * (1 + settings.samples)
    numbers = (text, picture, text + picture + again, answer, samples * limit, thought)
    return SweepCost(samples, len(pictures), requests, *numbers, measured=bool(known_cots))


def _tokens_of_piece(piece: str) -> int:
    if not piece.isalpha():
        return 1
    return max(1, round(len(piece) / 8 + 0.3) if piece.isascii() else round(len(piece) / 1.8))


def _picture_tokens(gold: Gold, max_pixels: int | None) -> int:
    area = gold.width_px * gold.height_px
    return max(1, round(min(area, max_pixels or area) / TOKEN_PX**2))
