import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.responses import (
    is_failed_request,
    read_responses,
    require_complete,
    score_responses,
)
from rise_bench.scoring.response_text import NO_RESPONSE
from rise_bench.scoring.scores import score_response

GOLD = Gold("a", Distribution(("joy", "fear"), (0.5, 0.5)), 10, 10)
ROW = {"id": "a", "dataset_sha256": "d" * 64, "box_unit": "px", "max_pixels": 50_000}


def _file(tmp_path, *lines):
    path = tmp_path / "samples.jsonl"
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def test_plain_lines(tmp_path):
    """U+2028 is a line break for str.splitlines and none for JSON lines."""
    path = _file(tmp_path, {"id": "a", "response": "x\u2028y"}, "", {"id": "b", "response": "", "extra": 1})
    responses = read_responses(path)
    assert responses.texts == {"a": "x\u2028y", "b": ""}
    assert (responses.answer_format.unit, responses.failed) == ("norm1000", {})


@pytest.mark.parametrize(
    "line",
    [
        {"id": "a", "response": None},
        {"id": "a", "response": ""},
        {"id": "a", "response": [None]},
        {"filtered_resps": "None", "ap50": ROW | {"no_response": True}},
        {"filtered_resps": "None", "resps": ["None"], "jsd": ROW | {"no_response": True}},
    ],
)
def test_no_response_has_one_form(tmp_path, line):
    """lmms-eval writes None as a text, which would be read as "no object"."""
    assert read_responses(_file(tmp_path, line)).texts == {"a": NO_RESPONSE}


def test_a_model_that_says_none_has_said_so(tmp_path):
    line = {"filtered_resps": "None", "ap50": ROW}
    assert read_responses(_file(tmp_path, line)).texts == {"a": "None"}


def test_half_a_surrogate_pair_can_be_written_again(tmp_path):
    file = _file(tmp_path, '{"id": "a", "response": "half \\ud83d pair"}')
    assert read_responses(file).texts["a"].encode() == "half \ufffd pair".encode()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"filtered_resps": "x"}, "x"),
        ({"filtered_resps": "x", "resps": [" x \n"]}, " x \n"),  # the raw response, not the stripped one
        ({"filtered_resps": ["x", "y"], "resps": [["x", "y"]]}, "x"),  # repeats: the first counts
    ],
)
@pytest.mark.parametrize("metric", ["jsd", "ap50"])
def test_lines_of_lmms_eval(tmp_path, line, text, metric):
    responses = read_responses(_file(tmp_path, {"doc_id": 0, "id": "wrong", metric: ROW, **line}))
    assert responses.texts == {"a": text}
    assert (responses.answer_format.unit, responses.answer_format.max_pixels) == ("px", 50_000)
    assert responses.dataset_sha256 == "d" * 64


def test_a_response_with_half_a_surrogate_pair_can_be_encoded(tmp_path):
    line = {"id": "a", "response": "half \ud83d"}
    assert read_responses(_file(tmp_path, line)).texts == {"a": "half �"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "line 1: not JSON"),
        (["[1]"], "line 1: list; expected"),
        ([{"id": "a"}], "response of type list"),
        ([{"id": 7, "response": "x"}], "line 1: id 7"),
        ([{"id": "a", "response": ["x", "y"]}, {"response": "x"}], "line 2: id None"),
        ([{"id": "a", "response": []}], "response of type list"),
        ([{"filtered_resps": "x", "doc_id": 0}], "line 1: id None"),
        (
            [{"id": "a", "response": "x"}, {"id": "a", "response": "x"}],
            "line 2: a second response to sample 'a'",
        ),
        (
            [
                {"filtered_resps": "x", "ap50": ROW},
                {"filtered_resps": "x", "ap50": ROW | {"id": "b", "box_unit": "norm1000"}},
            ],
            "line 2: .*contradicts the lines before",
        ),
    ],
)
def test_a_broken_line_is_named(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_responses(_file(tmp_path, *lines))


def test_a_file_that_is_no_samples_file(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_responses(tmp_path / "nothing")
    (tmp_path / "image.jpg").write_bytes(b"\xff\xd8\xff")
    for path in (tmp_path / "image.jpg", tmp_path):
        with pytest.raises(DataError, match="not a file of JSON lines"):
            read_responses(path)


def test_the_unit_is_declared_by_file_or_option_and_may_not_contradict(tmp_path):
    plain = _file(tmp_path, {"id": "a", "response": "x"})
    assert read_responses(plain, box_unit="resized_px").answer_format.unit == "resized_px"
    told = _file(tmp_path, {"filtered_resps": "x", "ap50": ROW})
    assert read_responses(told, box_unit="px").answer_format.unit == "px"
    with pytest.raises(DataError, match="was asked for boxes in px, not norm1000"):
        read_responses(told, box_unit="norm1000")
    odd = _file(tmp_path, {"filtered_resps": "x", "ap50": ROW | {"box_unit": "inches"}})
    with pytest.raises(ConfigError, match="'inches'; use one of"):
        read_responses(odd)


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Connection error.", True),
        (" \n[LMMS_EVAL_BUDGET_EXCEEDED]", True),
        ("[LMMS_EVAL", False),
        ("The log says [LMMS_EVAL_REQUEST_FAILED after 5 retries]", False),  # a model may write about it
        ("", False),  # an empty response is a response
    ],
)
def test_failure_texts(tmp_path, text, failed):
    assert is_failed_request(text) is failed
    responses = read_responses(_file(tmp_path, {"id": "a", "response": text}))
    assert (list(responses.failed), list(responses.texts)) == ((["a"], []) if failed else ([], ["a"]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [{"id": "a", "response": "[LMMS_EVAL_REQUEST_FAILED] no"}, {"id": "b", "response": ""}],
            "1 of 2 requests failed .*'a'",
        ),
        ([{"id": "a", "response": ""}], r"1 of 2 samples are missing .*'b'"),
        (
            [{"id": i, "response": ""} for i in "abc"],
            r"1 of 3 responses are to no sample of the split, see --split .*'c'",
        ),
    ],
)
def test_an_incomplete_run_is_refused_with_counts_and_the_way_on(tmp_path, lines, message):
    with pytest.raises(DataError, match=message) as caught:
        require_complete(read_responses(_file(tmp_path, *lines)), ["a", "b"])
    assert "run it again" in str(caught.value)


