"""Tokens and price before a sweep: what the sweep then reads and writes, counted the same way."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.cost import Prices, count_tokens, sweep_cost
from rise_bench.cot.share import Share
from rise_bench.cot.views import Views
from rise_bench.errors import ConfigError
from rise_bench.scoring.rewards import RewardRule

from ..support.drawn_data import write_drawn
from .test_collect import Model

COT = "A picture with warm tones and soft edges."


class Counting(Model):
    """Counts what it is asked and answers, by the same rule."""

    def __init__(self):
        super().__init__(COT)
        self.requests = self.text_tokens = 0

    def sample(self, prompts, n, max_tokens):
        self.requests += len(prompts)
        self.text_tokens += sum(count_tokens(prompt.text) for prompt in prompts)
        return super().sample(prompts, n, max_tokens)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("scenes") / "scenes", "scenes", train=5, test=1)


def cost(benchmark, **options):
    return sweep_cost(benchmark, LoopSettings(samples=3), benchmark.rows("train"), **options)


def test_the_sweep_asks_what_the_dry_run_counted(benchmark, tmp_path):
    model = Counting()
    settings = LoopSettings(samples=3)
    job = CollectJob(benchmark, "full", tmp_path / "cots", tmp_path / "log", settings, sampler=lambda: model)
    collect(replace(job, model={"model": "counting"}), Share())
    counted = cost(benchmark, known_cots=[COT])
    assert counted.samples == counted.pictures == 5 and counted.measured
    assert counted.requests == model.requests == 5 * (1 + 3)
    assert counted.text_tokens - 12 * model.requests == model.text_tokens
    assert counted.cot_tokens == count_tokens(COT)


@pytest.mark.parametrize(
    "changes",
    [
        {"rescoring": Views(8)},
        {"rescoring": Views(2, blind=True, lift=True)},
        {"settings": LoopSettings(samples=3, rule=RewardRule(view="both"))},
    ],
)
def test_new_reconstructions_and_views_are_counted(benchmark, tmp_path, changes):
    model = Counting()
    settings = changes.get("settings", LoopSettings(samples=3))
    job = CollectJob(benchmark, "full", tmp_path / "cots", tmp_path / "log", settings, sampler=lambda: model)
    collect(replace(job, model={"model": "counting"}, **changes), Share())
    rows, rescoring = benchmark.rows("train"), changes.get("rescoring")
    counted = sweep_cost(benchmark, settings, rows, rescoring=rescoring, known_cots=[COT])
    assert counted.requests == model.requests > 5 * (1 + 3)
    assert counted.text_tokens - 12 * model.requests == model.text_tokens
    only = sweep_cost(
        benchmark, settings, benchmark.rows("train"), rescoring=Views(8), swept=lambda uid: False
    )
    assert only.requests == 5 and only.input_tokens_at_most == 8 * only.input_tokens


def test_prices_follow_from_the_tokens(benchmark):
    guessed = cost(benchmark)
    assert not guessed.measured and guessed.cot_tokens == LoopSettings().max_cot_length // 2
    assert guessed.answer_tokens < guessed.answer_tokens_at_most == 5 * 3 * (320 + 256)
    assert cost(benchmark, tokens_per_picture=85).picture_tokens == 5 * (1 + 3) * 85
    assert cost(benchmark, max_pixels=28 * 28).picture_tokens == 5 * (1 + 3)
    assert guessed.price(Prices(2.0, 0.0)) == pytest.approx(guessed.input_tokens * 2e-6)
    most = guessed.price(Prices(2.0, 0.0), at_most=True)
    assert (
        most == pytest.approx(guessed.input_tokens_at_most * 2e-6) and most < 2e-6 * 2 * guessed.input_tokens
    )
    assert guessed.price(Prices(0.0, 8.0), at_most=True) == pytest.approx(5 * 3 * 576 * 8e-6)
    assert guessed.per_1000_pictures(1.0) == 200


def test_the_command_says_the_price_and_asks_nothing(benchmark, tmp_path):
    nowhere = ["--endpoint", "http://127.0.0.1:9/v1", "--model", "teacher"]
    options = ["collect", "--benchmark", str(benchmark.root), *nowhere, "--out", str(tmp_path / "cots")]

    def run(*more):
        return CliRunner().invoke(app, [*options, "--dry-run", *more], catch_exceptions=False).stdout

    assert "5 samples on 5 pictures: 45 requests, none was sent" in run()
    printed = json.loads(run("--price-input", "0.4", "--price-output", "1.6", "--json"))
    assert printed["price_per_1000_pictures"] == pytest.approx(printed["price"] * 200)
    assert 0 < printed["price"] < printed["price_at_most"]
    with pytest.raises(ConfigError, match="give both"):
        run("--price-input", "0.4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "qwen"),
    [  # counted with the published vocabulary of Qwen
        ("Explain step by step which visual cues in the image lead to this annotation.", 16),
        ("[[0, 0, 200, 100], [31, 17, 201, 101]]", 34),
        ('The correct annotation is {"joy": 0.25, "fear": 0.75}.', 23),
        ("Fahrrad, Straßenbahn, Kraftfahrzeug", 13),
        ("猫と犬がいる。", 6),
    ],
)
def test_tokens_are_near_those_of_a_real_tokenizer(text, qwen):
    assert count_tokens(text) == pytest.approx(qwen, rel=0.2, abs=2)
