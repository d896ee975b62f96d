"""Tables from made-up results."""

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.errors import DataError
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.methods import find_method
from rise_bench.experiments.study.claims import CLAIMS, FALSE_SHARE
from rise_bench.experiments.study.grid import Study
from rise_bench.experiments.study.measure import Result, excess_entropy
from rise_bench.experiments.study.page import write_page
from rise_bench.experiments.study.run import Outcome, run_study
from rise_bench.experiments.study.summary import (
    groups,
    judged,
    over_shots,
    read_results,
    summarise,
    write_results,
)
from rise_bench.experiments.study.tables import settings_table
from rise_bench.scoring.scores import score_annotation, score_response

CLASSES = ("a", "b")


def test_claims_are_about_methods_that_exist() -> None:
    for claim in CLAIMS:
        assert find_method(claim.better) != find_method(claim.worse)
    assert {claim.table for claim in CLAIMS} == {"1, 2", "3", "4", "5", "6", ""}


def results(shots: str = "16-shot", **jsd: list[float]) -> list[Result]:
    return [
        Result("moods", "steps", shots, seed, method, {"jsd": value, FALSE_SHARE: 1 - value})
        for method, values in jsd.items()
        for seed, value in enumerate(values)
    ]


MADE_UP = results(rise=[0.10, 0.11, 0.12, 0.10], sft=[0.20, 0.22, 0.21], visual_rft=[0.05, 0.06, 0.08, 0.05])


def test_summary_pairs_the_seeds_that_both_have() -> None:
    (group,) = groups(MADE_UP)
    tests = {claim.name: (test.seeds, test.wins, test.losses) for claim, test in judged(group)}
    assert tests == {
        "RISE is better than SFT": (3, 3, 0),
        "RISE is better than Visual-RFT": (4, 0, 4),
        "Visual-RFT is better than SFT": (3, 3, 0),
        "SFT High + RFT is better than RFT": (4, 0, 4),
        "Less of what RISE says is false than of VRFT": (4, 4, 0),
    }
    (summary,) = summarise(MADE_UP)
    assert summary["methods"]["rise"]["jsd"] == pytest.approx(
        {"mean": 0.1075, "sd": 0.00957, "n": 4}, abs=1e-5
    )
    truth = summary["rise_against"]["sft"][FALSE_SHARE]
    assert truth["gain"] < 0  # fewer false statements are better, and RISE makes more here


def test_mean_over_shots_is_one_number_a_seed() -> None:
    few = results("4-shot", rise=[0.30, 0.31], sft=[0.4], visual_rft=[])
    (mean,) = over_shots(groups([*MADE_UP, *few]))
    assert mean.shots == "mean"
    assert mean.values("rise", "jsd") == pytest.approx([0.20, 0.21])
    assert mean.values("sft", "jsd") == pytest.approx([0.30])
    assert set(mean.methods) == {"rise", "sft"}  # Visual-RFT has no result at 4 shots
    assert over_shots(groups(MADE_UP)) == []
    assert [summary["shots"] for summary in summarise([*MADE_UP, *few])] == ["4-shot", "16-shot", "mean"]


def test_results_replace_their_like_and_keep_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write_results(path, MADE_UP)
    again = write_results(path, results(rise=[0.5]))
    assert len(again) == len(MADE_UP) == len(read_results(path))
    assert read_results(path) == again
    assert [r.numbers["jsd"] for r in again if r.method == "rise"] == [0.5, 0.11, 0.12, 0.10]
    path.write_text("no json\n")
    with pytest.raises(DataError, match="Remove it"):
        read_results(path)


def test_phases_of_the_papers_budget_share_no_steps(tmp_path: Path) -> None:
    made = [replace(result, budget="paper") for result in results(rise=[0.1], rise_short_sft=[0.2])]
    table = settings_table(tmp_path / "tuned.json", groups(made))
    assert table.headings == ["method", "shots", "SFT learning rate", "GRPO learning rate"]
    assert [row[1:] for row in table.rows] == [["16-shot", "recipe's", "recipe's"]] * 2
    steps = settings_table(tmp_path / "tuned.json", groups(results(rise=[0.1])))
    assert (steps.headings[-1], steps.rows[0][-1]) == ("SFT's share of its steps", "0.50")


def _failing(job: Job, folder: JobFolder, before_s: float) -> Any:
    return SimpleNamespace(poll=lambda: 1, seconds=before_s, kill=lambda: None)


def _others(study: Study) -> list[Result]:
    """Results of another budget on runs of the same RISE-CoT, and of a benchmark without records."""
    return [
        *(
            replace(MADE_UP[0], budget=budget, seed=2, method=method)
            for budget in ("steps", "time")
            for method in ("rise", "rise_sft", "sft")
        ),
        replace(MADE_UP[0], budget="paper", seed=2),
        replace(MADE_UP[0], benchmark="scenes", seed=2, numbers={"ap50": 0.5}),
        Result(study.benchmark, "", "", 2, "floor:train_mean", {"jsd": 0.264}),
    ]


