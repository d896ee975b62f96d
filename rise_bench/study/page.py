"""study.md and its charts: what was measured, tested and decided, in tables that a reader can check."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from rise_bench.ablations import ABLATIONS
from rise_bench.comparison import AGAINST, headings
from rise_bench.methods import METHODS, find_method
from rise_bench.storage import atomic_write_text
from rise_bench.study.claims import CLAIMS, Claim, PairedTest
from rise_bench.study.measure import Result
from rise_bench.study.settings import policy_sections, read_settings, setting_of
from rise_bench.study.strip_chart import strip_chart
from rise_bench.study.summary import Group, against, by_budget, judged, mean_sd, over_shots

_RULE = """How to read it. Numbers are means over seeds, ± their standard deviation, (n) how many seeds.
A seed draws other training and test pictures and starts training elsewhere; "mean" is its mean over the
numbers of shots, which share its test pictures. Tests are paired over seeds: t-test, two-sided, not corrected
for their number. A claim is reproduced if its better method is better and p < 0.05, not reproduced if it is
worse and p < 0.05, else undecided, as with fewer than three seeds. What was set before the runs and what was
added later: docs/study.md."""

_BUDGETS = {"steps": "equal optimiser steps", "time": "equal seconds of training"}

#: Columns of the second table: number -> heading.
_DETAILS = {
    "similarity": "similarity S",
    "accuracy": "accuracy",
    "parse_rate": "parse rate",
    "false_statements_per_cot": "false statements per CoT",
    "statements_per_cot": "statements per CoT",
    "false_share_of_cot_statements": "false share",
    "false_share_of_rollout_statements": "false share in RISE-CoT's rollouts",
    "false_share_of_kept_cot_statements": "false share in CoTs kept for SFT",
    "share_kept": "share kept",
    "excess_entropy": "excess entropy (nats)",
    "train_seconds": "seconds of training",
}


def write_page(out: Path, results: Sequence[Result], failed: Iterable[str] = ()) -> Path:
    """Write OUT/study.md and charts for each benchmark and budget; return the page."""
    parts = ["# Study", _RULE]
    for some in by_budget(results):
        benchmark, budget = some[0].benchmark, some[0].budget
        floors = _floors(results, benchmark)
        parts += [f"## {benchmark}, {_BUDGETS[budget]}"]
        for name, chart in _charts(some, floors).items():
            atomic_write_text(out / name, chart)
            parts += [f"![one dot a seed]({name})"]
        parts += [*_sections(some, floors), "### Settings", settings_table(out / "tuned.json", some)]
    if lost := list(failed):
        parts += ["## Missing", "\n".join(f"- {name}" for name in lost)]
    atomic_write_text(out / "study.md", "\n\n".join(parts) + "\n")
    return out / "study.md"


def _sections(some: Sequence[Group], floors: Mapping[str, float]) -> list[str]:
    metric = some[0].metric
    named = ", ".join(f"{name} {value:.3f}" for name, value in floors.items())
    compared = [*some, *over_shots(some)]
    parts = [
        f"### {headings(metric)[1]}",
        score_table(compared),
        f"Constant answers, mean over seeds: {named}." if floors else "",
        "### Claims of the paper",
        claim_table(compared),
        "### Questions of this project",
        question_table(compared),
        "### RISE against each",
        against_table(compared),
    ]
    for group in some:
        parts += [f"### Everything measured, {group.shots}", detail_table(group)]
    return [part for part in parts if part]


def score_table(some: Sequence[Group]) -> str:
    """Return the benchmark's own metric, a row a method, a column for each number of shots."""
    rows = [
        [find_method(name).title, *(_mean(group.values(name, group.metric), 4) for group in some)]
        for name in _methods(some)
    ]
    return _table(["method", *(group.shots for group in some)], rows)


def against_table(some: Sequence[Group]) -> str:
    """Return by how much RISE is better than each method, on the metric and in truth."""
    rows = [
        [find_method(name).title, group.shots, number, *_shown(test)]
        for name in _methods(some)
        if name != AGAINST
        for group in some
        for number, test in against(group, name).items()
    ]
    return _table(["RISE against", "shots", "number", "RISE better by", "wins : losses", "p"], rows)


