"""Print the documented figures of the drawn benchmarks: `python -m rise_bench.synthetic`.

Scores of the best possible reader, of readers that miss a cue, and of constant answers (baselines).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import cast, get_args

import numpy as np
from PIL import Image

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import fit_baselines, kind_of, similarity
from rise_bench.annotations.steps.values import Steps
from rise_bench.annotations.value.values import Value
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.parts import parts_of
from rise_bench.scoring.scores import aggregate, score_annotation
from rise_bench.synthetic import moods
from rise_bench.synthetic.drawing import SIDE_PX, draw
from rise_bench.synthetic.rows import (
    DEFAULT_COUNTS,
    DrawnBenchmark,
    DrawnRow,
    Split,
    drawn_rows,
)
from rise_bench.synthetic.vocabulary import HELD_OUT_PAIRS, Picture

BENCHMARKS: tuple[DrawnBenchmark, ...] = get_args(DrawnBenchmark)

Reader = Callable[[DrawnRow, Gold], Annotation]


def golds(benchmark: DrawnBenchmark, split: Split) -> list[tuple[DrawnRow, Gold]]:
    """Return the rows of a default-sized split with their ground truth."""
    count = DEFAULT_COUNTS[benchmark][split != "train"]
    pairs = []
    for row in drawn_rows(benchmark, split, count):
        boxes = draw(row.picture).boxes_xywh_px if benchmark == "scenes" else ()
        truth = row.annotation(boxes)
        pairs.append((row, Gold(row.source_id, truth, SIDE_PX, SIDE_PX, row.category, row.question)))
    return pairs


def score(benchmark: DrawnBenchmark, answers: Sequence[Annotation], truth: Sequence[Gold]) -> float:
    """Return the benchmark's own metric: mean JSD, accuracy, or AP50."""
    spec = get_benchmark(benchmark)
    scores = [score_annotation(gold, answer) for gold, answer in zip(truth, answers, strict=True)]
    return aggregate(spec, truth, scores, resamples=0).metrics[spec.metric].value


def _blind_to(cue: str) -> Reader:
    def read(row: DrawnRow, _gold: Gold) -> Distribution:
        assert isinstance(row.truth, dict)
        return moods.mood({name: value for name, value in row.truth.items() if name != cue})

    return read


def readers(benchmark: DrawnBenchmark) -> dict[str, Reader]:
    """Return the readers to compare: the Bayes-optimal one, and ones that miss something."""
    best: dict[str, Reader] = {"Bayes optimum (sees all cues)": lambda _row, gold: gold.annotation}
    if benchmark == "moods":
        for cue in moods.RELEVANT:
            best[f"does not see the {cue}"] = _blind_to(cue)
    elif benchmark == "scenes":
        best["boxes one object that is not asked for"] = lambda row, _gold: Boxes(
            (draw(row.picture).boxes_xywh_px[1],)
        )
        best["boxes every object, whatever is asked"] = lambda row, _gold: Boxes(
            draw(row.picture).boxes_xywh_px
        )
    elif benchmark == "drawn_counting":
        best["counts every object, whatever is asked"] = lambda row, _gold: Value(str(len(row.truth)))
    elif benchmark == "drawn_changes":
        best["finds the first change only"] = lambda _row, gold: _calls(gold, slice(1))
        best["finds what changes, not to what"] = lambda _row, gold: _calls(gold, slice(None), value="?")
    else:
        best["sees the texture, not the shape"] = lambda row, gold: _flat(gold, dict(row.truth)["texture"], 0)  # type: ignore[arg-type]
        best["sees the shape, not the texture"] = lambda row, gold: _flat(gold, dict(row.truth)["shape"], 1)  # type: ignore[arg-type]
    return best


def _calls(gold: Gold, part: slice, **known: str) -> Steps:
    truth = cast(Steps, gold.annotation)
    return Steps(truth.classes, tuple(call._replace(**known) for call in truth.calls[part]))


def _flat(gold: Gold, word: str, position: int) -> Distribution:
    classes = kind_of(gold.annotation).classes_of(gold.annotation)
    return Distribution(classes, tuple(float(name.split()[position] == word) for name in classes))


def figures(benchmark: DrawnBenchmark, split: Split = "test") -> list[tuple[str, float, float]]:
    """Return name, metric and mean similarity of each reader and baseline on a default-sized test split."""
    test = golds(benchmark, split)
    truth = [gold for _, gold in test]
    baselines = fit_baselines([gold for _, gold in golds(benchmark, "train")])
    answers = {name: [read(row, gold) for row, gold in test] for name, read in readers(benchmark).items()}
    answers |= {f"baseline: {name}": [answer(gold) for gold in truth] for name, answer in baselines.items()}
    return [
        (
            name,
            score(benchmark, given, truth),
            float(np.mean([similarity(g.annotation, a) for g, a in zip(truth, given, strict=True)])),
        )
        for name, given in answers.items()
    ]


def tests(benchmark: DrawnBenchmark) -> tuple[Split, ...]:
    """Return the test splits of a benchmark."""
    return cast(tuple[Split, ...], tuple(parts_of(benchmark).values()))


def sheet() -> Image.Image:
    """Return a contact sheet: a row of training pictures of each benchmark and one of its last test."""
    columns = 8

    def pictures(benchmark: DrawnBenchmark, split: Split) -> list[Picture]:
        all_ = chain.from_iterable(row.pictures for row in drawn_rows(benchmark, split, columns))
        return list(islice(all_, columns))

    rows = [
        np.hstack([draw(picture).pixels for picture in pictures(benchmark, split)])
        for benchmark in BENCHMARKS
        for split in ("train", tests(benchmark)[-1])
    ]
    return Image.fromarray(np.vstack(rows))


def main() -> None:
    """Print one table for each benchmark, or write the contact sheet."""
    parser = argparse.ArgumentParser(description="Figures and pictures of the drawn benchmarks.")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet to this file instead")
    target = parser.parse_args().sheet
    if target is not None:
        sheet().save(target, quality=85)
        return
    held_out = ", ".join(sorted(f"{colour} {shape}" for shape, colour in HELD_OUT_PAIRS))
    lines = [f"held-out pairs: {held_out}"]
    for benchmark in BENCHMARKS:
        train, test = DEFAULT_COUNTS[benchmark]
        for split in tests(benchmark):
            rows = f"{train} training and {test} {'out-of-domain ' if split == 'ood' else ''}test rows"
            lines += ["", f"{benchmark}: {rows}, seed 0"]
            lines.append(f"  {'reader':<52} {get_benchmark(benchmark).ranking.title:>8} {'S':>6}")
            lines += [f"  {n:<52} {v:8.3f} {s:6.3f}" for n, v, s in figures(benchmark, split)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
