"""Which submissions share their errors: honest models do not, however good they are, and copies do."""

import random

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.steps.values import Call, Steps
from rise_bench.annotations.value.values import Value
from rise_bench.leaderboards.verification.suspicion import (
    Fingerprint,
    agreement_on_errors,
    agreement_to_the_digit,
    fingerprint,
    resemblance,
)
from rise_bench.scoring.scores import score_response

SAMPLES, CLASSES = 600, tuple(f"thing {i}" for i in range(20))
SIZE = 500


def class_golds(samples: int = SAMPLES) -> list[Gold]:
    return [
        Gold(f"c/{i:04}", Distribution(CLASSES, one_hot(i * len(CLASSES) // samples)), SIZE, SIZE)
        for i in range(samples)
    ]


def one_hot(index: int) -> tuple[float, ...]:
    return tuple(float(i == index) for i in range(len(CLASSES)))


def box_golds(samples: int = SAMPLES) -> list[Gold]:
    rng = random.Random(0)
    return [
        Gold(f"b/{i:04}", Boxes(((rng.uniform(0, 300), rng.uniform(0, 300), 150.0, 150.0),)), SIZE, SIZE)
        for i in range(samples)
    ]


def class_answers(golds: list[Gold], seed: int, accuracy: float, spread: float = 0.0) -> list[str]:
    """A model that is right so often. Hard images lead most models to the same wrong class."""
    rng, hard = random.Random(seed), random.Random("hard")
    answers = []
    for gold in golds:
        truth, tempting = gold.annotation.probs.index(1.0), hard.randrange(len(CLASSES))
        fails = hard.random() < 1.5 * (1 - accuracy) and rng.random() < 0.67
        wrong = tempting if rng.random() < 0.6 else rng.randrange(len(CLASSES))
        top = 1.0 - spread * rng.random()
        answers.append(f'{{"{CLASSES[wrong if fails else truth]}": {top:.3f}}}')
    return answers


def box_answers(golds: list[Gold], seed: int, accuracy: float) -> list[str]:
    rng, hard = random.Random(seed), random.Random("hard")
    answers = []
    for gold in golds:
        x, y, w, h = gold.annotation.xywh[0]
        tempting = hard.uniform(0, 300)
        if hard.random() < 1.5 * (1 - accuracy) and rng.random() < 0.67:
            x, y = (tempting, 340.0) if rng.random() < 0.6 else (rng.uniform(0, 300), 0.0)
        answers.append(str([max(0, round(1000 / SIZE * (side + rng.gauss(0, 4)))) for side in (x, y, w, h)]))
    return answers


def mark(
    golds: list[Gold], answers: list[str], path: str = "submissions/a/b", model: str = "a/b"
) -> Fingerprint:
    responses = {g.id: f"<think></think><answer>{a}</answer>" for g, a in zip(golds, answers, strict=True)}
    scores = [score_response(gold, responses[gold.id]) for gold in golds]
    assert sum(score.stated is None for score in scores) < len(scores) / 2
    return fingerprint(path, model, responses, scores, golds)


def pair(golds, first, second):
    return mark(golds, first), mark(golds, second, "submissions/c/d", "c/d")


def value_golds(samples: int = SAMPLES) -> list[Gold]:
    return [Gold(f"v/{i:04}", Value(str(i * 9 // samples + 1)), SIZE, SIZE) for i in range(samples)]


def value_answers(golds: list[Gold], seed: int, accuracy: float) -> list[str]:
    """A model that mostly miscounts by one."""
    rng, hard = random.Random(seed), random.Random("hard")
    answers = []
    for gold in golds:
        off = hard.choice((-1, 1))
        fails = hard.random() < 1.5 * (1 - accuracy) and rng.random() < 0.67
        wrong = off if rng.random() < 0.6 else rng.choice((-2, -1, 1, 2))
        answers.append(str(int(gold.annotation.text) + (wrong if fails else 0)))
    return answers


def steps_golds(samples: int = SAMPLES) -> list[Gold]:
    return [
        Gold(f"s/{i:04}", Steps(CLASSES, calls(i * 400 // samples, i * 400 // samples + 1)), SIZE, SIZE)
        for i in range(samples)
    ]


def calls(*numbers: int) -> tuple[Call, ...]:
    return tuple(Call("change_color", str(n // 20 % 20), CLASSES[n % 20]) for n in numbers)


def steps_answers(golds: list[Gold], seed: int, accuracy: float) -> list[str]:
    """A model whose first call is wrong at times."""
    rng, hard = random.Random(seed), random.Random("hard")
    answers = []
    for gold in golds:
        tempting = hard.randrange(400)
        fails = hard.random() < 1.5 * (1 - accuracy) and rng.random() < 0.67
        wrong = calls(tempting if rng.random() < 0.6 else rng.randrange(400))
        first = wrong if fails else gold.annotation.calls[:1]
        answers.append(KINDS["steps"].render(Steps(CLASSES, (*first, *gold.annotation.calls[1:]))))
    return answers


MODELS = {
    "classes": (class_golds, class_answers),
    "boxes": (box_golds, box_answers),
    "values": (value_golds, value_answers),
    "steps": (steps_golds, steps_answers),
}


def test_a_model_of_another_account_is_held():
    golds = class_golds(40)
    zed = mark(golds, class_answers(golds, 1, 0.9), "submissions/zed/great", "zed/great")
    again = mark(golds, class_answers(golds, 2, 0.9), "submissions/zed/later", "zed/great")
    other = mark(golds, class_answers(golds, 3, 0.9), "submissions/mallory/run", "zed/great")
    assert resemblance(zed, []) == resemblance(again, [zed]) == []
    (reason,) = resemblance(other, [zed, again])
    assert (reason.code, reason.severity) == ("model_of_others", "hold") and "sent by zed" in reason.message


@pytest.mark.parametrize(("make", "answer"), MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("accuracy", [0.96, 0.8, 0.4])
def test_honest_models_are_no_copies(make, answer, accuracy):
    golds = make()
    first, second = pair(golds, answer(golds, 1, accuracy), answer(golds, 2, accuracy))
    assert agreement_on_errors(first, second) < 0.6
    assert agreement_to_the_digit(first, second) < 0.1
    assert resemblance(second, [first]) == []


@pytest.mark.parametrize(("make", "answer"), MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("accuracy", [0.96, 0.8, 0.4])
def test_copies_of_answers_are_held(make, answer, accuracy):
    """Also with a part of the answers taken from elsewhere."""
    golds, rng = make(), random.Random(3)
    answers, others = answer(golds, 1, accuracy), answer(golds, 2, accuracy)
    copied = [b if rng.random() < 0.05 else f"{a} " for a, b in zip(answers, others, strict=True)]
    first, second = pair(golds, answers, copied)
    assert agreement_on_errors(first, second) >= 0.8
    assert [reason.code for reason in resemblance(second, [first])] == ["same_answers"]


def test_a_hidden_truth_is_not_told_by_how_much_two_runs_agree():
    golds = class_golds()
    answers = class_answers(golds, 1, 0.8)
    first, second = pair(golds, answers, [f"{answer} " for answer in answers])
    (public,), (hidden,) = (resemblance(second, [first], hidden=flag) for flag in (False, True))
    assert "errors (1.00 from 0" in public.message
    assert hidden.code == public.code and not any(map(str.isdigit, hidden.message.replace(first.path, "")))


def test_confidences_shaken_by_a_hundredth_do_not_hide_a_copy():
    golds = class_golds()
    answers = class_answers(golds, 1, 0.8, spread=0.5)
    shaken = [a.replace("}", " }").replace("0.9", "0.89") for a in answers]
    first, second = pair(golds, answers, shaken)
    assert [reason.code for reason in resemblance(second, [first])] == ["same_answers"]


def test_boxes_equal_to_the_digit_are_held_however_good_they_are():
    golds = box_golds()
    answers = box_answers(golds, 1, 1.0)
    first, second = pair(golds, answers, [f"{answer} " for answer in answers])
    assert agreement_on_errors(first, second) == 0, "there are none"
    assert [reason.code for reason in resemblance(second, [first])] == ["same_answers"]


@pytest.mark.parametrize(("digits", "same"), [("0.7, 0.2, 0.1", False), ("0.683, 0.214, 0.103", True)])
def test_only_digits_of_its_own_tell_of_a_copy(digits, same):
    """Two models that answer in tenths meet often; both are right about every sample here."""
    rng = random.Random(0)
    golds, answers = [], []
    for i in range(100):
        probs = [float(p) for p in digits.split(", ")]
        rng.shuffle(probs)
        golds.append(Gold(f"m/{i}", Distribution(("joy", "fear", "anger"), tuple(probs)), SIZE, SIZE))
        answers.append(f'{{"joy": {probs[0]}, "fear": {probs[1]}, "anger": {probs[2]}}}')
    first, second = pair(golds, answers, [f"{answer} " for answer in answers])
    assert (resemblance(second, [first]) != []) == same


def test_models_that_answer_nearly_always_the_same_share_no_evidence():
    """They agree where they are wrong, and by chance alone."""
    golds = class_golds()
    answers = [
        [f'{{"{CLASSES[0 if rng.random() < 0.97 else rng.randrange(20)]}": 1.0}}' for _ in golds]
        for rng in (random.Random(1), random.Random(2))
    ]
    assert agreement_on_errors(*pair(golds, *answers)) < 0.3


def test_what_cannot_be_compared_gives_no_agreement():
    golds, few = class_golds(100), class_golds(15)
    wrong = class_answers(golds, 1, 0.4)
    assert agreement_on_errors(*pair(golds, wrong, [a if i % 3 else "{}" for i, a in enumerate(wrong)])) == 1
    wrong = class_answers(few, 1, 0.1)
    assert agreement_on_errors(*pair(few, wrong, wrong)) == 0, "too few samples"
