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
from rise_bench.experiments.study.paired_test import PairedTest
from rise_bench.experiments.study.registered import JudgedClaim
from rise_bench.experiments.study.settings import (
    Setting,
    policy_sections,
    read_settings,
    setting_of,
    settings_at,
)
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


#: Headings of a test.
_TEST = ("better by", "95 % interval", "for : against", "p, exact")


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __bool__(self) -> bool:
        """Whether there are rows."""
        return bool(self.rows)

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
    return Table(["RISE against", "shots", "number", *_TEST], rows)


def registered_table(judged_claims: Sequence[JudgedClaim]) -> Table:
    """Return the verdict on each registered claim."""
    rows = [
        [
            judged_claim.claim.name,
            f"{judged_claim.claim.benchmark}, {judged_claim.claim.budget}, {judged_claim.claim.shots}",
            judged_claim.claim.number,
            *(_shown(judged_claim.test) if judged_claim.test else [""] * len(_TEST)),
            _p(judged_claim.p),
            judged_claim.verdict,
            _detectable(judged_claim),
        ]
        for judged_claim in judged_claims
    ]
    return Table(["claim", "where", "number", *_TEST, "p, Holm", "verdict", "detectable, or why open"], rows)


def claim_table(groups: Sequence[Group]) -> Table:
    """Return the tests of the paper's claims, at each number of shots."""
    rows = [
        [claim.table, claim.name, group.shots, *_shown(test)]
        for claim, group, test in _by_claim(groups)
        if claim.table
    ]
    return Table(["table", "claim", "shots", *_TEST], rows)


def question_table(groups: Sequence[Group]) -> Table:
    """Return the tests of this project's questions, at each number of shots."""
    rows = [
        [claim.name, claim.number or group.metric, group.shots, *_shown(test)]
        for claim, group, test in _by_claim(groups)
        if not claim.table
    ]
    return Table(["question", "number", "shots", *_TEST], rows)


def detail_table(group: Group) -> Table:
    """Return all numbers of a group by method."""
    names = [n for n in _DETAILS if any(group.values(method, n) for method in group.methods)]
    rows = [
        [find_method(method).title, *(_mean(group.values(method, n), 3) for n in names)]
        for method in methods_of([group])
    ]
    return Table(["method", *(_DETAILS[name] for name in names)], rows)


def settings_table(tuned: Path, groups: Sequence[Group]) -> Table:
    """Return the tuned settings, or else those of the recipes; numbers of shots with the same share a row.

    With the paper's budget no phase shares its steps with another.
    """
    known = read_settings(tuned, groups[0].benchmark, groups[0].budget)
    rows = []
    for name in (name for name in methods_of(groups) if policy_sections(find_method(name))):
        shared: dict[Setting, list[str]] = {}
        for group in (group for group in groups if name in group.methods):
            shared.setdefault(setting_of(name, settings_at(group.shots, known)), []).append(group.shots)
        rows += [[find_method(name).title, ", ".join(s), *_setting(name, of)] for of, s in shared.items()]
    headings = ["method", "shots", "SFT learning rate", "GRPO learning rate", "SFT's share of its steps"]
    if groups[0].budget == "paper":
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return Table(headings, rows)


def _setting(name: str, setting: Setting) -> list[str]:
    sections = policy_sections(find_method(name))
    rates = {"sft": setting.sft_learning_rate, "grpo": setting.grpo_learning_rate}
    shown = ["" if s not in sections else f"{rate:g}" if rate else "recipe's" for s, rate in rates.items()]
    return [*shown, f"{setting.sft_share:.2f}" if len(sections) > 1 else ""]


def time_table(seconds: Mapping[str, float]) -> Table:
    """Return the time of the parts of a study from the seconds of each job by name."""
    cell = Cell(Path("moods"), "full", 0, Path())
    compared = {job.name for job in method_jobs(cell, list(METHODS))}
    parts: dict[str, list[float]] = {}
    for name, took in seconds.items():
        benchmark, where, *_, job = name.split("/")
        if where.startswith("tune-"):
            what = "tuning"
        elif where in ("base", "measure"):
            what = "the base model" if where == "base" else "measuring"
        else:
            by_time = job.endswith("-time")
            budget = "the paper's budget" if where == "paper" else "equal time" if by_time else "equal steps"
            what = f"{'methods' if job.removesuffix('-time') in compared else 'ablations'}, {budget}"
        parts.setdefault(f"{benchmark}, {what}", []).append(took)
    rows = [[part, str(len(took)), f"{sum(took) / 3600:.1f}"] for part, took in sorted(parts.items())]
    total = [str(len(seconds)), f"{sum(seconds.values()) / 3600:.1f}"]
    return Table(["part", "jobs", "hours, one job after the other"], [*rows, ["all", *total]])


def _by_claim(groups: Sequence[Group]) -> list[tuple[Claim, Group, PairedTest]]:
    """Return tested claims in order, each from few shots to many."""
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
    interval = "" if math.isnan(test.low) else f"{test.low:+.4f} to {test.high:+.4f}"
    return [f"{test.gain:+.4f}", interval, f"{test.wins} : {test.losses}", _p(test.p)]


def _detectable(judged_claim: JudgedClaim) -> str:
    """Return what is detectable where a claim is undecided, and the reason where it is open."""
    test, claim = judged_claim.test, judged_claim.claim
    if judged_claim.verdict == "open":
        return judged_claim.open_because or f"{test.seeds if test else 0} of {claim.seeds} seeds"
    if judged_claim.verdict != "undecided":
        return ""
    return "too few seeds" if math.isinf(judged_claim.detectable) else f"{judged_claim.detectable:.4f}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"{p:.2g}"
