"""Datasets, a tiny model and known answers for runs through the real lmms-eval."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_gold
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.models.tiny import make_tiny_model

from ..support.commands import Command
from ..support.drawn_data import ids_by_picture, write_drawn
from ..support.openai_server import Answer

#: Starts a command: (arguments after `python -m`, extra environment) -> running process. With `cold` it is
#: started as a user starts it, without torch loaded.
Start = Callable[..., "subprocess.Popen[str] | Command"]

#: Runs a command to its end: (arguments after `python -m`, extra environment) -> finished process.
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Drawn:
    """A folder for RISE_BENCH_DATA with `moods` and `scenes`, and a fixed answer to each of their samples."""

    root: Path
    moods: BenchmarkDataset
    scenes: BenchmarkDataset

    def answers(self) -> dict[str, str]:
        """Id of a sample -> its fixed answer."""
        ordered = (sorted(d.golds("test"), key=lambda gold: gold.id) for d in (self.moods, self.scenes))
        return {gold.id: fixed_answer(gold, i) for golds in ordered for i, gold in enumerate(golds)}

    def model(self) -> Answer:
        """The model: asked about a picture, it gives the fixed answer to its sample."""
        answers = self.answers()
        ids = ids_by_picture(self.moods) | ids_by_picture(self.scenes)
        return lambda picture, prompt: answers[ids[picture]]


def fixed_answer(gold: Gold, index: int) -> str:
    """A sensible answer that differs from sample to sample; the fourth sample gets one that has no answer."""
    if index == 3:
        return "I would rather not say."
    if isinstance(gold.annotation, Distribution):
        return think_answer(json.dumps(stated_probs(gold)))
    assert isinstance(gold.annotation, Boxes)
    boxes = json.loads(render_gold(gold))
    return think_answer(json.dumps(boxes if index % 2 else [[1, 1, 9, 9], *boxes]))


def stated_probs(gold: Gold) -> dict[str, float]:
    """Half way between the truth and the uniform distribution, three decimals."""
    assert isinstance(gold.annotation, Distribution)
    classes = gold.annotation.classes
    pairs = zip(classes, gold.annotation.probs, strict=True)
    return {name: round(0.5 * p + 0.5 / len(classes), 3) for name, p in pairs}


def think_answer(answer: str) -> str:
    return f"<think>The lines and colours say so.</think>\n\n<answer>{answer}</answer>\n"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    root = tmp_path_factory.mktemp("data")
    return Drawn(root, write_drawn(root / "moods", "moods"), write_drawn(root / "scenes", "scenes"))


@pytest.fixture(scope="session")
def tiny_qwen2_vl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny-qwen2-vl")


@pytest.fixture(scope="session")
def start(drawn: Drawn) -> Start:
    def start_module(
        *arguments: str | Path, cold: bool = False, **environment: str
    ) -> "subprocess.Popen[str] | Command":
        env = os.environ | {"RISE_BENCH_DATA": str(drawn.root)} | environment
        if not cold:
            return Command(*map(str, arguments), env=env)
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_module


@pytest.fixture(scope="session")
def run(start: Start) -> Run:
    def run_module(
        *arguments: str | Path, cold: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return finish(start(*arguments, cold=cold, **environment))

    return run_module


def finish(
    process: "subprocess.Popen[str] | Command", *, minutes: float = 5
) -> subprocess.CompletedProcess[str]:
    """Wait for a process, that long at most."""
    try:
        out, err = process.communicate(timeout=60 * minutes)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
