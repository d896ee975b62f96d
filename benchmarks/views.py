"""Ranking of true chains of thought above false ones by the views of the closed loop, over a study's seeds.

    rise-bench study --out STUDY --shots 16-shot --method rise --method rise_blind --method rise_both
    python benchmarks/views.py STUDY/moods/16-shot
    python benchmarks/views.py STUDY/moods/16-shot --limit 40 --seeds 1

The texts are rollouts of each RISE-CoT run of a drawn benchmark. The base model that ships reconstructs
greedily from each, beside the picture, without it, and from an empty text, and judges groundedness. Prints a
table: for each reward of training (`reward.view`) how many rollouts are true and how many have a false
statement, and AUROCs of the similarities and of groundedness (0.5 is chance; ties count half), as mean and
standard deviation over seeds. A number in brackets is how many seeds have both kinds, where not all do.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean, stdev

import torch

from rise_bench.data.dataset import open_dataset
from rise_bench.models.base_model import base_model_folder
from rise_bench.scoring.groundedness import SWAPS
from rise_bench.trainers.base_model.evaluate import Speaker
from rise_bench.trainers.base_model.grounding import rolled_out, score
from rise_bench.trainers.base_model.truth_ranking import rank_truth
from rise_bench.trainers.settings.recipe_loader import load_recorded

RUNS = {"picture": "rise_cot", "blind": "rise_cot_blind", "both": "rise_cot_both"}
SCORES = ("similarity", "blind", "both", "lift", "groundedness")


def ranking(judge, run, data, limit):
    """Return the figures of the rollouts of a run."""
    torch.manual_seed(0)
    dataset = open_dataset(data)
    scored = score(judge, rolled_out([run / "rollouts"], dataset, 0, limit), SWAPS, dataset.spec)
    ranked = rank_truth(scored)
    counts = {"true": ranked["true_texts"], "false": ranked["false_texts"]}
    return counts | {name: ranked["auroc_texts"].get(name) for name in SCORES}


def shown(values, digits):
    """Return mean and standard deviation of the values that are there, and their number if it is not all."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{fmean(known):.{digits}f}{spread}" + (f" ({len(known)})" if len(known) < len(values) else "")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cell", type=Path, help="folder of a study: STUDY/BENCHMARK/SHOTS")
    parser.add_argument("--seeds", type=int, help="the first so many; all if not given")
    parser.add_argument("--limit", type=int, default=160, help="rollouts of a run at most")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    judge, figures = Speaker(base_model_folder()), {}
    for view, name in RUNS.items():
        seeds = sorted(asked.cell.glob("seed-*"), key=lambda folder: int(folder.name.removeprefix("seed-")))
        for folder in seeds[: asked.seeds]:
            run = folder / "runs" / name
            if (run / "rollouts").is_dir():
                data = load_recorded(run / "config.yaml").data.benchmark
                figures.setdefault(view, []).append(ranking(judge, run, data, asked.limit))
    if not figures:
        parser.error(f"no rollouts of RISE-CoT in {asked.cell}; run the study first")
    if asked.json:
        print(json.dumps(figures, indent=1))
        return
    columns = {"true": 0, "false": 1} | dict.fromkeys(SCORES, 3)
    print(f"| reward.view | seeds | {' | '.join(columns)} |")
    print(f"| --- | --- | {' | '.join('---' for _ in columns)} |")
    for view, seeds in figures.items():
        cells = " | ".join(shown([seed[name] for seed in seeds], digits) for name, digits in columns.items())
        print(f"| {view} | {len(seeds)} | {cells} |")


if __name__ == "__main__":
    main()
