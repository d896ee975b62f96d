import pytest
from PIL import Image

pytest.importorskip("transformers")

from rise_bench.base_model import base_model_folder
from rise_bench.builders.world.speech import statements
from rise_bench.groundedness import Grounded
from rise_bench.trainers.base_model.evaluate import Sample, samples
from rise_bench.trainers.base_model.grounding import corrupted, rank_truth, study
from rise_bench.values import Distribution, Gold

CUES = {"shape": "star", "colour": "red", "ground": "dark", "backdrop": "plain", "layout": "row"}
ROW = Sample(Image.new("RGB", (8, 8)), Gold("x", Distribution(("a",), (1.0,)), 8, 8), CUES, ())


def grounded(text, scores):
    starts = [0, *(i + 1 for i, c in enumerate(text) if c == ".")]
    return Grounded(sum(scores) / len(scores), tuple(zip(starts, starts[1:], scores, strict=False)))


def test_a_score_that_follows_the_truth_ranks_perfectly():
    texts = ["The ground is dark. Their colour is blue.", "The ground is dark. Their colour is red."]
    scores = [grounded(texts[0], [1.0, -1.0]), grounded(texts[1], [1.0, 0.5])]
    result = rank_truth(texts, [ROW, ROW], scores)
    assert result["false_statement_rate"] == 0.25
    assert result["false_statements_per_text"] == 0.5
    assert result["auroc_texts"] == 1.0
    assert result["auroc_statements"] == 1.0


def test_a_score_that_ignores_the_truth_ranks_like_a_coin():
    texts = ["The ground is dark. Their colour is blue.", "The ground is dark. Their colour is red."]
    result = rank_truth(texts, [ROW, ROW], [grounded(t, [0.5, 0.5]) for t in texts])
    assert result["auroc_texts"] == result["auroc_statements"] == 0.5


def test_a_statement_made_twice_is_scored_where_it_stands():
    text = "The ground is pale. The ground is dark. The ground is pale."
    result = rank_truth([text], [ROW], [grounded(text, [-2.0, 3.0, -1.0])])
    assert result["statements"] == 3
    assert result["auroc_statements"] == 1.0
    assert "auroc_texts" not in result  # one text: nothing to rank it against


def test_texts_without_statements_count_as_texts_only():
    result = rank_truth(["Hello there."], [ROW], [grounded("Hello there.", [0.1])])
    assert result["statements"] == 0 and result["false_statement_rate"] == 0


def test_corrupted_texts_are_false_as_often_as_asked():
    rows = samples("moods", "train", 60)
    checked = [
        s
        for text, row in zip(corrupted("moods", rows, 0.3), rows, strict=True)
        for s in statements(text, row.truth)
    ]
    assert len(checked) == 300
    assert 0.2 < sum(not s.true for s in checked) / 300 < 0.4
    assert not [
        s
        for text, row in zip(corrupted("moods", rows, 0.0), rows, strict=True)
        for s in statements(text, row.truth)
        if not s.true
    ]


def test_groundedness_finds_false_statements():
    """The score knows nothing of the cues; a coin would get 0.5."""
    figures = study(base_model_folder(), base_model_folder(), "moods", 30, 1, 2, 0.3)
    assert figures["auroc_statements"] > 0.8
