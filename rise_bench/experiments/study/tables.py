"""Tables of results, tests and verdicts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import AGAINST
from rise_bench.experiments.methods import METHODS, find_method, method_jobs
from rise_bench.experiments.study.claims import CLAIMS, Claim
from rise_bench.experiments.study.paired_test import PairedTest, holm
from rise_bench.experiments.study.settings import policy_sections, read_settings, setting_of
from rise_bench.experiments.study.summary import Group, against, judged, mean_sd
from rise_bench.rendering.markdown import Markdown

#: Columns of the table of all numbers: number -> heading.
_DETAILS = {
    "similarity": "similarity S",
    "accuracy": "accuracy",
    "parse_rate": "parse rate",
    "false_statements_per_cot": "false statements per CoT",
    "statements_per_cot": "statements per CoT",
    "false_share_of_cot_statements": "false share",
    "false_share_of_rollout_statements": "false share in RISE-CoT's rollouts",
    "false_share_of_kept_cot_statements": "false share in CoTs kept for SFT",
    "leaking_share_of_kept_cots": "share of these that names a number",
    "share_kept": "share kept",
    "excess_entropy": "excess entropy (nats)",
    "train_seconds": "seconds of training, as they ran",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def markdown(self) -> Markdown:
        """Return the table as Markdown."""
        lines = [self.headings, ["---"] * len(self.headings), *self.rows]
        return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def score_table(groups: Sequence[Group]) -> Table:
    """Return the benchmark's own metric by method and number of shots."""
    rows = [
        [find_method(name).title, *(_mean(group.values(name, group.metric), 4) for group in groups)]
        for name in methods_of(groups)
    ]
    return Table(["method", *(group.shots for group in groups)], rows)


def against_table(groups: Sequence[Group]) -> Table:
    """Return the advantage of RISE over each method in the metric and in false statements."""
    rows = [
        [find_method(name).title, group.shots, number, *_shown(test)]
        for name in methods_of(groups)
        if name != AGAINST
        for group in groups
        for number, test in against(group, name).items()
    ]
    return Table(["RISE against", "shots", "number", "RISE better by", "wins : losses", "p"], rows)


def claim_table(groups: Sequence[Group]) -> Table:
    """Return the verdict on each claim of the paper, at each number of shots."""
    tests = [judged_claim for judged_claim in _by_claim(groups) if judged_claim[0].table]
    rows = [
        [claim.table, claim.name, group.shots, *_shown(test), _p(adjusted), test.verdict]
        for (claim, group, test), adjusted in zip(tests, _adjusted(tests), strict=True)
    ]
    return Table(["table", "claim", "shots", "better by", "wins : losses", "p", "p, Holm", "verdict"], rows)


def question_table(groups: Sequence[Group]) -> Table:
    """Return the verdict on each question of this project, at each number of shots."""
    answer = {"reproduced": "yes", "not reproduced": "no, the reverse", "undecided": "undecided"}
    tests = [judged_claim for judged_claim in _by_claim(groups) if not judged_claim[0].table]
    rows = [
        [
            claim.name,
            claim.number or group.metric,
            group.shots,
            *_shown(test),
            _p(adjusted),
            answer[test.verdict],
        ]
        for (claim, group, test), adjusted in zip(tests, _adjusted(tests), strict=True)
    ]
    return Table(["question", "number", "shots", "by", "for : against", "p", "p, Holm", "answer"], rows)


def detail_table(group: Group) -> Table:
    """Return all numbers of a group by method."""
    names = [n for n in _DETAILS if any(group.values(method, n) for method in group.methods)]
    rows = [
        [find_method(method).title, *(_mean(group.values(method, n), 3) for n in names)]
        for method in methods_of([group])
    ]
    return Table(["method", *(_DETAILS[name] for name in names)], rows)


def settings_table(tuned: Path, groups: Sequence[Group]) -> Table:
    """Return the tuned settings, or else those of the recipes."""
    chosen = read_settings(tuned, groups[0].benchmark)
    rows = []
    for name in (name for name in methods_of(groups) if policy_sections(find_method(name))):
        setting, sections = setting_of(name, chosen), policy_sections(find_method(name))
        rates = {"sft": setting.sft_learning_rate, "grpo": setting.grpo_learning_rate}
        shown = [
            "" if s not in sections else f"{rate:g}" if rate else "recipe's" for s, rate in rates.items()
        ]
        rows.append(
            [find_method(name).title, *shown, f"{setting.sft_share:.2f}" if len(sections) > 1 else ""]
        )
    return Table(
        ["method", "SFT learning rate", "GRPO learning rate", "SFT's share of the policy's steps"], rows
    )


def time_table(seconds: Mapping[str, float]) -> Table:
    """Return the time of the parts of a study from the seconds of each job by name."""
    cell = Cell(Path("moods"), "full", 0, Path())
    compared = {job.name for job in method_jobs(cell, list(METHODS))}
    parts: dict[str, list[float]] = {}
    for name, took in seconds.items():
        benchmark, where, *_, job = name.split("/")
        if where.startswith("tune-"):
            what = "tuning"
        elif where == "paper":
            what = "methods, the paper's budget"
        elif job.endswith("-time"):
            what = "methods, equal time"
        else:
            what = "methods, equal steps" if job in compared else "ablations"
        parts.setdefault(f"{benchmark}, {what}", []).append(took)
    rows = [[part, str(len(took)), f"{sum(took) / 3600:.1f}"] for part, took in sorted(parts.items())]
    total = [str(len(seconds)), f"{sum(seconds.values()) / 3600:.1f}"]
    return Table(["part", "jobs", "hours, one job after the other"], [*rows, ["all", *total]])


def _by_claim(groups: Sequence[Group]) -> list[tuple[Claim, Group, PairedTest]]:
    """Return judged claims in order, each from few shots to many."""
    tests = [(claim, group, test) for group in groups for claim, test in judged(group)]
    return sorted(tests, key=lambda judged_claim: CLAIMS.index(judged_claim[0]))


def methods_of(groups: Sequence[Group]) -> list[str]:
    """Return methods and ablations with results, in the order of the tables."""
    present = {name for group in groups for name in group.methods}
    return [name for name in (*METHODS, *ABLATIONS) if name in present]


def _mean(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    stats = mean_sd(values)
    spread = f" ± {stats['sd']:.{digits}f}" if len(values) > 1 else ""
    return f"{stats['mean']:.{digits}f}{spread} ({len(values)})"


def _shown(test: PairedTest) -> list[str]:
    return [f"{test.gain:+.4f}", f"{test.wins} : {test.losses}", _p(test.p)]


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"{p:.2g}"


def _adjusted(tests: Sequence[tuple[Claim, Group, PairedTest]]) -> list[float]:
    return holm([test.p for *_, test in tests])
