"""The kind `steps`: what is read, how calls are matched, what gives the answer away, and baselines."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, fit_baselines
from rise_bench.annotations.steps.parsing import read_steps
from rise_bench.annotations.steps.similarity import call_weight
from rise_bench.annotations.steps.values import Call, Steps
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.templates import answer_only_prompt
from rise_bench.scoring.leaks import find_leaks, leak_verdicts
from rise_bench.scoring.rewards import cot_reward
from rise_bench.scoring.scores import aggregate, score_response

CLASSES = (
    "change_size(small|medium|large)",
    "change_color(red|blue|dark grey)",
    "change_position(front|front_left)",
)
KIND = KINDS["steps"]


def steps(*calls):
    return Steps(CLASSES, tuple(Call(*call.split()) for call in calls))


def gold(*calls, uid="a"):
    return Gold(uid, steps(*calls), 64, 64)


TWO = ("change_size 1 small", "change_color 2 red")


@pytest.mark.parametrize(
    "answer",
    [
        "change_size(1, small), change_color(2, red)",
        "change_size(1,small)\nchange_color(2,red)",
        "Change_Size(1, 'Small'); change_color('2', \"red\").",
        "change_size(object_id=1, value=small) change_color(object 2, red)",
        "```python\nchange_size(obj_1, small)\nchange_color (2, `red`)\n```",
        '["change_size(1, small)", "change_color(2, red)"]',
        "1. change_size(1, small)\n2. change_color(2, red)  # the ball (small, red)",
        r"change\_size(1, small), change\_color(object\_id=2, red)",
        "**change_size**(1, small), `change_color`(**2**, *red*)",
        "**change_size** (see above): change_size(1, small), `change_color` (object 2): change_color(2, red)",
        "The cube (small, blue) shrinks: change_size(1, small), change_color(2, red)",
        "change_size(#1, small), change_color(object #2, red)",
        "change_size(＃1, small), change_color(object_id=#2, red)",
        "A change_size(object, value) fits: change_size(1, small), change_color(2, red)",
        "change_size(object, small|large), change_color(object_id=ID, value=VALUE): "
        "change_size(1, small), change_color(2, red)",
    ],
)
def test_calls_are_read(answer):
    assert read_steps(answer, CLASSES, True) == (steps(*TWO), "ok")


@pytest.mark.parametrize(
    ("answer", "closed", "reason"),
    [
        ("", True, "no_calls"),
        ("nothing changed", True, "no_calls"),
        ("the cube (red, small)", True, "no_calls"),
        ("the **cube** (red, small)", True, "no_calls"),
        ("change_size(object, value)", True, "no_calls"),
        ("change_size(object, small|large), change_color(object_id, value)", True, "no_calls"),
        ("change_size(1)", True, "unclear_call"),
        ("change_size (1)", True, "unclear_call"),
        ("**change_size**(1)", True, "unclear_call"),
        ("change_size(1, small, now)", True, "unclear_call"),
        ("change_size(1, small), change_color(2, )", True, "unclear_call"),
        ("change_size(1, small), change_color(2, re", False, "truncated"),
    ],
)
def test_what_is_no_call_is_not_read(answer, closed, reason):
    assert read_steps(answer, CLASSES, closed) == (None, reason)


def test_words_of_a_value_are_joined_and_what_is_unknown_is_kept():
    read, _ = read_steps(
        r"change_position(3, Front\_left), change_color(1, dark grey), paint(1, pink), paint(object, pink), "
        "paint(1, value), paint(#2a, pink), paint(cube #2, pink), paint(#12, pink)",
        CLASSES,
        True,
    )
    assert read.calls == (
        Call("change_position", "3", "front_left"),
        Call("change_color", "1", "dark_grey"),
        Call("paint", "1", "pink"),
        Call("paint", "object", "pink"),
        Call("paint", "1", "value"),
        Call("paint", "2a", "pink"),
        Call("paint", "cube_#2", "pink"),
        Call("paint", "12", "pink"),
    )


@pytest.mark.parametrize(
    ("stated", "weight"),
    [
        ("change_size 1 small", 1.0),
        ("change_size 1 large", 0.5),
        ("change_size 2 small", 0.5),
        ("change_size 2 large", 0.25),
        ("change_color 1 small", 0.0),
    ],
)
def test_worth_of_a_call(stated, weight):
    assert call_weight(*steps("change_size 1 small", stated).calls) == weight


@pytest.mark.parametrize(
    ("true", "stated", "ignored", "counted"),
    [
        (TWO, TWO, 1.0, 1.0),
        (TWO, TWO[::-1], 1.0, 0.5),
        (TWO, TWO[:1], 0.5, 0.5),
        (TWO[:1], TWO, 0.5, 0.5),
        (TWO, (*TWO, TWO[0]), 2 / 3, 2 / 3),  # a repeated call is not free
        (TWO, ("change_size 1 large", "change_color 3 red"), 0.5, 0.5),
        # greedy matching would take the first pair and lose the second: 0.5 + 0.25 instead of 0.5 + 0.5
        (
            ("change_size 1 small", "change_size 2 small"),
            ("change_size 3 small", "change_size 1 large"),
            0.5,
            0.375,
        ),
    ],
)
def test_similarity(true, stated, ignored, counted):
    assert KIND.similarity(steps(*true), steps(*stated)) == pytest.approx(ignored)
    assert KIND.similarity(steps(*true), steps(*stated), "ordered") == pytest.approx(counted)


_calls = st.builds(
    Call,
    st.sampled_from(("change_size", "change_color")),
    st.sampled_from("12"),
    st.sampled_from(("red", "small")),
)
_lists = st.lists(_calls, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (TWO, 1.0),
        ((TWO[0], "change_color 2 blue"), (1 - 0.25) / 2),
        ((TWO[0], "change_color 3 blue"), (1 - 0.5) / 2),
        (("change_color 2 blue",), 0.0),
    ],
)
def test_a_penalty_for_what_is_partly_right(stated, expected):
    assert KIND.similarity(steps(*TWO), steps(*stated), "penalty") == pytest.approx(expected)


@given(_lists, _lists)
def test_the_assignment_is_the_best_of_all(true, stated):
    short, long = sorted((true, stated), key=len)
    best = max(sum(map(call_weight, short, order)) for order in permutations(long, len(short)))
    a, b = Steps(CLASSES, tuple(true)), Steps(CLASSES, tuple(stated))
    assert KIND.similarity(a, b) == pytest.approx(best / len(long)) == KIND.similarity(b, a)
    assert KIND.similarity(a, b, "ordered") <= KIND.similarity(a, b) + 1e-12
    rest = list(stated)
    whole = sum(call in rest and not rest.remove(call) for call in true)
    assert KIND.similarity(a, b, "full") == pytest.approx(whole / len(long))


@pytest.mark.parametrize(
    "cot",
    [
        "So it is change_size(1, small).",
        "Then change_color('2', 'red') follows.",
        "CHANGE_COLOR ( 2 , red )",
        "change size (1, small)",
        "change_position(object_id=3, value=front)",
        "change_color(2, red",
    ],
)
def test_a_verbatim_call_leaks(cot):
    (leak,) = find_leaks(cot, **KIND.secrets(steps(*TWO), "")._replace(classes=())._asdict())
    assert leak.reason == "call" and "," in leak.text
    assert leak_verdicts(cot, *KIND.secrets(steps(*TWO), ""))[0]


@pytest.mark.parametrize(
    "cot",
    [
        "Object 1 was large and is now small; object 2 turned red.",
        "The ball (small, red) was blue.",
        "Two of the 4 objects look different.",
        "A function like change_size(object, value) fits, and change_color(object_id, value) as well.",
        "I need the change of size for object 1 (the cube).",
    ],
)
def test_a_change_in_words_does_not_leak(cot):
    secrets = KIND.secrets(steps(*TWO), "")._replace(classes=())
    assert find_leaks(cot, **secrets._asdict()) == ()


def test_the_strict_rule_finds_the_names_of_the_functions():
    secrets = KIND.secrets(steps(*TWO), "")
    assert leak_verdicts("change_color is the one for object 2", *secrets) == (False, True)
    assert leak_verdicts("change_position is not needed", *secrets) == (False, False)


def test_the_closed_loop_pays_a_change_in_words():
    told = "Object 1 was large and is small now. The second object has turned red."
    answer = "<answer>change_color(2, red), change_size(1, small)</answer>"
    assert cot_reward(gold(*TWO), told, answer).reward == 1.0
    assert cot_reward(gold(*TWO), f"{told} change_color(2, red)", answer).reward == 0.0


@pytest.mark.parametrize(
    "piece", ["change_size(", "change_size(1, ", "(a, b) ", "change_size(1, small) ", "a("]
)
def test_time_is_linear(piece):
    read_steps(piece * (60_000 // len(piece)), CLASSES, True)
    find_leaks(piece * (20_000 // len(piece)), **KIND.secrets(steps(*TWO), "")._asdict())


@pytest.mark.parametrize(
    ("calls", "problem"),
    [
        ((), "0 calls, expected 1 to"),
        (("remove 1 small",), "of no function; expected one of change_size"),
        (("change_size 1 huge",), "unknown value; expected one of small, medium, large"),
        (("change_size 1 Small",), "cannot be read back"),
    ],
)
def test_ground_truth_is_of_the_vocabulary(calls, problem):
    assert problem in KIND.problem(gold(*calls), CLASSES)
    assert "functions are" in KIND.problem(gold(*TWO), CLASSES[:1])


def test_classes_are_functions():
    assert KIND.class_problem(CLASSES) == "" and KIND.class_problem(()) == ""
    assert "is not a function" in KIND.class_problem(("change size",))
    assert "appears twice" in KIND.class_problem(("paint(red)", "paint(blue)"))


def test_the_prompt_names_the_vocabulary():
    spec = BenchmarkSpec("changes", "steps", "step_score", "What changed?", CLASSES)
    prompt = answer_only_prompt(spec, gold(*TWO))
    assert "change_color(object, red|blue|dark_grey)" in prompt
    assert prompt.endswith("Write only <answer>calls</answer>.")


def test_metrics_have_intervals():
    spec = BenchmarkSpec("changes", "steps", "step_score", "What changed?", CLASSES)
    golds = [gold(*TWO, uid=f"{n}") for n in range(4)]
    right, turned = (
        "change_size(1, small), change_color(2, red)",
        "change_color(2, red), change_size(1, small)",
    )
    texts = [right, turned, "change_size(1, small)", "no idea"]
    scores = [score_response(g, f"<answer>{t}</answer>") for g, t in zip(golds, texts, strict=True)]
    report = aggregate(spec, golds, scores, resamples=100)
    values = {
        name: report.metrics[name].value for name in ("step_score", "ordered_step_score", "exact_steps")
    }
    assert values == {"step_score": 0.625, "ordered_step_score": 0.5, "exact_steps": 0.5}
    assert report.metrics["step_score"].low < 0.625 < report.metrics["step_score"].high
    assert report.reasons == {"no_calls": 1, "ok": 3}


def test_baselines_are_the_most_frequent_list_and_call():
    train = [
        gold(*TWO),
        gold("change_size 3 large"),
        gold("change_size 3 large"),
        gold(TWO[1], "change_size 3 large"),
    ]
    baselines = fit_baselines(train)
    assert {name: predict(train[0]) for name, predict in baselines.items()} == {
        "most_frequent": steps("change_size 3 large"),
        "most_frequent_call": steps("change_size 3 large"),
    }


@given(seed=st.integers(0, 10**6))
def test_planted_errors_are_wrong_calls_of_the_vocabulary(seed):
    errors = KIND.planted_errors(gold(*TWO), gold("change_color 2 blue"), Random(seed))
    assert errors.keys() == {"dropped", "changed", "added", "swapped"}
    for wrong in errors.values():
        assert KIND.similarity(steps(*TWO), wrong) < 0.9
        assert KIND.problem(Gold("b", wrong, 64, 64), CLASSES) == ""
    assert KIND.planted_errors(gold(TWO[0]), gold(TWO[0]), Random(seed)).keys() == {"changed"}


def test_cleanlab_prefers_the_label_that_the_answers_state():
    pytest.importorskip("cleanlab")
    right, wrong = steps(*TWO), steps(TWO[0], "change_color 2 blue")
    scores = KIND.label_quality([right, wrong, right], [[right, right], [right, right], []])
    assert 1 >= scores[0] > scores[2] > scores[1] >= 0


def test_matched_calls_stand_beside_each_other():
    stated = steps("change_color 3 red", "change_position 1 front")
    assert KIND.compare(steps(*TWO), stated)[1] == [
        ("change_size(1, small)", "none", "0"),
        ("change_color(2, red)", "change_color(3, red)", "0.5"),
        ("none", "change_position(1, front)", ""),
    ]
    assert KIND.matches(steps(*TWO), stated) == ((1, 0, 0.5),)
