"""How well scores without truth find the real mistakes of a training run, on a drawn benchmark.

    python -m rise_bench.trainers.base_model.mistakes moods runs/*/rollouts --since 40

Reads rollouts of RISE-CoT, checks every statement against the picture's cues, and scores each by the frozen
judge in several ways. Prints the AUROC of each score, true statements against
false ones:

- `sentence`: groundedness of the sentence, the mean over its tokens of log p beside the own picture minus
  the mean log p beside other pictures;
- `lowest token`: the lowest such difference in the statement, because only a word or two say what is false;
- `surprise`: the lowest log p of a token of the statement beside the own picture, no other picture.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from rise_bench.base_model import base_model_folder
from rise_bench.dataset import BenchmarkDataset, open_dataset
from rise_bench.groundedness import auroc, token_information
from rise_bench.registry import load_component
from rise_bench.rollout_log import read_rollouts
from rise_bench.trainers.base_model.evaluate import Speaker
from rise_bench.trainers.likelihood import other_images, token_log_probs

SCORES = ("sentence", "lowest token", "surprise")


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of a rollout.

    Attributes:
        row: Position of its rollout.
        start: Its place in the text.
        end: Likewise.
        cue: What it is about.
        true: Whether it holds.
    """

    row: int
    start: int
    end: int
    cue: str
    true: bool


def read_rows(folders: Sequence[Path], since: int, limit: int) -> list[dict[str, Any]]:
    """Return the distinct rollouts of steps from `since` on, at most `limit`, spread evenly."""
    rows = {(r["id"], r["cot"]): r for r, *_ in read_rollouts(folders) if r["step"] >= since}
    found = list(rows.values())
    return found if len(found) <= limit else [found[i * len(found) // limit] for i in range(limit)]


def checked(texts: Sequence[str], ids: Sequence[str], dataset: BenchmarkDataset) -> list[Said]:
    """Return every statement of the texts, with its place and truth."""
    found = load_component("builders", "world.truth").check_texts(
        zip(ids, texts, strict=True), dataset, "train"
    )
    said = []
    for row, (text, statements) in enumerate(zip(texts, found, strict=True)):
        position = 0
        for statement in statements:
            start = text.index(statement.text, position)
            position = start + len(statement.text)
            said.append(Said(row, start, position, statement.cue, statement.true))
    return said


def scores(
    judge: Speaker, images: Sequence[Image.Image], texts: Sequence[str], said: Sequence[Said], swaps: int
) -> dict[str, list[float]]:
    """Return every score of every statement; see the module."""
    model, processor = judge.model, judge.processor
    own = token_log_probs(model, processor, images, texts)
    columns = zip(*other_images(images, swaps=swaps), strict=True)
    others = [token_log_probs(model, processor, column, texts) for column in columns]
    result: dict[str, list[float]] = {name: [] for name in SCORES}
    for one in said:
        information = token_information(own[one.row], [other[one.row] for other in others])
        tokens = _tokens(processor, texts[one.row], one)
        result["sentence"].append(sum(information[i] for i in tokens) / len(tokens))
        result["lowest token"].append(min(information[i] for i in tokens))
        result["surprise"].append(min(own[one.row][i] for i in tokens))
    return result


def _tokens(processor: Any, text: str, said: Said) -> list[int]:
    offsets = processor.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    return [i for i, (first, last) in enumerate(offsets) if first < said.end and last > said.start]


def study(
    dataset: BenchmarkDataset, rows: Sequence[dict[str, Any]], judge: Path, swaps: int
) -> dict[str, Any]:
    """Return counts and AUROCs for some rollouts."""
    torch.set_num_threads(1)
    texts, ids = [row["cot"] for row in rows], [row["id"] for row in rows]
    pictures = {
        row["id"]: Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
        for row in dataset.rows("train", columns=["id", "image"])
        if row["id"] in set(ids)
    }
    said = checked(texts, ids, dataset)
    found = scores(Speaker(judge), [pictures[uid] for uid in ids], texts, said, swaps)
    false = sum(not one.true for one in said)
    result: dict[str, Any] = {"texts": len(texts), "statements": len(said), "false": false, "auroc": {}}
    if 0 < false < len(said):
        for name, numbers in found.items():
            sides: tuple[list[float], list[float]] = ([], [])
            for one, number in zip(said, numbers, strict=True):
                sides[not one.true].append(number)
            result["auroc"][name] = auroc(*sides)
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="AUROC of scores without truth on real mistakes.")
    parser.add_argument("dataset", help="folder of moods or kinds")
    parser.add_argument("rollouts", nargs="+", type=Path, help="folders of rollout logs")
    parser.add_argument("--since", type=int, default=0, help="first optimiser step")
    parser.add_argument("--limit", type=int, default=2000, help="texts")
    parser.add_argument("--judge", type=Path, default=base_model_folder(), help="frozen model that scores")
    parser.add_argument("--swaps", type=int, default=4, help="other pictures")
    a = parser.parse_args()
    rows = read_rows(a.rollouts, a.since, a.limit)
    sys.stdout.write(json.dumps(study(open_dataset(a.dataset), rows, a.judge, a.swaps), indent=1) + "\n")


if __name__ == "__main__":
    main()
