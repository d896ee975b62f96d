"""Tokens and price of a sweep, estimated from prompts and pictures before any request.

Texts are counted by a rough rule that needs no tokenizer and counts too many tokens for long lists of boxes.
A picture is counted by its area, a reconstruction by the length of the ground truth. The length of a chain of
thought is a guess until there are logs.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import render_gold
from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.views import Views
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


@dataclass(slots=True)
class _Requests:
    """Sums over requests, in the names of `SweepCost`."""

    requests: int = 0
    text: int = 0
    picture: int = 0
    repeated: int = 0
    answer: int = 0
    at_most: int = 0

    def ask(self, prompt: int, shown: int, texts: int, answer: int, limit: int, *, times: int = 1) -> None:
        """Count requests for `texts` answers each, by the tokens of a prompt, its pictures and an answer."""
        prompt += _CHAT_TOKENS
        self.requests += times
        self.text += times * prompt
        self.picture += times * shown
        self.repeated += times * (texts - 1) * (prompt + shown)
        self.answer += times * texts * answer
        self.at_most += times * texts * limit

    def reconstruct(
        self, views: Views, prompt: int, thought: int, shown: int, *answer: int, times: int
    ) -> None:
        """Count the requests of `times` chains of thought about the same pictures."""
        texts = views.reconstructions
        self.ask(prompt + thought, shown, texts, *answer, times=times)
        self.ask(prompt + thought, 0, texts, *answer, times=times * views.blind)
        self.ask(prompt, shown, texts, *answer, times=int(views.lift))


def sweep_cost(
    benchmark: BenchmarkDataset,
    settings: LoopSettings,
    rows: Iterable[dict[str, Any]],
    *,
    rescoring: Views | None = None,
    swept: Callable[[str], bool] = lambda uid: True,  # noqa: ARG005
    max_pixels: int | None = None,
    tokens_per_picture: int | None = None,
    known_cots: Sequence[str] = (),
) -> SweepCost:
    """Estimate the tokens of a sweep over rows.

    Args:
        benchmark: The benchmark.
        settings: Settings of the closed loop.
        rows: Rows to annotate, with the columns of the ground truth and `source_sha256`.
        rescoring: Views of new reconstructions from one chain of thought of each row; None for no such.
        swept: Whether the sample of an id is sampled; the others are only rescored.
        max_pixels: Area to which larger pictures are resized; None for the original size.
        tokens_per_picture: Tokens per picture, if known; None estimates them from the area.
        known_cots: Chains of thought of the same model; their mean length is used.
    """
    loop = ClosedLoop(benchmark.spec, settings)
    thought = round(fmean(map(count_tokens, known_cots))) if known_cots else 0
    thought = min(thought or round(settings.max_cot_length * _ASSUMED_SHARE), settings.max_cot_length)
    views = replace(rescoring or Views(), reconstructions=1)
    views = replace(views, blind=views.blind or settings.rule.view != "picture")
    sums, samples = _Requests(), 0
    pictures: set[str] = set()
    for row in rows:
        gold = row_to_gold(benchmark.spec, row)
        shown = (tokens_per_picture or _picture_tokens(gold, max_pixels)) * benchmark.spec.images_per_row
        empty = count_tokens(loop.reconstruct_text(gold, ""))
        stated = count_tokens(answer_only_text(render_gold(gold, settings.answer_format)))
        longest = settings.max_reconstruction_length
        again = (empty, thought, shown, min(stated, longest), longest)
        if swept(gold.id):
            asked = count_tokens(loop.reason_text(gold))
            sums.ask(asked, shown, settings.samples, thought, settings.max_cot_length)
            sums.reconstruct(views, *again, times=settings.samples)
        if rescoring is not None:
            sums.reconstruct(rescoring, *again, times=1)
        pictures.update(picture_hashes(row["source_sha256"]))
        samples += 1
    tokens = (sums.text, sums.picture, sums.text + sums.picture + sums.repeated, sums.answer, sums.at_most)
    return SweepCost(samples, len(pictures), sums.requests, *tokens, thought, measured=bool(known_cots))


def _tokens_of_piece(piece: str) -> int:
    if not piece.isalpha():
        return 1
    return max(1, round(len(piece) / 8 + 0.3) if piece.isascii() else round(len(piece) / 1.8))


def _picture_tokens(gold: Gold, max_pixels: int | None) -> int:
    area = gold.width_px * gold.height_px
    return max(1, round(min(area, max_pixels or area) / TOKEN_PX**2))
