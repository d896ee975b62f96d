"""Streaming a JSON object gives what reading it whole gives, whatever the window."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.builders.formats import json_stream
from rise_bench.builders.formats.json_stream import iter_members
from rise_bench.errors import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def collect(path: Path, streamed: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in iter_members(path, streamed):
        if key in streamed:
            found.setdefault(key, []).append(value)
        else:
            found[key] = value
    return found


@given(
    content=st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    streamed=st.lists(VALUES, min_size=1, max_size=6),
    window=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
)
def test_equals_reading_it_whole(
    tmp_path_factory: pytest.TempPathFactory,
    content: dict[str, Any],
    streamed: list[Any],
    window: int,
    indent: int | None,
) -> None:
    path = tmp_path_factory.mktemp("json") / "file.json"
    content = {**content, "annotations": streamed}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_WINDOW_CHARS", window)
        assert collect(path, {"annotations"}) == content


@pytest.mark.parametrize("text", ["{}", '{"annotations": []}', '\ufeff { "annotations" : [ ] } \n'])
def test_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text, encoding="utf-8")
    assert list(iter_members(tmp_path / "f.json", {"annotations"})) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        '{"annotations": [1, 2',  # cut
        '{"annotations": [1, 2]',
        '{"annotations": {"a": 1}}',  # not a list
        '{"annotations": [1 2]}',
        '{"annotations": [1,]}',
        '{"a" 1}',
        "{1: 2}",
        '{"a": 1} {"b": 2}',
        '{"a": "cut',
        '{"a": ' + "[" * 200_000,
    ],
)
def test_bad_json_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"instances\.json.*near character"):
        list(iter_members(path, {"annotations"}))


def test_missing_and_binary_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        list(iter_members(tmp_path / "none.json", set()))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe{}\x80")
    with pytest.raises(DataError, match="not UTF-8"):
        list(iter_members(tmp_path / "binary.json", set()))