def claim_table(some: Sequence[Group]) -> str:
    """Return the verdict on each claim of the paper, at each number of shots."""
    rows = [
        [claim.table, claim.name, group.shots, *_shown(test), test.verdict]
        for claim, group, test in _by_claim(some)
        if claim.table
    ]
    return _table(["table", "claim", "shots", "better by", "wins : losses", "p", "verdict"], rows)


def question_table(some: Sequence[Group]) -> str:
    """Return the answer to each question of this project, at each number of shots, by the same rule."""
    answer = {"reproduced": "yes", "not reproduced": "no, the reverse", "undecided": "undecided"}
    rows = [
        [claim.name, claim.number or group.metric, group.shots, *_shown(test), answer[test.verdict]]
        for claim, group, test in _by_claim(some)
        if not claim.table
    ]
    return _table(["question", "number", "shots", "by", "for : against", "p", "answer"], rows)


def detail_table(group: Group) -> str:
    """Return every number of a group, a row a method."""
    names = [n for n in _DETAILS if any(group.values(method, n) for method in group.methods)]
    rows = [
        [find_method(method).title, *(_mean(group.values(method, n), 3) for n in names)]
        for method in _methods([group])
    ]
    return _table(["method", *(_DETAILS[name] for name in names)], rows)


def settings_table(tuned: Path, some: Sequence[Group]) -> str:
    """Return the settings that were chosen on validation pictures; without a choice, those of the recipes."""
    chosen = read_settings(tuned, some[0].benchmark)
    rows = []
    for name in (name for name in _methods(some) if policy_sections(find_method(name))):
        setting, sections = setting_of(name, chosen), policy_sections(find_method(name))
        rates = {"sft": setting.sft_learning_rate, "grpo": setting.grpo_learning_rate}
        shown = [
            "" if s not in sections else f"{rate:g}" if rate else "recipe's" for s, rate in rates.items()
        ]
        rows.append(
            [find_method(name).title, *shown, f"{setting.sft_share:.2f}" if len(sections) > 1 else ""]
        )
    return _table(
        ["method", "SFT learning rate", "GRPO learning rate", "SFT's share of the policy's steps"], rows
    )


def _by_claim(some: Sequence[Group]) -> list[tuple[Claim, Group, PairedTest]]:
    """Every judged claim in the order of the claims, each at few shots first."""
    found = [(claim, group, test) for group in some for claim, test in judged(group)]
    return sorted(found, key=lambda one: CLAIMS.index(one[0]))


def _methods(some: Sequence[Group]) -> list[str]:
    present = {name for group in some for name in group.methods}
    return [name for name in (*METHODS, *ABLATIONS) if name in present]


def _mean(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    found = mean_sd(values)
    spread = f" ± {found['sd']:.{digits}f}" if len(values) > 1 else ""
    return f"{found['mean']:.{digits}f}{spread} ({len(values)})"


def _shown(test: PairedTest) -> list[str]:
    p = "" if test.p != test.p else f"{test.p:.2g}"
    return [f"{test.gain:+.4f}", f"{test.wins} : {test.losses}", p]


def _floors(results: Sequence[Result], benchmark: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for result in results:
        if result.benchmark == benchmark and result.method.startswith("floor:"):
            found.setdefault(result.method.removeprefix("floor:"), []).extend(result.numbers.values())
    return {name: fmean(values) for name, values in sorted(found.items())}


def _charts(some: Sequence[Group], floors: Mapping[str, float]) -> dict[str, str]:
    """Return by file name a chart of the methods and, where there are any, one of RISE and its ablations."""
    first, present = some[0], _methods(some)
    near = {name: value for name, value in floors.items() if name in ("train_mean", "mean_box")}
    rows = {
        "": [name for name in present if name in METHODS],
        "-ablations": [name for name in present if name in (AGAINST, *ABLATIONS)],
    }
    charts = {}
    for suffix, names in rows.items():
        if not names or (suffix and names == [AGAINST]):
            continue
        panels = {
            group.shots: {find_method(name).title: group.values(name, group.metric) for name in names}
            for group in some
        }
        title = f"{first.benchmark}, {_BUDGETS[first.budget]}"
        ours = find_method(AGAINST).title
        chart = strip_chart(title, headings(first.metric)[1], panels, ours=ours, floors=near)
        charts[f"study-{first.benchmark}-{first.budget}{suffix}.svg"] = chart
    return charts


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
