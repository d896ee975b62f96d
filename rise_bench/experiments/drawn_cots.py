"""Chains of thought that the drawn world itself can write, because it knows everything in its pictures.

True and complete about what the annotation follows from, they are those of the best possible teacher. With a
share of false statements and few statements, they are those of a model that reasons badly.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rise_bench.cot.unverified import write_unverified
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.splits import Shots
from rise_bench.errors import ConfigError
from rise_bench.synthetic import moods
from rise_bench.synthetic.rows import row_of
from rise_bench.synthetic.statements import KIND_SENTENCES, MOOD_SENTENCES, NOTHING, describe, describe_thing
from rise_bench.synthetic.vocabulary import COLOURS, TEXTURES, Thing

#: Values of each cue.
_VALUES: Mapping[str, Sequence[str]] = {**moods.CUES, "texture": TEXTURES}


@dataclass(frozen=True, slots=True)
class Writing:
    """Settings of chains of thought.

    Attributes:
        false_share: Chance that a statement is false, in [0, 1].
        statements: Statements of a text, drawn from all that can be made; 0 makes all.
        seed: Seed of what is drawn.

    Raises:
        ConfigError: `false_share` or `statements` is out of range.
    """

    false_share: float = 0.0
    statements: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.false_share <= 1:
            raise ConfigError(f"--false-share {self.false_share}: expected a share. Give a number in [0, 1].")
        if self.statements < 0:
            raise ConfigError(f"--statements {self.statements}: expected a count. Give at least 0.")


def write_text(truth: Mapping[str, str] | Sequence[Thing], writing: Writing, uid: str) -> str:
    """Return the chain of thought of a picture.

    Args:
        truth: Cues that the text may state, see `DrawnRow.described`.
        writing: Settings of the text.
        uid: Id of the row; with the seed it decides what is drawn.
    """
    rng = random.Random(f"{writing.seed}:{uid}")
    if isinstance(truth, Mapping):
        forms = MOOD_SENTENCES if "layout" in truth else KIND_SENTENCES
        claims = {cue: _claim(rng, writing, value, _VALUES[cue]) for cue, value in truth.items()}
        names = [name for name in forms if name in truth]
        return describe(claims, rng.sample(names, min(writing.statements or len(names), len(names))), forms)
    things = [replace(thing, colour=_claim(rng, writing, thing.colour, COLOURS)) for thing in truth]
    chosen = sorted(rng.sample(range(len(things)), min(writing.statements or len(things), len(things))))
    return " ".join(describe_thing(things[i]) for i in chosen) or NOTHING


def write_drawn_cots(
    benchmark: BenchmarkDataset, shots: Shots, writing: Writing, out: Path, *, overwrite: bool = False
) -> Manifest:
    """Write a CoT dataset, without rewards, for the training samples of a drawn benchmark.

    Args:
        benchmark: Drawn benchmark of today's version, images included.
        shots: 4-shot, 16-shot or full.
        writing: Settings of the texts.
        out: Folder to make.
        overwrite: Replace other content of `out`.

    Raises:
        DataError: A row is not of a drawn benchmark of today's version.
        ConfigError: `out` may not be written.
    """
    rows = benchmark.rows_of(("train",), shots, columns=["id", "source_id"])
    texts = {row["id"]: write_text(row_of(row["source_id"]).described, writing, row["id"]) for row in rows}
    provenance: dict[str, Any] = {"model": "drawn world", "false_share": writing.false_share}
    provenance |= {"statements": writing.statements, "seed": writing.seed}
    return write_unverified(benchmark, texts, provenance, out, overwrite=overwrite)


def _claim(rng: random.Random, writing: Writing, value: str, values: Sequence[str]) -> str:
    false = rng.random() < writing.false_share
    return rng.choice([other for other in values if other != value]) if false else value
