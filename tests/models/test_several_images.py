"""Messages with several pictures, or none: checkpoint, endpoint, judge and closed loop get them in order."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rise_bench.catalog.families import FAMILIES
from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.cost import sweep_cost
from rise_bench.cot.grounding import Judging, judge_rollouts
from rise_bench.cot.sweep import sweep
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import pictures_of
from rise_bench.models.data_urls import data_url
from rise_bench.models.image_units import first_copies, image_units
from rise_bench.models.likelihood import token_log_probs
from rise_bench.models.local import LocalModel, load_checkpoint
from rise_bench.models.openai_endpoint import ChatServers, Endpoints
from rise_bench.models.sampler import Prompt, Sampling, TokenCount
from rise_bench.prompts.templates import reason_prompt
from rise_bench.scoring.groundedness import Grounded

from ..support.made_sources import photo
from ..support.pairs import write_pairs
from ..support.tiny_models import tiny  # noqa: F401  (fixture)

ONE, OTHER = photo(1, (56, 56)), photo(2, (84, 56))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkDataset:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_reads_every_picture_of_a_prompt(tiny, family: str) -> None:
    model = LocalModel(str(tiny(family)), sampling=Sampling(temperature=0), max_pixels=28 * 28 * 16)
    seen = []
    generate = model._generate
    model._generate = lambda **inputs: seen.append(inputs) or generate(**inputs)
    texts = model.sample([Prompt((ONE, OTHER), "What changed?"), Prompt((ONE, ONE), "Here?")], 1, 3)
    assert [len(of) for of in texts] == [1, 1]
    units, marks = image_units(model._model, seen[0]), seen[0]["input_ids"] == model._processor.image_token_id
    copies, of_row = first_copies(units), []
    for count in marks.sum(1).tolist():
        of_row.append([])
        while sum(units[i].tokens for i in of_row[-1]) < count:
            of_row[-1].append(sum(map(len, of_row)))
    first, second = ([copies[i] for i in row] for row in of_row)
    assert sum(map(len, of_row)) == len(units)
    assert second[: len(second) // 2] == second[len(second) // 2 :] == first[: len(second) // 2]
    assert set(first) - set(second)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_reads_a_text_without_a_picture(tiny, family: str) -> None:
    """Alone, and after the same text beside a picture, as `verify` asks."""
    greedy = {"sampling": Sampling(temperature=0), "max_pixels": 28 * 28 * 16}
    plain = LocalModel(str(tiny(family)), **greedy)
    plain._generate = plain._model.generate
    blind = [Prompt((), "What changed? It is red."), Prompt((), "What changed? It is blue.")]
    expected = plain.sample(blind, 1, 6)
    model, seen = LocalModel(str(tiny(family)), **greedy), []
    generate = model._generate
    model._generate = lambda **inputs: seen.append(inputs) or generate(**inputs)
    model.sample([Prompt((ONE,), prompt.text) for prompt in blind], 1, 6)
    assert model.sample(blind, 1, 6) == expected
    assert ["pixel_values" in inputs for inputs in seen] == [True, False]


def test_an_endpoint_is_sent_the_pictures_and_then_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = []

    async def ask(self, body):
        bodies.append(body)
        return ["yes"]

    monkeypatch.setattr(ChatServers, "_ask", ask)
    endpoint = Endpoints(["http://127.0.0.1:9/v1"], "m")
    assert endpoint.sample([Prompt((ONE, OTHER), "What changed?")], 1, 9) == [["yes"]]
    endpoint.close()
    (message,) = bodies[0]["messages"]
    assert [part["type"] for part in message["content"]] == ["image_url", "image_url", "text"]
    assert [part["image_url"]["url"] for part in message["content"][:2]] == [data_url(ONE), data_url(OTHER)]


def test_a_text_is_scored_beside_all_its_pictures(tiny) -> None:
    processor, model, _ = load_checkpoint(str(tiny()), dtype=torch.float32)
    first, second = (Image.fromarray(np.full((56, 56, 3), grey, np.uint8)) for grey in (20, 200))
    text = ["It is the same."]
    with_both = token_log_probs(model, processor, [(first, second)], text)
    assert with_both != token_log_probs(model, processor, [(first, first)], text)
    assert with_both != token_log_probs(model, processor, [(second, first)], text)
    assert token_log_probs(model, processor, [first], text) == token_log_probs(
        model, processor, [(first,)], text
    )


class Recorder:
    """A model that answers the same to everything, and keeps what it was asked."""

    workers, batch_rows = 1, 2

    def __init__(self) -> None:
        self.tokens, self.asked = TokenCount(), []

    def sample(self, prompts, n, max_tokens):
        self.asked += prompts
        return [["It looks alike."] * n for _ in prompts]

    def describe(self):
        return {"model": "recorder"}


def test_the_closed_loop_shows_both_pictures_twice(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    model, loop = Recorder(), ClosedLoop(pairs.spec, LoopSettings(samples=2))
    swept = sweep(pairs, "full", model, loop.annotated, tmp_path)
    assert swept.done == 6
    rows = {pictures_of(row) for row in pairs.rows("train")}
    assert {prompt.images for prompt in model.asked} == rows
    assert len(model.asked) == 6 * (1 + 2)
    reasons = [
        prompt.text
        for prompt in model.asked
        if prompt.text.startswith("Question") and "correct" in prompt.text
    ]
    assert all("cues in the images lead" in text and "sees the images" in text for text in reasons)


def test_prompts_of_one_picture_say_image(pairs: BenchmarkDataset) -> None:
    (gold, *_) = pairs.golds("train")
    one = reason_prompt(dataclasses.replace(pairs.spec, images_per_row=1), gold)
    assert one == reason_prompt(pairs.spec, gold).replace("images", "image")


def test_a_sweep_of_pairs_costs_the_tokens_of_both_pictures(pairs: BenchmarkDataset) -> None:
    rows = list(
        pairs.rows(
            "train", columns=["id", "width", "height", "question", "category", "probs", "source_sha256"]
        )
    )
    cost = sweep_cost(pairs, LoopSettings(samples=1), rows, tokens_per_picture=10)
    assert (cost.pictures, cost.picture_tokens) == (12, 6 * 2 * 2 * 10)


def test_a_judge_gets_both_pictures_of_a_row_and_of_others(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    shown: list = []

    class Judge:
        def ground(self, images, texts, others):
            shown.extend(zip(images, others, strict=True))
            return [Grounded(((0, 1, 1.0),)) for _ in texts]

        def describe(self):
            return {"model": "judge"}

    class Group:
        def read(self):
            return self

        cot = "It is the same."

    judging = Judging("judge", Judge, swaps=2)
    ids = [gold.id for gold in pairs.golds("train")]
    judge_rollouts(pairs, "full", {uid: [Group()] for uid in ids}, judging, tmp_path)
    files = {tuple(map(_pixels, pictures)) for pictures in (decoded(row) for row in pairs.rows("train"))}
    assert {tuple(map(_pixels, own)) for own, _ in shown} == files
    assert all(tuple(map(_pixels, other)) in files for _, others in shown for other in others)


def decoded(row) -> tuple[Image.Image, ...]:
    return tuple(Image.open(io.BytesIO(data)).convert("RGB") for data in pictures_of(row))


def _pixels(picture: Image.Image) -> bytes:
    return picture.tobytes()
