"""Separation of true and false chains of thought by scores without ground truth, tested on known cues.

    python -m rise_bench.trainers.base_model.grounding                               # the base model's own
    python -m rise_bench.trainers.base_model.grounding --corrupt 0.3                 # made up
    python -m rise_bench.trainers.base_model.grounding --rollouts runs/*/rollouts --data data/moods --since 40

The texts are those of a policy about annotated training pictures, generated descriptions with false
statements, or rollouts of training runs. Every statement is checked against the picture's cues, and scored by
the frozen embedded base model (`--judge`) without the annotation. A text is true if each of its sentences
makes a true statement, false if a statement is false; other texts are not ranked. Printed are the
false-statement rate and AUROCs, true against false. For whole texts:

- `groundedness`: the measure, see `rise_bench.scoring.groundedness`;
- `worst sentence`: PMI of the lowest sentence;
- `token mean`, `token mean, worst`: the same two by the measure of version 0.1.0;
- `surprise`: lowest log p of its tokens beside its own picture.

For single statements:

- `sentence`: PMI of its sentence;
- `token mean`: the same by the measure of version 0.1.0;
- `lowest token`: lowest information of its tokens, because only a word or two are false;
- `surprise`: lowest log p of its tokens.

For `groundedness` and `token mean, worst` it prints the threshold, which is the `--refused` quantile of the
true texts unless given by `--threshold`, the share of true texts that it refuses, also by their number of
sentences, and the share of false texts that pass.

With `--reconstruct`, whole texts are also ranked by the closed loop, which knows the annotation: similarity
of the judge's greedy reconstruction beside the picture (`similarity`), from the text alone (`blind`), the
smaller of the two (`both`), and what the text adds to the picture (`lift`).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.rollout_log import read_rollouts
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.files.images import decode_rgb
from rise_bench.models.base_model import base_model_folder
from rise_bench.models.likelihood import grounded, log_probs_beside, other_images, tokens_of
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.scoring.groundedness import SWAPS, token_information
from rise_bench.scoring.scores import score_response
from rise_bench.synthetic import rows
from rise_bench.synthetic import statements as _speech
from rise_bench.trainers.base_model.evaluate import Sample, Speaker, samples
from rise_bench.trainers.base_model.pictures import vocabulary
from rise_bench.trainers.base_model.truth_ranking import Scored, gate, rank_truth


@dataclass(frozen=True, slots=True)
class Told:
    """Text about an annotated picture with known cues."""

    text: str
    image: Image.Image
    truth: Any
    gold: Gold


def sampled(policy: Speaker, benchmark: str, rows: Sequence[Sample]) -> list[Told]:
    """Return texts of a policy that explain the annotation of each picture."""
    prompts = [reason_prompt(get_benchmark(benchmark), row.gold) for row in rows]
    texts = policy.say([row.images for row in rows], prompts, sampled=True)
    return [Told(text, row.images[0], row.truth, row.gold) for text, row in zip(texts, rows, strict=True)]


def corrupted(benchmark: str, rows: Sequence[Sample], share: float) -> list[Told]:
    """Return descriptions of five cues of each picture, each false with probability `share`."""
    rng, values = random.Random(0), vocabulary()
    forms = _speech.MOOD_SENTENCES if benchmark == "moods" else _speech.KIND_SENTENCES
    told = []
    for row in rows:
        claims = {
            cue: rng.choice([v for v in values[cue] if v != value]) if rng.random() < share else value
            for cue, value in row.truth.items()
        }
        text = _speech.describe(claims, rng.sample(list(forms), 5), forms)
        told.append(Told(text, row.images[0], row.truth, row.gold))
    return told


def rolled_out(folders: Sequence[Path], dataset: BenchmarkDataset, since: int, limit: int) -> list[Told]:
    """Return at most `limit` distinct rollouts from step `since` on, evenly spread."""
    distinct = {(r.id, r.cot) for r, *_ in read_rollouts(folders) if r.step >= since}
    chosen = sorted(distinct)
    if len(chosen) > limit:
        chosen = [chosen[i * len(chosen) // limit] for i in range(limit)]
    asked = {uid for uid, _ in chosen}
    truth_of = rows.truth_of
    pictures = {
        row["id"]: (decode_rgb(row["image"]["bytes"]), truth_of(row["source_id"]))
        for row in dataset.rows("train", columns=["id", "image", "source_id"])
        if row["id"] in asked
    }
    golds = {gold.id: gold for gold in dataset.golds("train")}
    return [Told(cot, *pictures[uid], golds[uid]) for uid, cot in chosen]


def score(
    judge: Speaker, told: Sequence[Told], swaps: int, reconstructed: BenchmarkSpec | None = None
) -> list[Scored]:
    """Score texts beside their own pictures and `swaps` other pictures, see the module.

    Args:
        judge: The frozen base model.
        told: The texts.
        swaps: Number of other pictures.
        reconstructed: Benchmark for scores of the closed loop; None leaves them out.
    """
    model, processor = judge.model, judge.processor
    images, texts = [item.image for item in told], [item.text for item in told]
    columns = list(zip(*other_images(images, swaps=swaps), strict=True))
    logs = log_probs_beside(model, processor, [images, *columns], texts)
    loop: list[dict[str, float]] = [{} for _ in told]
    if reconstructed is not None:
        beside = [(image,) for image in images]
        kept = _similarities(judge, reconstructed, told, beside, texts)
        blind = _similarities(judge, reconstructed, told, [()] * len(told), texts)
        empty = _similarities(judge, reconstructed, told, beside, [""] * len(told))
        loop = [
            {"similarity": s, "blind": b, "both": min(s, b), "lift": s - e}
            for s, b, e in zip(kept, blind, empty, strict=True)
        ]
    return [
        _scored(processor.tokenizer, item, logs[0][i], [column[i] for column in logs[1:]], loop[i])
        for i, item in enumerate(told)
    ]


def _similarities(
    judge: Speaker,
    spec: BenchmarkSpec,
    told: Sequence[Told],
    images: Sequence[tuple[Image.Image, ...]],
    texts: Sequence[str],
) -> list[float]:
    """Reconstruct every annotation, greedily, from texts and beside the given pictures."""
    prompts = [reconstruct_prompt(spec, item.gold, text) for item, text in zip(told, texts, strict=True)]
    answers = judge.say(images, prompts)
    return [
        score_response(item.gold, answer, AnswerFormat("answer_only")).similarity
        for item, answer in zip(told, answers, strict=True)
    ]


def _scored(
    tokenizer: Any,
    told: Told,
    own: Sequence[float],
    others: Sequence[Sequence[float]],
    loop: dict[str, float],
) -> Scored:
    whole, information = grounded(tokenizer, told.text, own, others), token_information(own, others)
    spans = [(start, end) for start, end, _ in whole.sentences]
    inside = tokens_of(tokenizer, told.text, spans)
    means = (np.array(information) @ inside / np.maximum(1, inside.sum(0))).tolist()
    statements, end, stated = [], 0, set()
    for statement in _speech.statements(told.text, told.truth):
        start = told.text.index(statement.text, end)
        end = start + len(statement.text)
        sentence = next(k for k, (first, last) in enumerate(spans) if first < end <= last)
        stated.add(sentence)
        tokens = tokens_of(tokenizer, told.text, [(start, end)])[:, 0].nonzero()[0].tolist()
        of_it = {
            "sentence": whole.sentences[sentence][2],
            "token mean": means[sentence],
            "lowest token": min((information[i] for i in tokens), default=0.0),
            "surprise": min((own[i] for i in tokens), default=0.0),
        }
        statements.append((bool(statement.true), of_it))
    scores = {
        "groundedness": whole.score,
        "worst sentence": whole.worst,
        "token mean": sum(information) / max(1, len(information)),
        "token mean, worst": min(means, default=0.0),
        "surprise": min(own, default=0.0),
    }
    return Scored(scores | loop, tuple(statements), len(spans), len(spans) - len(stated))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Groundedness against the exact truth.")
    base = base_model_folder()
    parser.add_argument("--policy", type=Path, default=base, help="model that writes the texts")
    parser.add_argument("--judge", type=Path, default=base, help="frozen model that scores them")
    parser.add_argument(
        "--benchmark", choices=("moods", "scenes", "kinds", "drawn_counting"), default="moods"
    )
    parser.add_argument("--count", type=int, default=60, help="pictures")
    parser.add_argument("--group", type=int, default=4, help="texts a picture")
    parser.add_argument("--swaps", type=int, default=SWAPS, help="other pictures a text is compared with")
    parser.add_argument("--corrupt", type=float, default=0.0, help="made-up texts; share of false statements")
    parser.add_argument("--rollouts", nargs="+", type=Path, help="score these rollout logs instead")
    parser.add_argument("--data", help="folder of the drawn benchmark that the rollouts are of")
    parser.add_argument("--reconstruct", action="store_true", help="rank by the closed loop too")
    parser.add_argument("--since", type=int, default=0, help="first optimiser step of the rollouts")
    parser.add_argument("--refused", type=float, default=0.05, help="share of true texts to refuse")
    parser.add_argument("--threshold", type=float, help="threshold in place of the quantile")
    parser.add_argument("--limit", type=int, default=2000, help="rollouts at most")
    a = parser.parse_args()
    if a.corrupt > 0 and a.benchmark not in ("moods", "kinds"):
        parser.error("--corrupt makes texts about cues: choose moods or kinds")
    if bool(a.rollouts) != bool(a.data):
        parser.error("--rollouts and --data, the folder of their drawn benchmark, go together")
    if a.rollouts and a.corrupt > 0:
        parser.error("--corrupt makes texts up; leave it out with --rollouts")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    judge = Speaker(a.judge)
    spec = get_benchmark(a.benchmark)
    rows = [] if a.rollouts else [r for r in samples(spec.name, "train", a.count) for _ in range(a.group)]
    if a.rollouts:
        dataset = open_dataset(a.data)
        spec, told = dataset.spec, rolled_out(a.rollouts, dataset, a.since, a.limit)
        if not told:
            parser.error(f"no rollouts of step {a.since} or later in {', '.join(map(str, a.rollouts))}")
    elif a.corrupt > 0:
        told = corrupted(spec.name, rows, a.corrupt)
    else:
        told = sampled(judge if a.policy == a.judge else Speaker(a.policy), spec.name, rows)
    loop = spec if a.reconstruct else None
    scored = score(judge, told, a.swaps, loop)
    names = ("groundedness", "token mean, worst")
    gates = {name: gate(scored, name, a.refused, a.threshold) for name in names}
    sys.stdout.write(json.dumps(rank_truth(scored) | {"gates": gates}, indent=1) + "\n")


if __name__ == "__main__":
    main()
