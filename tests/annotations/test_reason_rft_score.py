"""The score of Reason-RFT's script: golden vectors that its own code made, and its defects by name.

The file says how they were made: by the script itself, with the version of math-verify that it pins, under 17
hash seeds.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.reason_rft_score import steps_score, value_score
from rise_bench.annotations.steps.values import Call, Steps
from rise_bench.annotations.value.values import Value
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.scoring.scores import aggregate, score_annotation, score_response

VECTORS = json.loads(
    (Path(__file__).parents[1] / "golden/reason_rft/scores.json").read_text(encoding="utf-8")
)

#: What math-verify evaluates and our reader does not: roots in LaTeX.
NOT_EVALUATED = ("\\sqrt",)

TRUE = Steps((), (Call("change_size", "1", "small"), Call("change_color", "2", "red")))


def evaluated(rows):
    return [row for row in rows if not any(sign in row[1] for sign in NOT_EVALUATED)]


def test_values_are_scored_as_by_the_script():
    rows = evaluated(VECTORS["values"])
    assert len(rows) > 200 and {score for *_, score in rows} == {0, 1}
    assert [row for row in rows if value_score(row[0], row[1]) != row[2]] == []


def test_roots_are_the_only_vectors_that_differ():
    rows = [row for row in VECTORS["values"] if value_score(row[0], row[1]) != row[2]]
    assert rows == [["7", "<think>I look.</think><answer>$\\sqrt{49}$</answer>", 1.0]]


def test_steps_are_scored_as_by_the_script_under_some_hash_seed():
    rows = VECTORS["steps"]
    assert len(rows) > 100
    wrong = [row for row in rows if not any(abs(steps_score(row[0], row[1]) - s) < 1e-9 for s in row[2])]
    assert wrong == [] and sum(len(scores) > 1 for *_, scores in rows) == 2


def test_the_score_of_steps_does_not_depend_on_the_hash_seed():
    solution, response, scores = next(row for row in VECTORS["steps"] if len(row[2]) > 1)
    assert scores == [0.375, 0.5]  # the script's own
    code = (
        "import sys; from rise_bench.annotations.reason_rft_score import steps_score; "
        "print(steps_score(*sys.argv[1:]))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, solution, response],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{steps_score(solution, response)}\n"}


@pytest.mark.parametrize(
    ("solution", "response", "theirs", "ours"),
    [
        ("7", "<answer>8 or 7</answer>", 1.0, 0.0),  # the last number counts
        ("7", "<answer>7</answer><answer>8</answer>", 1.0, 0.0),  # the first answer counts
        ("7", "<think>3 and 4 make 7</think>", 1.0, 0.0),  # without tags the chain of thought is the answer
        ("7", "<answer>seven</answer>", 0.0, 1.0),
        ("7", "<answer>(7)</answer>", 0.0, 1.0),
        ("B", "<answer>(B)</answer>", 0.0, 1.0),  # a letter has to be the whole answer
        ("B", "<answer>b</answer>", 0.0, 1.0),
        ("7", "<answer>700%</answer>", 1.0, 1.0),
        ("12.5", "<answer>12.501</answer>", 0.0, 1.0),  # no tolerance
        ("12.5", "<answer>12,5</answer>", 1.0, 0.0),  # a decimal comma
    ],
)
def test_where_the_scores_of_a_value_differ(solution, response, theirs, ours):
    values = score_response(Gold("a", Value(solution), 9, 9), response).values
    assert (values["reason_rft"], values["accuracy"]) == (theirs, ours)


@pytest.mark.parametrize(
    ("response", "theirs", "ours"),
    [
        # (b) an answer on its own line is missed, and the chain of thought is scored
        (
            "<think>Or change_shape(1, cube)?</think>"
            "<answer>\nchange_size(1, small), change_color(2, red)\n</answer>",
            2 / 3,
            1.0,
        ),
        # (c) quoted objects
        ("<answer>change_size('1', 'small'), change_color('2', 'red')</answer>", 0.0, 1.0),
        # (d) repeated calls are free
        ("<answer>change_size(1, small), change_size(1, small), change_color(2, red)</answer>", 1.0, 2 / 3),
        # blanks before an object, capital letters
        ("<answer>change_size( 1, small), Change_Color(2, red)</answer>", 0.0, 1.0),
        # no tags: the chain of thought is the answer
        ("<think>change_size(1, small), change_color(2, red)</think>", 1.0, 0.0),
    ],
)
def test_where_the_scores_of_steps_differ(response, theirs, ours):
    values = score_response(Gold("a", TRUE, 9, 9), response).values
    assert (values["reason_rft"], values["step_score"]) == (pytest.approx(theirs), pytest.approx(ours))


def test_enhanced_scores_find_the_solution_inside_a_longer_one():
    assert VECTORS["enhanced"]
    for solution, response, score in VECTORS["enhanced"]:
        assert value_score(solution, response, enhance=True) == score != value_score(solution, response)
    assert (
        value_score("5", "It is 25", enhance=True) == value_score("A", "Answer: B", enhance=True) == 1.0
    )  # (e)


@pytest.mark.parametrize(
    "piece", ["<answer>", "7+", "answer 7 ", "9**9", "(", "a(b, c) ", "\\boxed{", "1 234 "]
)
def test_time_is_linear_and_nothing_raises(piece):
    text = piece * (60_000 // len(piece))
    assert value_score("7", text) in (0, 1) and 0 <= steps_score("a(1, b)", text) <= 1


def test_both_scores_are_in_a_report():
    spec = BenchmarkSpec("counts", "value", "accuracy", "How many?")
    golds = [Gold("a", Value("7"), 9, 9), Gold("b", Value("8"), 9, 9)]
    scores = [score_response(golds[0], "<answer>seven</answer>"), score_response(golds[1], "no tags: 8")]
    metrics = aggregate(spec, golds, scores, resamples=50).metrics
    assert (metrics["accuracy"].value, metrics["reason_rft"].value) == (1.0, 0.5)


@pytest.mark.parametrize("annotation", [Value("7"), Value("B"), TRUE])
def test_an_annotation_without_a_response_is_scored_as_an_answer(annotation):
    assert score_annotation(Gold("a", annotation, 9, 9), annotation).values["reason_rft"] == 1.0
    (metric,) = (m for m in KINDS[annotation.kind].metrics if m.name == "reason_rft")
    assert metric.score(annotation, None, "<answer>none</answer>") == 0.0


def test_powers_of_powers_and_long_words_end_at_once():
    """Ten levels of `^12` would be a number of 10 ** 10 digits."""
    started = time.perf_counter()
    assert value_score("7", f"1*{'(' * 10}9{'^12)' * 10}") == 0.0
    assert value_score("81", "9^2") == 1.0
    assert steps_score("f(a, b)", "a" * 100_000) == 0.0
    assert time.perf_counter() - started < 5
