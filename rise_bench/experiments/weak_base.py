"""A base model that reasons badly, for studies in which a teacher has something to do.

    python -m rise_bench.experiments.weak_base --out weak
    rise-bench study --out study-weak --base weak/run/sft/final

The shipped base model's explanations of annotations on `moods` are almost always true. Some SFT on incomplete
and partly false ones makes a model whose are not. Its pictures are of a seed that no study uses. It trains
both prompts in which a model reasons: the explanation of an annotation and, on moods, the think-answer form
with the annotation that follows from what the text says, so that true annotations teach it nothing but to
ignore them.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import run_program
from rise_bench.experiments.dataset import draw
from rise_bench.experiments.drawn_cots import Writing, write_text
from rise_bench.prompts.templates import reason_prompt, think_answer_prompt, think_answer_text
from rise_bench.synthetic import moods
from rise_bench.synthetic.rows import row_of
from rise_bench.synthetic.statements import stated_cues

#: Seed of its pictures; studies use 0, 1, … and their trials 1,000,003.
SEED = 1_000_033


def bad_texts(dataset: BenchmarkDataset, writing: Writing) -> dict[str, str]:
    """Return an explanation of each training picture by row id."""
    rows = dataset.rows("train", columns=["id", "source_id"])
    return {row["id"]: write_text(row_of(row["source_id"]).described, writing, row["id"]) for row in rows}


def lessons(
    spec: BenchmarkSpec, golds: Sequence[Gold], texts: dict[str, str], answer_format: AnswerFormat, seed: int
) -> list[tuple[int, str, str]]:
    """Return (position in `golds`, prompt, completion) of each lesson, in a seeded order."""
    made = [(i, reason_prompt(spec, gold, answer_format), texts[gold.id]) for i, gold in enumerate(golds)]
    if spec.name == "moods":
        for i, gold in enumerate(golds):
            stated = Gold(gold.id, moods.mood(stated_cues(texts[gold.id])), gold.width_px, gold.height_px)
            answer = think_answer_text(texts[gold.id], render_gold(stated, answer_format))
            made.append((i, think_answer_prompt(spec, gold, answer_format), answer))
    random.Random(seed).shuffle(made)
    return made


def make(out: Path, dataset: BenchmarkDataset, writing: Writing, settings: Sequence[str]) -> Path:
    """Train the base model that ships on bad explanations and return the folder of the model.

    Args:
        out: Folder of the run.
        dataset: Drawn benchmark of a seed that no study uses.
        writing: Settings of the explanations.
        settings: Settings of SFT after those of the recipe `world/sft`.
    """
    from rise_bench.trainers.data.training_data import open_training_data
    from rise_bench.trainers.runs.run_folder import RunFolder
    from rise_bench.trainers.settings.recipe_loader import load_config
    from rise_bench.trainers.sft import Example, train_sft

    given = (f"data.benchmark={dataset.root.absolute()}", "data.shots=full", f"run.output_dir={out / 'run'}")
    config: Any = load_config("world/sft", [*given, f"seed={writing.seed}", *settings])
    data = open_training_data(config.data)
    made = lessons(
        data.spec, data.golds, bad_texts(dataset, writing), config.model.answer_format, writing.seed
    )
    examples = [Example(*lesson) for lesson in made]
    return train_sft(config, RunFolder.create(config), config.model.name, data, examples)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="A base model that reasons badly.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--benchmark", choices=("moods", "kinds", "scenes"), default="moods")
    parser.add_argument("--pictures", type=int, default=400, help="drawn pictures to train on")
    parser.add_argument("--false-share", type=float, default=0.3, help="chance that a statement is false")
    parser.add_argument("--statements", type=int, default=3, help="statements of each explanation")
    parser.add_argument("--seed", type=int, default=0, help="seed of texts and training")
    parser.add_argument("settings", nargs="*", help="settings of SFT, e.g. sft.steps=40")
    a = parser.parse_args()
    dataset = draw(a.out / "data" / a.benchmark, train=a.pictures, test=1, seed=SEED)
    model = make(a.out, dataset, Writing(a.false_share, a.statements, a.seed), a.settings)
    sys.stdout.write(f"{model}\n")


if __name__ == "__main__":
    run_program(main)