def _keys(results: Iterable[Result]) -> list[str]:
    return sorted("/".join(map(str, result.key)) for result in results if result.budget)


def test_results_of_runs_that_no_longer_exist_are_removed(tmp_path: Path) -> None:
    """The record of a training was removed, and it failed when it was started again."""
    study = Study(tmp_path, shots=("16-shot",), seeds=4, methods=("rise", "sft"), train=8, test=4)
    before = write_results(tmp_path / "results.jsonl", [*MADE_UP, *_others(study)])
    for job in study.jobs():
        if job.arguments[0] != "eval" and not job.name.endswith(("seed-1/sft", "seed-2/rise_cot")):
            study.jobs_folder.write(job, 1.0, done=True)
    started: list[str] = []

    def start(at_once: int) -> Outcome:
        return run_study(
            study,
            at_once=at_once,
            drawing=lambda *_: None,
            progress=lambda state: started.append(state.job.name),
            launcher=_failing,
        )

    gone = {"steps/16-shot/1/sft": "seed-1/sft"}
    gone |= {f"{budget}/16-shot/2/rise": "seed-2/rise_cot" for budget in ("steps", "time")}
    gone |= {f"{budget}/16-shot/2/rise_sft": "seed-2/rise_cot" for budget in ("steps", "time")}
    outcome = start(16)
    assert "Needed by RISE.\n" in outcome.page.read_text()
    assert any("/eval_" in name for name in started), (
        "an evaluation that fails leaves the result of its training"
    )
    left = read_results(tmp_path / "results.jsonl")
    assert set(_keys(before)) - set(_keys(left)) == {f"moods/{key}" for key in gone}
    assert sorted(outcome.removed) == sorted(
        f"moods/{key}: its result is removed, as moods/16-shot/{job} was started again and is not done"
        for key, job in gone.items()
    )
    assert start(16).removed == []


def test_where_nothing_is_run_no_result_is_removed(tmp_path: Path) -> None:
    """As while another process repeats the training."""
    study = Study(tmp_path, shots=("16-shot",), seeds=4, methods=("rise", "sft"), train=8, test=4)
    before = write_results(tmp_path / "results.jsonl", MADE_UP)
    for job in study.jobs():
        study.jobs_folder.write(job, 1.0, done=False)
    outcome = run_study(study, at_once=0, drawing=lambda *_: None, progress=lambda _: None)
    assert _keys(read_results(tmp_path / "results.jsonl")) == _keys(before) and outcome.removed == []


def test_page_shows_every_verdict_and_every_dot(tmp_path: Path) -> None:
    floor = Result("moods", "", "", 0, "floor:train_mean", {"jsd": 0.264})
    tuned = {"moods/steps/16-shot": {"sft": {"chosen": {"sft_learning_rate": 2e-4}}}}
    (tmp_path / "tuned.json").write_text(json.dumps(tuned))
    page = write_page(tmp_path, [*MADE_UP, floor], {"moods/sft": "train sft failed."}).read_text()
    assert "| SFT | 16-shot | 0.0002 |  |  |" in page
    assert "| RISE | 16-shot | recipe's | recipe's | 0.50 |" in page
    assert "| RISE | 0.1075 ± 0.0096 (4) |" in page
    row = "| 1, 2 | RISE is better than SFT | 16-shot | +0.1000 | +0.0752 to +0.1248 | 3 : 0 | 0.25 |"
    assert row in page
    assert f"| Less of what RISE says is false than of VRFT | {FALSE_SHARE} | 16-shot | +0.0475 |" in page
    assert "reproduced |" not in page and "has no copy of a list of registered claims" in page
    assert "train_mean 0.264" in page
    assert "- train sft failed. Needed by SFT.\n" in page
    drawing = ElementTree.parse(tmp_path / "study-moods-steps.svg")
    dots = drawing.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == len(MADE_UP)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "moods/paper/full/seed-3/rise_cot",
            " Needed by RISE; RISE without RFT; tau 0.65.",
        ),
        ("moods/16-shot/seed-0/sft-time", " Needed by SFT."),
        ("moods/tune-16-shot/sft-7", ""),
        ("moods/16-shot/seed-0/rise_r1_tau_85", ""),
    ],
)
def test_page_names_whatever_failed_in_the_folder(tmp_path: Path, name: str, line: str) -> None:
    """By the records, also of other commands; with the methods that cannot go on, which have no record."""
    jobs = JobFolder(tmp_path / "jobs")
    jobs.write(Job(name, name, ()), 1.0, done=False)
    jobs.write(Job("moods/measure/sft", "measure", ()), 1.0, done=False)
    jobs.write(Job("moods/16-shot/seed-1/sft", "sft", ()), 1.0, done=True)
    made = [*MADE_UP, *results(tau_65=[0.3])]
    run_now = ("rise", "rise_sft", "base")
    page = write_page(tmp_path, made, {"moods/4-shot/seed-0": "3 not done yet"}, run_now).read_text()
    expected = f"- {name} is not finished; its log: jobs/{name}.log.{line}\n- 3 not done yet\n"
    assert page.partition("## Missing\n\n")[2] == expected
    again = write_page(tmp_path, made, {name: "why it failed."}, run_now).read_text()
    assert again.partition("## Missing\n\n")[2] == f"- why it failed.{line}\n"
    jobs.write(Job(name, name, ()), 2.0, done=True)
    assert "Missing" not in write_page(tmp_path, made).read_text()


