"""The schema of a submission against anything that JSON can hold."""

import copy
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rise_bench.files import strict_json
from rise_bench.leaderboards.submissions.samples import MAX_RESPONSE_BYTES, read_samples, render_samples
from rise_bench.leaderboards.submissions.schema import (
    Submission,
    describe_samples,
    read_submission,
    render_submission,
    write_submission,
)

VALID = {
    "schema_version": 1,
    "benchmark": "emotion6",
    "shots": "16-shot",
    "model": {
        "id": "anna/tiny-vl",
        "revision": "a" * 40,
        "name": "Tiny VL",
        "method": "RISE",
        "parameters": 2_200_000_000,
        "base_model": "qwen/qwen2-vl-2b",
        "license": "apache-2.0",
    },
    "dataset": {"content_sha256": "0" * 64, "revision": ""},
    "prompt": {"style": "think_answer", "box_unit": "px", "max_pixels": 9, "prompt_hash": "0" * 16},
    "decoding": {"temperature": 0.0, "top_p": 1.0, "max_new_tokens": 9, "seed": 0, "engine": "vllm"},
    "run": {"by": "Anna", "date": "2026-03-01", "hardware": "CPU", "command": "x", "versions": {"a": "1"}},
    "metrics": {"jsd": 0.25},
    "samples": {"count": 1, "bytes": 1, "sha256": "0" * 64},
    "notes": "",
}
PATHS = [(key,) for key in VALID] + [
    (key, inner) for key, value in VALID.items() if isinstance(value, dict) for inner in value
]

text = st.text(st.characters(codec="utf-8"), max_size=60)
lines = st.from_regex(r"[a-z](?: ?[0-9A-Za-zé字.,+<&\"'-]){0,50}", fullmatch=True)
paragraphs = st.from_regex(r"(?:[a-z é字<&\"'²]|\n){0,60}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def put(path, value):
    data = copy.deepcopy(VALID)
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return data


def test_the_example_is_valid():
    submission, reasons = read_submission(json.dumps(VALID).encode())
    assert reasons == []
    assert submission.model_dump(mode="json") == VALID


def test_a_model_as_version_0_1_0_stated_it_is_read():
    model = {name: VALID["model"][name] for name in ("id", "revision", "name", "method")}
    submission, reasons = read_submission(json.dumps(VALID | {"model": model}).encode())
    assert reasons == [] and (submission.model.parameters, submission.model.size) == (0, "")


@pytest.mark.parametrize(("written", "read"), [("0", "0-shot"), ("16", "16-shot"), ("full", "full")])
def test_shots_as_version_0_1_0_wrote_them_are_read(written, read):
    submission, reasons = read_submission(json.dumps(VALID | {"shots": written}).encode())
    assert reasons == [] and submission.shots == read


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_without_an_exception(data):
    submission, reasons = read_submission(data)
    assert (submission is None) == bool(reasons)
    read_samples(data)


@given(values)
def test_any_json_is_read_or_refused_without_an_exception(value):
    submission, reasons = read_submission(json.dumps(value).encode())
    assert submission is None
    assert reasons
    assert all(reason.message.isascii() or "…" in reason.message for reason in reasons)


@settings(max_examples=400)
@given(st.sampled_from(PATHS), values)
def test_a_field_takes_only_what_it_gives_back(path, value):
    """No coercion: what is accepted comes out as it went in, so nobody can send "1.0", true or [0] as 0.5."""
    data = put(path, value)
    submission, reasons = read_submission(json.dumps(data).encode())
    if submission is None:
        assert reasons
    else:
        assert submission.model_dump(mode="json") == data


@given(
    st.sampled_from([(), *[(key,) for key, value in VALID.items() if isinstance(value, dict)]]), text, values
)
def test_an_unknown_key_is_refused_anywhere(path, key, value):
    target = VALID[path[0]] if path else VALID
    assume(key not in target and path != ("metrics",))
    submission, _ = read_submission(json.dumps(put((*path, key), value)).encode())
    assert submission is None


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_missing_field_is_refused_unless_it_has_a_default(path):
    data = copy.deepcopy(VALID)
    target = data
    for key in path[:-1]:
        target = target[key]
    del target[path[-1]]
    optional = {
        "notes",
        "method",
        "revision",
        "style",
        "box_unit",
        "max_pixels",
        "top_p",
        "engine",
        "command",
        "parameters",
        "base_model",
        "license",
    }
    may_miss = path[-1] in optional and path != ("model", "revision")
    submission, _ = read_submission(json.dumps(data).encode())
    assert (submission is not None) == may_miss


@given(
    name=lines,
    notes=paragraphs,
    metrics=st.dictionaries(lines, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
)
def test_what_is_written_is_read(name, notes, metrics):
    data = put(("model", "name"), name) | {"notes": notes, "metrics": metrics}
    submission = Submission.model_validate(data)
    assert read_submission(render_submission(submission)) == (submission, [])


ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(st.dictionaries(ids, text, max_size=6))
def test_samples_come_back_whatever_they_hold(responses):
    data = render_samples(responses)
    assert read_samples(data) == (responses, [])
    if responses:
        assert describe_samples(data).count == len(responses)


@given(st.sampled_from(["\u2028", "\x85", "\r", "\x0b", "\x1c", "\u0000"]))
def test_a_line_ends_with_a_line_feed_only(mark):
    """str.splitlines would cut a response at these and make two samples of one."""
    assert read_samples(render_samples({"a": f"x{mark}y"})) == ({"a": f"x{mark}y"}, [])


def test_long_responses_are_counted_in_bytes():
    responses = {"a": "é" * (MAX_RESPONSE_BYTES // 2 + 1)}
    _, reasons = read_samples(render_samples(responses))
    assert [reason.code for reason in reasons] == ["long_response"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1, "a": 2}', "appears twice"),
        (b"NaN", "is not JSON"),
        (b"-Infinity", "is not JSON"),
        (b"[1e400]", "out of range"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"),
        (b"\xff", "UTF-8"),
        (b"\xef\xbb\xbf{}", "Expecting value"),
        (b"[" * 100_000, "deep"),
        (b"1" * 5_000, "digits"),
        (b"{} {}", "Extra data"),
        (b"", "Expecting value"),
    ],
)
def test_strict_json_refuses(data, message):
    with pytest.raises(strict_json.StrictJsonError, match=message):
        strict_json.loads(data)


def test_strict_json_reads_surrogate_pairs():
    assert strict_json.loads(b'"\\ud83d\\ude00"') == "😀"


def test_writing_checks_that_the_parts_belong_together(tmp_path):
    from rise_bench.errors import SubmissionError

    submission = Submission.model_validate(VALID)
    with pytest.raises(SubmissionError, match="does not describe"):
        write_submission(tmp_path / "x", submission, b"{}\n")
    assert not (tmp_path / "x").exists()
    samples = render_samples({"a": "b"})
    fitting = submission.model_copy(update={"samples": describe_samples(samples)})
    write_submission(tmp_path / "x", fitting, samples)
    assert read_submission((tmp_path / "x" / "submission.json").read_bytes()) == (fitting, [])
    assert (tmp_path / "x" / "samples.jsonl").read_bytes() == samples