def test_a_run_on_another_dataset_is_refused(tmp_path):
    responses = read_responses(_file(tmp_path, {"filtered_resps": "x", "jsd": ROW}))
    with pytest.raises(DataError, match="belongs to dataset dddddddddddd, not to eeeeeeeeeeee"):
        score_responses(responses, [GOLD], "e" * 64)
    assert len(score_responses(responses, [GOLD], "d" * 64)) == 1


def test_the_form_is_what_the_file_says(tmp_path):
    file = _file(tmp_path, {"filtered_resps": "x", "jsd": ROW | {"style": "answer_only"}})
    assert read_responses(file).answer_format.style == "answer_only"
    with pytest.raises(DataError, match="asked in the form answer_only, not think_answer"):
        read_responses(file, style="think_answer")
    assert (
        read_responses(_file(tmp_path, {"id": "a", "response": ""}), style="answer_only").answer_format.style
        == "answer_only"
    )


def test_plain_lines_say_how_they_were_asked_for(tmp_path):
    line = {"id": "a", "response": "[[1, 2, 3, 4]]", "box_unit": "px", "style": "answer_only"}
    responses = read_responses(_file(tmp_path, line | {"max_pixels": 50_000, "dataset_sha256": "d" * 64}))
    assert responses.answer_format == AnswerFormat("answer_only", "px", 50_000)
    assert responses.dataset_sha256 == "d" * 64
    with pytest.raises(DataError, match="was asked for boxes in px, not norm1000"):
        read_responses(responses.path, box_unit="norm1000")
    with pytest.raises(DataError, match="line 2: .*contradicts the lines before"):
        read_responses(_file(tmp_path, line, line | {"id": "b", "box_unit": "norm1000"}))


@pytest.mark.parametrize(
    "more",
    [
        *({"style": style} for style in ("formal", None, 3, ["think_answer"])),
        *({name: None} for name in ("box_unit", "max_pixels", "dataset_sha256")),
        {"no_response": "no"},
    ],
)
def test_other_columns_of_plain_lines_state_nothing(tmp_path, more):
    lines = [{"id": name, "response": "x"} for name in "ab"]
    plain = read_responses(_file(tmp_path, *lines))
    assert read_responses(_file(tmp_path, lines[0] | more, lines[1])) == plain
    assert plain.texts == {"a": "x", "b": "x"}


@pytest.mark.parametrize("limit", ["401408", 0, -1, 1.5, None, True])
def test_a_resolution_that_is_no_whole_number_is_refused(tmp_path, limit):
    with pytest.raises(DataError, match="max_pixels in .* is .*, expected a whole number"):
        read_responses(_file(tmp_path, {"filtered_resps": "x", "ap50": ROW | {"max_pixels": limit}}))


@given(st.text(alphabet=' \n\t\x1c\u2003<>think/answer{}[]":,0.5joyfear%', max_size=60))
def test_white_space_around_a_response_does_not_change_its_score(text):
    """lmms-eval scores the stripped response, `rise-bench score` the raw one."""
    for gold in (GOLD, Gold("b", Boxes(((1, 1, 5, 5),)), 10, 10)):
        raw, stripped = score_response(gold, text), score_response(gold, text.strip())
        answer = stripped.reading.answer
        assert replace(raw, reading=replace(raw.reading, answer=answer)) == stripped