def test_page_says_how_long_each_part_took(tmp_path: Path) -> None:
    jobs = JobFolder(tmp_path / "jobs")
    for name, seconds in {
        "moods/tune-16-shot/sft-3": 360,
        "moods/4-shot/seed-0/sft": 720,
        "moods/base/seed-0/eval_base": 720,
        "moods/4-shot/seed-0/sft-time": 1080,
        "moods/4-shot/seed-0/rise_r1_tau_65": 1800,
        "moods/paper/4-shot/seed-0/sft": 2160,
        "moods/paper/4-shot/seed-0/sft_long": 2520,
        "scenes/4-shot/seed-0/rise_cot": 3600,
    }.items():
        jobs.write(Job(name, name, ()), seconds, done=True)
    jobs.write(Job("moods/4-shot/seed-1/sft", "killed", ()), 999, done=False)
    page = write_page(tmp_path, MADE_UP).read_text()
    assert page.split("| --- | --- | --- |\n")[-1].splitlines()[:9] == [
        "| moods, ablations, equal steps | 1 | 0.5 |",
        "| moods, ablations, the paper's budget | 1 | 0.7 |",
        "| moods, methods, equal steps | 1 | 0.2 |",
        "| moods, methods, equal time | 1 | 0.3 |",
        "| moods, methods, the paper's budget | 1 | 0.6 |",
        "| moods, the base model | 1 | 0.2 |",
        "| moods, tuning | 1 | 0.1 |",
        "| scenes, methods, equal steps | 1 | 1.0 |",
        "| all | 8 | 3.6 |",
    ]


def test_ablations_have_a_chart_of_their_own_beside_rise(tmp_path: Path) -> None:
    page = write_page(tmp_path, results(rise=[0.1], sft=[0.2], tau_65=[0.3])).read_text()
    shown = {
        name: [text.text for text in ElementTree.parse(tmp_path / name).findall(".//{*}g/{*}text")]
        for name in ("study-moods-steps.svg", "study-moods-steps-ablations.svg")
        if f"]({name})" in page
    }
    assert list(shown.values()) == [["RISE", "SFT"], ["RISE", "tau 0.65"]]
    only = write_page(tmp_path / "only", results(tau_65=[0.3])).read_text()
    assert "](study-moods-steps.svg)" not in only and "](study-moods-steps-ablations.svg)" in only


def test_a_claim_is_shown_from_few_shots_to_many(tmp_path: Path) -> None:
    few = [one for shots in ("full", "4-shot") for one in results(shots, rise=[0.1, 0.2], base=[0.3, 0.3])]
    lines = write_page(tmp_path, [*MADE_UP, *few]).read_text().splitlines()
    shown = [line.split(" | ")[1:3] for line in lines if line.startswith("| 1, 2 |")]
    assert shown == [
        ["RISE is better than its base model", "4-shot"],
        ["RISE is better than its base model", "full"],
        ["RISE is better than SFT", "16-shot"],
        ["RISE is better than Visual-RFT", "16-shot"],
        ["Visual-RFT is better than SFT", "16-shot"],
    ]


def test_excess_entropy_is_what_hedging_adds() -> None:
    gold = Gold("1", Distribution(CLASSES, (1.0, 0.0)), 10, 10)
    hedged = score_annotation(gold, Distribution(CLASSES, (30.0, 30.0)))
    assert excess_entropy([gold], [hedged]) == pytest.approx(math.log(2))
    for left_out in (score_response(gold, ""), score_annotation(gold, Distribution(CLASSES, (0.0, 0.0)))):
        assert excess_entropy([gold], [left_out]) == 0.0
        assert excess_entropy([gold], [hedged, left_out]) == pytest.approx(math.log(2))
    tiny_beside_huge = score_annotation(gold, Distribution(CLASSES, (1e-323, 1e10)))
    assert excess_entropy([gold], [tiny_beside_huge]) == 0.0
