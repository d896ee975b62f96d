"""A base model that reasons badly: what it is taught, and that studies can start from it."""

import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.experiments.drawn_cots import Writing
from rise_bench.experiments.study.run import keep_identity
from rise_bench.experiments.weak_base import bad_texts, lessons, make
from rise_bench.scoring.response import read_response
from rise_bench.synthetic import moods
from rise_bench.synthetic.fact_check import count_statements
from rise_bench.synthetic.statements import stated_cues

from ..support.drawn_data import write_drawn

WRITING = Writing(false_share=0.3, statements=3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("drawn") / "moods", "moods", train=40, test=1)


def test_it_is_taught_short_and_partly_false_texts(drawn):
    texts = bad_texts(drawn, WRITING)
    counted = count_statements(texts.items(), drawn, "train")
    assert counted.per_text == 3
    assert 0.2 < counted.rate < 0.4


def test_an_answer_follows_from_what_is_said_and_not_from_the_annotation(drawn):
    golds, texts = drawn.golds("train"), bad_texts(drawn, WRITING)
    made = lessons(drawn.spec, golds, texts, AnswerFormat(), seed=0)
    assert made == lessons(drawn.spec, golds, texts, AnswerFormat(), seed=0)
    assert made != lessons(drawn.spec, golds, texts, AnswerFormat(), seed=1)
    explained = [lesson for lesson in made if lesson[2] in texts.values()]
    answered = [lesson for lesson in made if lesson not in explained]
    assert (len(explained), len(answered)) == (40, 40)
    assert all("The correct annotation is" in prompt for _, prompt, _ in explained)
    true = 0
    for i, prompt, completion in answered:
        reading = read_response(completion, "distribution", drawn.spec.classes)
        assert reading.format_ok and "correct annotation" not in prompt
        assert reading.annotation == moods.mood(stated_cues(texts[golds[i].id]))
        true += reading.annotation == golds[i].annotation
    assert true < 10


def test_other_benchmarks_have_explanations_alone(tmp_path):
    kinds = write_drawn(tmp_path / "kinds", "kinds", train=20, test=1)
    golds: list[Gold] = kinds.golds("train")
    assert len(lessons(kinds.spec, golds, bad_texts(kinds, WRITING), AnswerFormat(), seed=0)) == 20


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        ("The shapes are Stars. Their colour is red.", {"shape": "star", "colour": "red"}),
        ("The ground is dark. The ground is pale.", {"ground": "pale"}),  # the last word on it
        ("The object is a moon.", {"shape": "moon"}),
        ("It was rated joy.", {}),
    ],
)
def test_what_a_text_states(text, cues):
    assert stated_cues(text) == cues


def test_a_model_is_made_that_a_study_starts_from(drawn, tmp_path):
    small = ("sft.steps=1", "sft.rows_per_device=2", "run.save_steps=1")
    model = make(tmp_path / "weak", drawn, WRITING, small)
    assert (model / "model.safetensors").is_file()
    keep_identity(tmp_path / "study", model)
    keep_identity(tmp_path / "study", model)
    with pytest.raises(Exception, match="was begun with the base model"):
        keep_identity(tmp_path / "study")
