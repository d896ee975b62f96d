"""Time the reward of 64 completions against the same sums in plain Python loops.

    python benchmarks/reward.py

Prints JSON: CPU milliseconds of 64 closed-loop rewards (eq. 1: leak verdicts, parsing, similarity) with 7
classes and with 10 boxes, of IoU and matching in plain loops, and CPU seconds of 1,000 bootstrap resamples of
AP50 over 800 images.
"""

import json
import random
import time
from collections.abc import Callable

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.similarity import iou_matrix
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_annotation
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.prompts.templates import answer_only_text
from rise_bench.scoring.rewards import cot_reward
from rise_bench.scoring.scores import aggregate, score_annotation

COMPLETIONS = 64
COT = "Warm light falls on smiling people who gather around a table with bright decorations. " * 5


def milliseconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Least CPU time of several runs, which other programs on the machine hardly change."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def random_distribution(rng: random.Random) -> Distribution:
    """Draw seven probabilities."""
    shares = [rng.random() for _ in range(7)]
    return Distribution(BENCHMARKS["emotion6"].classes, tuple(s / sum(shares) for s in shares))


def random_boxes(rng: random.Random, count: int) -> Boxes:
    """Draw boxes within 640 x 480 pixels."""
    corners = [(rng.random() * 500, rng.random() * 350) for _ in range(count)]
    return Boxes(tuple((x, y, 20 + rng.random() * 100, 20 + rng.random() * 100) for x, y in corners))


def rewards_ms(golds: list[Gold], texts: list[str]) -> float:
    """Time one batch of closed-loop rewards."""
    return milliseconds(lambda: [cot_reward(g, COT, t) for g, t in zip(golds, texts, strict=True)])


def loop_iou(a: Box, b: Box) -> float:
    """IoU of two boxes in plain Python."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inside = max(w, 0.0) * max(h, 0.0)
    return inside / (a[2] * a[3] + b[2] * b[3] - inside)


def best_by_recursion(iou: list[list[float]]) -> float:
    """Best assignment over subsets of columns: exact, and what a loop without scipy comes down to."""
    best = {0: 0.0}
    for row in iou:
        longer: dict[int, float] = {}
        for used, total in best.items():
            for j, value in enumerate(row):
                if not used >> j & 1:
                    key = used | 1 << j
                    longer[key] = max(longer.get(key, -1.0), total + value)
        best = longer
    return max(best.values())


def main() -> None:
    """Print the figures."""
    rng = random.Random(0)
    moods = [Gold(str(i), random_distribution(rng), 640, 480) for i in range(COMPLETIONS)]
    mood_texts = [answer_only_text(render_annotation(random_distribution(rng))) for _ in moods]
    places = [Gold(str(i), random_boxes(rng, 10), 640, 480, "dog") for i in range(COMPLETIONS)]
    stated = [random_boxes(rng, 10) for _ in places]
    place_texts = [answer_only_text(render_annotation(b)) for b in stated]
    pairs = [
        (g.annotation.xywh, s.xywh)
        for g, s in zip(places, stated, strict=True)
        if isinstance(g.annotation, Boxes)
    ]

    def loops() -> list[float]:
        return [best_by_recursion([[loop_iou(a, b) for b in bs] for a in as_]) for as_, bs in pairs]

    images = [
        Gold(f"{i:04}", random_boxes(rng, rng.randint(1, 6)), 640, 480, f"c{i % 80}") for i in range(800)
    ]
    spec = BENCHMARKS["coco_sub"]
    scores = [
        score_annotation(g, g.annotation if rng.random() < 0.5 else random_boxes(rng, 3)) for g in images
    ]
    boxes_ms = rewards_ms(places, place_texts)
    loop_ms = milliseconds(loops, repeats=1)
    print(
        json.dumps(
            {
                "completions": COMPLETIONS,
                "reward_7_classes_ms": round(rewards_ms(moods, mood_texts), 2),
                "reward_10_boxes_ms": round(boxes_ms, 2),
                "iou_and_matching_10_boxes_python_loops_ms": round(loop_ms, 2),
                "ratio_loops_to_ours": round(loop_ms / boxes_ms, 1),
                "iou_matrix_10x10_us": round(milliseconds(lambda: iou_matrix(*pairs[0])) * 1e3, 1),
                "ap50_1000_resamples_800_images_s": round(
                    milliseconds(lambda: aggregate(spec, images, scores, resamples=1000), repeats=1) / 1e3, 2
                ),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
