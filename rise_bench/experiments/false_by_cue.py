"""False statements of a study's chains of thought at test, by what they are about.

    python -m rise_bench.experiments.false_by_cue STUDY --benchmark kinds --budget paper --shots 16-shot

prints, for each method, the share of statements about each cue (texture, colour, …) that is false: mean and
standard deviation over seeds, and the number of statements per seed.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev

from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError, run_program
from rise_bench.evaluation.responses import read_responses
from rise_bench.experiments.box_numbers import samples_files
from rise_bench.experiments.comparison import AGAINST
from rise_bench.scoring.response import read_response
from rise_bench.synthetic.fact_check import check_texts

#: Method -> cue -> (statements, false statements) of each seed.
ByCue = dict[str, dict[str, list[tuple[int, int]]]]


def count_by_cue(study: Path, benchmark: str, budget: str, shots: str) -> ByCue:
    """Count the statements of the last evaluation of each method and seed.

    Args:
        study: Folder of the study.
        benchmark: Drawn benchmark.
        budget: `steps`, `time` or `paper`.
        shots: Number of shots.

    Raises:
        ConfigError: The study has no evaluation there.
    """
    counts: ByCue = defaultdict(lambda: defaultdict(list))
    for seed, method, file in _evaluations(study, benchmark, budget, shots):
        dataset = open_dataset(study / "data" / f"seed-{seed}" / benchmark)
        spec, responses = dataset.spec, read_responses(file).texts
        texts = ((uid, read_response(text, spec.kind, spec.classes).think) for uid, text in responses.items())
        stated = [statement for of_text in check_texts(texts, dataset, "test") for statement in of_text]
        for cue in {statement.cue for statement in stated}:
            truths = [statement.true for statement in stated if statement.cue == cue]
            counts[method][cue].append((len(truths), truths.count(False)))
    return counts


def _evaluations(study: Path, benchmark: str, budget: str, shots: str) -> Iterator[tuple[int, str, Path]]:
    """Yield seed, method and samples file; of the untrained model too."""
    trained = study / benchmark / ("paper" if budget == "paper" else "") / shots
    places = [
        place
        for place in sorted(trained.glob("seed-*/eval/*"))
        if place.name.endswith("-time") == (budget == "time") or place.name == AGAINST
    ]
    if not places:
        raise ConfigError(f"{study} has no evaluation of {benchmark}/{budget}/{shots}; run the study first")
    for place in (*sorted((study / benchmark / "base").glob("seed-*/eval/*")), *places):
        if files := list(samples_files([place])):
            yield int(place.parts[-3].removeprefix("seed-")), place.name, files[-1]


def main() -> None:
    """Print a line for each method and cue."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder of `rise-bench study`")
    parser.add_argument("--benchmark", default="moods")
    parser.add_argument("--budget", default="paper", choices=("steps", "time", "paper"))
    parser.add_argument("--shots", default="16-shot")
    asked = parser.parse_args()
    counts = count_by_cue(asked.study, asked.benchmark, asked.budget, asked.shots)
    for method, cues in counts.items():
        for cue, seeds in sorted(cues.items()):
            shares = [false / stated for stated, false in seeds]
            spread = f" ± {stdev(shares):.3f}" if len(shares) > 1 else ""
            sys.stdout.write(
                f"{method:<24} {cue:<10} {fmean(shares):.3f}{spread} false, "
                f"{fmean(stated for stated, _ in seeds):.0f} statements, {len(seeds)} seeds\n"
            )


if __name__ == "__main__":
    run_program(main)
