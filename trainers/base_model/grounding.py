"""How well groundedness tells true chains of thought from false ones, where the truth is known.

    python -m rise_bench.trainers.base_model.grounding --policy runs/rise_cot/checkpoint-40

Samples chains of thought of a policy for annotated pictures, checks every statement against the picture's
cues, and scores them by the frozen embedded base model (`--base`), which is not told the annotation. Prints
the false-statement rate and the AUROC of the score, for whole texts (any false statement or none) and for
single statements (by the sentence that makes them). `--corrupt 0.3` scores made-up texts instead, in which
three of ten statements are false: the base model itself makes too few mistakes on moods to measure much.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rise_bench.base_model import base_model_folder
from rise_bench.groundedness import Grounded, auroc
from rise_bench.prompts import reason_prompt
from rise_bench.registry import get_benchmark, load_component
from rise_bench.trainers.base_model.evaluate import Sample, Speaker, samples
from rise_bench.trainers.base_model.pictures import vocabulary
from rise_bench.trainers.likelihood import ground, other_images


def rank_truth(texts: Sequence[str], rows: Sequence[Sample], scores: Sequence[Grounded]) -> dict[str, float]:
    """Return how well scores rank true above false.

    Args:
        texts: Chains of thought.
        rows: The picture of each.
        scores: Groundedness of each.

    Returns:
        texts, statements, false_statement_rate, false_statements_per_text; auroc_texts (texts without a false
        statement against texts with one), the same by the lowest sentence of a text instead of its mean, and
        auroc_statements, where both sides exist.
    """
    read = load_component("builders", "world.speech").statements
    whole: tuple[list[float], list[float]] = ([], [])
    worst: tuple[list[float], list[float]] = ([], [])
    single: tuple[list[float], list[float]] = ([], [])
    for text, row, score in zip(texts, rows, scores, strict=True):
        found, position = read(text, row.truth), 0
        if found:
            wrong = any(not s.true for s in found)
            whole[wrong].append(score.score)
            worst[wrong].append(score.worst)
        for statement in found:
            position = text.index(statement.text, position) + len(statement.text)
            sentence = next(s for a, b, s in score.sentences if a < position <= b)
            single[not statement.true].append(sentence)
    total = len(single[0]) + len(single[1])
    result = {
        "texts": float(len(texts)),
        "statements": float(total),
        "false_statement_rate": len(single[1]) / total if total else 0.0,
        "false_statements_per_text": len(single[1]) / len(texts),
    }
    if whole[0] and whole[1]:
        result["auroc_texts"] = auroc(*whole)
        result["auroc_texts_by_worst_sentence"] = auroc(*worst)
    if single[0] and single[1]:
        result["auroc_statements"] = auroc(*single)
    return result


def corrupted(benchmark: str, rows: Sequence[Sample], share: float, seed: int = 0) -> list[str]:
    """Describe five cues of each picture of moods or kinds, each falsely with probability `share`."""
    rng, speech = random.Random(seed), load_component("builders", "world.speech")
    forms = speech.MOOD_SENTENCES if benchmark == "moods" else speech.KIND_SENTENCES
    values = vocabulary()
    texts = []
    for row in rows:
        said = {
            cue: rng.choice([v for v in values[cue] if v != value]) if rng.random() < share else value
            for cue, value in row.truth.items()
        }
        texts.append(speech.describe(said, rng.sample(list(forms), 5), forms))
    return texts


def study(
    policy: Path, base: Path, benchmark: str, count: int, group: int, swaps: int, corrupt: float
) -> dict[str, Any]:
    """Sample (or corrupt), check and score; see the module."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec, rows = get_benchmark(benchmark), samples(benchmark, "train", count)
    many = [row for row in rows for _ in range(group)]
    frozen = Speaker(base)
    if corrupt > 0:
        texts = corrupted(benchmark, many, corrupt)
    else:
        speaker = frozen if base == policy else Speaker(policy)
        prompts = [reason_prompt(spec, r.gold) for r in many]
        texts = speaker.say([r.image for r in many], prompts, sampled=True)
    images = [r.image for r in many]
    scores = ground(frozen.model, frozen.processor, images, texts, other_images(images, swaps=swaps))
    return {"benchmark": benchmark, "swaps": swaps, **rank_truth(texts, many, scores)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Groundedness against the exact truth.")
    parser.add_argument(
        "--policy", type=Path, default=base_model_folder(), help="model that writes the texts"
    )
    parser.add_argument(
        "--base", type=Path, default=base_model_folder(), help="frozen model that scores them"
    )
    parser.add_argument("--benchmark", choices=("moods", "scenes", "kinds"), default="moods")
    parser.add_argument("--count", type=int, default=60, help="pictures")
    parser.add_argument("--group", type=int, default=4, help="texts a picture")
    parser.add_argument("--swaps", type=int, default=4, help="other pictures a text is compared with")
    parser.add_argument(
        "--corrupt",
        type=float,
        default=0.0,
        help="score made-up texts instead, each statement false this often",
    )
    a = parser.parse_args()
    if a.corrupt > 0 and a.benchmark == "scenes":
        parser.error("--corrupt makes texts about cues: choose moods or kinds")
    figures = study(a.policy, a.base, a.benchmark, a.count, a.group, a.swaps, a.corrupt)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
