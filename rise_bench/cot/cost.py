"""Tokens and price of a sweep, estimated from prompts and pictures before any request.

Texts are counted by a rough rule that needs no tokenizer and counts too many tokens for long lists of boxes.
A picture is counted by its area, a reconstruction by the length of the ground truth. The length of a chain of
thought is a guess until there are logs.
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
from rise_bench.data.pictures import picture_hashes
from rise_bench.data.schema import row_to_gold
from rise_bench.prompts.templates import answer_only_text

#: Side of a Qwen2-VL image token in px.
TOKEN_PX = 28

#: Tokens that a chat template adds to a message.
_CHAT_TOKENS = 12

#: Assumed length of a chain of thought as a share of its limit, until there are logs.
_ASSUMED_SHARE = 0.5

_PIECE = re.compile(r"\d|[^\W\d_]+|[^\w\s]+|_+|\n")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices per million tokens, in any currency."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class SweepCost:
    """Estimated size of a sweep.

    Attributes:
        samples: Number of samples.
        pictures: Number of distinct pictures.
        requests: Number of requests to the model.
        text_tokens: Tokens of the prompts' texts.
        picture_tokens: Tokens of the prompts' pictures.
        input_tokens_at_most: Tokens of both if the server returns one text per request.
        answer_tokens: Tokens that the model writes if chains of thought have the assumed length.
        answer_tokens_at_most: Tokens that it writes if every text reaches its limit.
        cot_tokens: Assumed length of a chain of thought in tokens.
        measured: Whether that length is the mean of existing chains of thought, not a guess.
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
        """Scale a total to a thousand pictures."""
        return value * 1000 / max(1, self.pictures)

    def to_json(self, prices: Prices | None) -> dict[str, Any]:
        """Return the counts, and the prices if known, as JSON values."""
        data = asdict(self)
        data["input_tokens_per_1000_pictures"] = round(self.per_1000_pictures(self.input_tokens))
        data["answer_tokens_per_1000_pictures"] = round(self.per_1000_pictures(self.answer_tokens))
        if prices:
            for name, at_most in (("price", False), ("price_at_most", True)):
                price = self.price(prices, at_most=at_most)
                data |= {name: price, f"{name}_per_1000_pictures": self.per_1000_pictures(price)}
        return data


def count_tokens(text: str) -> int:
    """Estimate the number of tokens of a text.

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
    """Estimate the tokens of a sweep over rows.

    Args:
        benchmark: The benchmark.
        settings: Settings of the closed loop.
        rows: Rows to annotate, with the columns of the ground truth and `source_sha256`.
        max_pixels: Area to which larger pictures are resized; None for the original size.
        tokens_per_picture: Tokens per picture, if known; None estimates them from the area.
        known_cots: Chains of thought of the same model; their mean length is used.
    """
    loop = ClosedLoop(benchmark.spec, settings)
    thought = round(fmean(map(count_tokens, known_cots))) if known_cots else 0
    thought = min(thought or round(settings.max_cot_length * _ASSUMED_SHARE), settings.max_cot_length)
    text = picture = again = answer = samples = 0
    pictures: set[str] = set()
    for row in rows:
        gold = row_to_gold(benchmark.spec, row)
        shown = (tokens_per_picture or _picture_tokens(gold, max_pixels)) * benchmark.spec.images_per_row
        prompts = (count_tokens(loop.reason_text(gold)), count_tokens(loop.reconstruct_text(gold, "")))
        text += prompts[0] + _CHAT_TOKENS + settings.samples * (prompts[1] + thought + _CHAT_TOKENS)
        picture += shown * (1 + settings.samples)
        again += (settings.samples - 1) * (prompts[0] + _CHAT_TOKENS + shown)
        stated = count_tokens(answer_only_text(render_gold(gold, settings.answer_format)))
        answer += settings.samples * (thought + min(stated, settings.max_reconstruction_length))
        pictures.update(picture_hashes(row["source_sha256"]))
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
