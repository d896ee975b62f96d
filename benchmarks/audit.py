"""Measure how well audits find planted errors on drawn benchmarks: r_i alone, ours, cleanlab, chance.

    python benchmarks/audit.py --out DIR             # five seeds of each benchmark; a killed run goes on
    python benchmarks/audit.py --out DIR --table         # what is finished so far, as Markdown
    python benchmarks/audit.py --out DIR --seeds 100 101 --choose

For each seed, 150 pictures are drawn and 10 % of their labels made wrong. The base model that ships reasons
and reconstructs (no training); the image-only answers come from three folds of 40 SFT steps of it. `--choose`
compares combinations of scores; it is for seeds that the table does not use (docs/results.md).
"""

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path

import numpy as np
from scipy.stats import ttest_rel

from rise_bench.curation.audit.folds import Folds
from rise_bench.curation.audit.measure import FIGURES, RANDOM, figures_of
from rise_bench.curation.audit.model import asked_model
from rise_bench.curation.audit.run import Audit, run_audit
from rise_bench.curation.audit.scores import COMBINED, SCORES, suspicion
from rise_bench.experiments.dataset import draw
from rise_bench.files.atomic import atomic_write_text
from rise_bench.models.base_model import BASE_MODEL, MAX_PIXELS

WORLDS = ("moods", "kinds", "scenes")
ROWS, SHARE, STEPS, ANSWERS, ROLLOUTS, FOLDS = 150, 0.1, 40, 4, 4, 3
TRAINING = (f"sft.steps={STEPS}", "run.save_steps=1000")


def cell(out, world, seed):
    """Audit one benchmark of one seed, or read what that gave: scores and planted error of each row."""
    folder = out / f"{world}-{seed}"
    path = folder / "scores.json"
    if not path.is_file():
        dataset = draw(folder / world, train=ROWS, test=8, seed=seed)
        audit = Audit(
            dataset,
            folder / "audit",
            ("train",),
            reasoner=asked_model(BASE_MODEL, max_pixels=MAX_PIXELS, batch_rows=32),
            rollouts=ROLLOUTS,
            answerer=Folds(
                FOLDS, recipe="world/sft", overrides=TRAINING, samples=ANSWERS, seed=seed, batch_rows=32
            ),
            seed=seed,
            planted=SHARE,
        )
        done = run_audit(
            audit, lambda what, at, of: print(f"{world} {seed}: {what} {at}/{of}", file=sys.stderr)
        )
        rows = [
            {"id": row.gold.id, "scores": dict(row.scores), "error": done.errors.get(row.gold.id, "")}
            for row in done.rows
        ]
        atomic_write_text(path, json.dumps(rows, indent=1) + "\n")
    return sorted(json.loads(path.read_text()), key=lambda row: row["id"])


def figures(rows, names):
    """Figures of one cell by one score, or by the mean rank of several."""
    wrong = np.array([row["error"] != "" for row in rows])
    if names == (RANDOM,):
        return figures_of(np.zeros(len(rows)), wrong)
    return figures_of(suspicion([row["scores"] for row in rows], names), wrong)


def table(out, seeds):
    """Mean and standard deviation over the finished seeds, as Markdown."""
    lines = [f"| benchmark (seeds) | score | {' | '.join(FIGURES.values())} |", "|---" * 7 + "|"]
    candidates = {name: (name,) for name in ("reward", "group_mean", "reward_gap", "answer_similarity")}
    candidates |= {
        f"combined ({' + '.join(COMBINED)})": COMBINED,
        "cleanlab": ("cleanlab",),
        RANDOM: (RANDOM,),
    }
    for world in WORLDS:
        cells = {
            seed: cell(out, world, seed) for seed in seeds if (out / f"{world}-{seed}/scores.json").is_file()
        }
        for title, names in candidates.items() if cells else ():
            values = [figures(rows, names) for rows in cells.values()]
            shown = [
                f"{statistics.mean(of):.3f}" + (f" ± {statistics.stdev(of):.3f}" if len(of) > 1 else "")
                for of in zip(*values, strict=True)
            ]
            lines.append(f"| {world} ({len(cells)}) | {title} | {' | '.join(shown)} |")
    return "\n".join(lines)


def tests(out, seeds):
    """Two-sided t-tests over the finished seeds, paired by seed: AUROC of r_i and of the combination."""
    contests = {
        "r_i against chance": (("reward",), None),
        "r_i against cleanlab": (("reward",), ("cleanlab",)),
        "combined against cleanlab": (COMBINED, ("cleanlab",)),
        "combined against r_i": (COMBINED, ("reward",)),
    }
    for world in WORLDS:
        cells = [cell(out, world, s) for s in seeds if (out / f"{world}-{s}/scores.json").is_file()]
        for title, (ours, theirs) in contests.items() if len(cells) > 1 else ():
            first = [figures(rows, ours)[0] for rows in cells]
            second = [figures(rows, theirs)[0] if theirs else 0.5 for rows in cells]
            gain = statistics.mean(np.subtract(first, second))
            yield f"{world}: {title} {gain:+.3f} AUROC, p = {ttest_rel(first, second).pvalue:.2g}"


def choose(out, seeds):
    """AUROC and AP of every combination, the mean over benchmarks and seeds, the best first."""
    names = [name for name in SCORES if name not in ("cleanlab", "groundedness")]
    cells = [cell(out, world, seed) for seed in seeds for world in WORLDS]
    for size in range(1, len(names) + 1):
        for chosen in itertools.combinations(names, size):
            values = [figures(rows, chosen)[:2] for rows in cells]
            auroc, precision = (statistics.mean(of) for of in zip(*values, strict=True))
            yield auroc + precision, f"AUROC {auroc:.3f}  AP {precision:.3f}  {' + '.join(chosen)}"


def main():
    """Run what is not finished, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--table", action="store_true", help="Run nothing.")
    parser.add_argument("--choose", action="store_true", help="Compare combinations on these seeds.")
    arguments = parser.parse_args()
    if not arguments.table:
        for seed, world in itertools.product(arguments.seeds, WORLDS):
            cell(arguments.out, world, seed)
    if arguments.choose:
        print("\n".join(text for _, text in sorted(choose(arguments.out, arguments.seeds), reverse=True)))
        return
    print(table(arguments.out, arguments.seeds))
    print("\n".join(tests(arguments.out, arguments.seeds)))


if __name__ == "__main__":
    main()
