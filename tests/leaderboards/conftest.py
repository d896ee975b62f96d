"""Small boards: a benchmark of distributions and one of boxes, built by the real writer, and honest runs."""

import copy
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.leaderboards.submissions.samples import render_samples
from rise_bench.leaderboards.submissions.schema import Submission, describe_samples, write_submission
from rise_bench.leaderboards.verification.gold_board import (
    BoardSettings,
    GoldBoard,
    load_gold,
    write_settings,
)
from rise_bench.prompts.templates import prompt_hash
from rise_bench.scoring.scores import aggregate, score_response

#: So many test samples each.
SAMPLES = 40
CUES = (
    "dark sky", "bright window", "broken fence", "calm lake", "red coat", "torn paper", "old clock",
    "empty chair", "green hill", "wet street", "tall tower", "soft light", "small dog", "white wall",
)  # fmt: skip


def picture(rng: random.Random, size: tuple[int, int]) -> bytes:
    image = Image.new("RGB", size, tuple(rng.randrange(60, 200) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        radius = rng.randrange(6, 40)
        fill = tuple(rng.randrange(256) for _ in range(3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def random_box(rng: random.Random, width: int, height: int) -> tuple[float, float, float, float]:
    w, h = rng.uniform(width / 6, width / 2), rng.uniform(height / 6, height / 2)
    return (
        round(rng.uniform(0, width - w), 2),
        round(rng.uniform(0, height - h), 2),
        round(w, 2),
        round(h, 2),
    )


def random_probs(rng: random.Random, count: int) -> tuple[float, ...]:
    weights = [rng.expovariate(1) for _ in range(count)]
    return tuple(w / sum(weights) for w in weights)


def _plan(name: str) -> SourcePlan:
    rng, spec = random.Random(name), BENCHMARKS[name]
    categories = ("cat", "kite", "toaster") if name == "coco_sub" else ()
    rows = []
    for i in range(2 * SAMPLES):
        size = (rng.choice((320, 400)), 240)
        category = categories[i % 3] if categories else ""
        annotation = (
            Distribution(spec.classes, random_probs(rng, len(spec.classes)))
            if spec.kind == "distribution"
            else Boxes(tuple(random_box(rng, *size) for _ in range(rng.choice((1, 1, 2)))))
        )
        row = SourceRow(f"{name}/{i:03}", f"{i:03}.jpg", picture(rng, size), annotation, category)
        rows.append(
            replace(row, license="https://creativecommons.org/licenses/by/2.0/" if categories else "")
        )
    return SourcePlan(spec, rows[:SAMPLES], rows[SAMPLES:], categories)


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Benchmark -> dataset folder."""
    root = tmp_path_factory.mktemp("datasets")
    for name in ("emotion6", "coco_sub"):
        write_dataset(_plan(name), root / name, workers=1)
    return {name: root / name for name in ("emotion6", "coco_sub")}


@pytest.fixture(scope="session")
def boards(datasets: dict[str, Path]) -> dict[str, GoldBoard]:
    return {name: load_gold(open_dataset(folder)) for name, folder in datasets.items()}


def honest_responses(board: GoldBoard, seed: int, noise: float = 0.5) -> dict[str, str]:
    """What an honest model of some skill writes: its own words and an answer near the truth."""
    rng = random.Random(seed)
    return {gold.id: _response(gold, rng, noise) for gold in board.golds}


def _response(gold: Gold, rng: random.Random, noise: float) -> str:
    cues = ", then a ".join(f"{rng.choice(CUES)} by the {rng.choice(CUES)}" for _ in range(4))
    think = f"There is a {cues}, which decides what is seen and felt here."
    if isinstance(gold.annotation, Distribution):
        other = random_probs(rng, len(gold.annotation.classes))
        mixed = [(1 - noise) * p + noise * q for p, q in zip(gold.annotation.probs, other, strict=True)]
        answer: Any = dict(zip(gold.annotation.classes, (round(p, 3) for p in mixed), strict=True))
    else:
        answer = [
            [max(1, round(side + rng.gauss(0, 120 * noise))) for side in box]
            for box in gold.annotation.rescale(gold.frame_px, Frame(1000, 1000)).xywh
        ]
    return f"<think>{think}</think><answer>{json.dumps(answer)}</answer>"


@dataclass
class Parts:
    """A submission before it becomes bytes, so that a test can spoil any part of it."""

    submission: dict[str, Any]
    responses: dict[str, str]
    samples: bytes

    def reseal(self) -> "Parts":
        """Make size, count and hash fit the samples again, as a careful attacker would."""
        self.submission["samples"] = describe_samples(self.samples).model_dump()
        return self

    @property
    def submission_json(self) -> bytes:
        return json.dumps(self.submission).encode()


def make_parts(
    board: GoldBoard,
    seed: int = 1,
    *,
    responses: dict[str, str] | None = None,
    claim: bool = True,
    **model: str,
) -> Parts:
    """An honest, complete and correct submission (unless `responses` are given)."""
    responses = responses or honest_responses(board, seed)
    samples = render_samples(responses)
    metrics = {board.spec.metric: 0.5}
    if claim:
        scores = [score_response(gold, responses[gold.id]) for gold in board.golds]
        report = aggregate(board.spec, board.golds, scores, reference=board.reference, resamples=0)
        metrics = {name: interval.value for name, interval in report.metrics.items()}
    submission = {
        "schema_version": 1,
        "benchmark": board.spec.name,
        "shots": "full",
        "model": {"id": "anna/tiny-vl", "revision": "a" * 40, "name": "Tiny VL", "method": "RISE"} | model,
        "dataset": {"content_sha256": board.pin.content_sha256},
        "prompt": {"prompt_hash": prompt_hash(board.spec)},
        "decoding": {"temperature": 0, "max_new_tokens": 512, "seed": seed, "engine": "transformers"},
        "run": {"by": "Anna", "date": "2026-03-01", "hardware": "1 GPU", "versions": {"rise-bench": "0.1.0"}},
        "metrics": metrics,
        "samples": describe_samples(samples).model_dump(),
    }
    Submission.model_validate(submission)
    return Parts(submission, responses, samples)


@pytest.fixture
def honest(boards: dict[str, GoldBoard]) -> Callable[..., Parts]:
    """Make an honest submission to a board; what depends on the seed alone is made once."""

    def make(benchmark: str = "emotion6", seed: int = 1, **more: Any) -> Parts:
        if more:
            return make_parts(boards[benchmark], seed, **more)
        key = f"{boards[benchmark].dataset.root} {seed}"
        if key not in _MADE:
            _MADE[key] = make_parts(boards[benchmark], seed)
        return copy.deepcopy(_MADE[key])

    return make


_MADE: dict[str, Parts] = {}


HOSTILE_NAME = "<img src=x onerror=alert(1)>"
HOSTILE_TEXT = "<script>alert(2)</script><svg onload=alert(3)><a href='javascript:alert(4)'>x</a>"

#: Author, model, name, method, how far from the truth (0 to 1), shots.
MODELS = (
    ("rise", "rise-bench/rise-2b", "RISE 2B", "RISE", 0.25, "full"),
    ("rise", "rise-bench/rise-2b", "RISE 2B", "RISE", 0.27, "full"),
    ("lab", "lab/visual-rft-2b", "Visual-RFT 2B", "Visual-RFT", 0.4, "full"),
    ("lab", "lab/sft-2b", "SFT 2B", "SFT", 0.5, "16-shot"),
    ("qwen", "qwen/qwen2-vl-2b", "Qwen2-VL 2B", "", 0.8, "0-shot"),
    ("mallory", "mallory/x", HOSTILE_NAME, "<b>bold</b>", 0.6, "full"),
)
#: Number of parameters by author, of those who state it.
SIZES = {"rise": 2_209_000_000, "lab": 450_000_000}
#: Places in `MODELS` that maintainers ran again; the others are not ranked.
REPRODUCED = (0, 2, 3, 4)


@dataclass(frozen=True)
class Results:
    """A results folder with a submission of every model to every benchmark."""

    root: Path
    settings: BoardSettings
    boards: dict[str, GoldBoard]


def write_results(root: Path, boards: dict[str, GoldBoard]) -> Results:
    for name, board in boards.items():
        for i, (author, model, shown, method, noise, shots) in enumerate(MODELS):
            responses = honest_responses(board, i, noise)
            if author == "mallory":
                first = min(responses)
                responses[first] = f"<think>{HOSTILE_TEXT}</think><answer>{HOSTILE_TEXT}</answer>"
            parts = make_parts(board, i, responses=responses, id=model, name=shown, method=method)
            parts.submission["shots"] = shots
            if author in SIZES:
                parts.submission["model"] |= {"parameters": SIZES[author], "license": "apache-2.0"}
                parts.submission["model"]["base_model"] = "Qwen/Qwen2-VL-2B-Instruct"
            parts.submission["run"]["date"] = f"2026-02-{i + 1:02}"
            said = Submission.model_validate(parts.submission)
            folder = root / "submissions" / author / f"{name.replace('_', '-')}-{i}"
            write_submission(folder, said, parts.samples)
            if i in REPRODUCED:
                record = root / "reproductions" / author / f"{folder.name}.json"
                record.parent.mkdir(parents=True, exist_ok=True)
                record.write_text(json.dumps({"samples_sha256": said.samples.sha256, "agrees": True}))
    settings = BoardSettings(
        schema_version=1,
        benchmarks={name: board.pin for name, board in boards.items()},
        rise={f"{name}/full": f"submissions/rise/{name.replace('_', '-')}-0" for name in boards},
    )
    write_settings(root, settings)
    return Results(root, settings, boards)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, boards: dict[str, GoldBoard]) -> Results:
    return write_results(tmp_path_factory.mktemp("results"), boards)


@pytest.fixture(scope="session")
def site(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rise_bench.leaderboards.web.build import build_site

    out = tmp_path_factory.mktemp("built") / "site"
    build_site(results.root, results.settings, results.boards, out, workers=1)
    return out
