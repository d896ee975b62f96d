"""Raw responses of a run, from lmms-eval's samples file or from lines of `{"id", "response"}`.

Every text of a model is scored. A run with failed requests or missing samples is incomplete and has no score.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat, Style
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.annotations.kinds import KINDS
from rise_bench.errors import DataError
from rise_bench.prompts.asked_format import as_box_unit, as_style, max_pixels
from rise_bench.scoring.response_text import NO_RESPONSE, response_text
from rise_bench.scoring.scores import SampleScore, score_response

#: Texts that lmms-eval writes in place of a response.
FAILURE_PREFIXES = ("[LMMS_EVAL_REQUEST_FAILED", "[LMMS_EVAL_BUDGET_EXCEEDED")

#: Main metric of each kind: in samples of our tasks its value is a row with the sample id.
_ROW_METRICS = tuple(kind.metrics[0].name for kind in KINDS.values())

#: What a line may state about its run.
_STATED = ("box_unit", "max_pixels", "dataset_sha256", "style")


@dataclass(frozen=True, slots=True)
class Responses:
    """Responses of a run on a benchmark.

    Attributes:
        path: Samples file.
        texts: Raw response by sample id, without failed requests.
        failed: Failure text by sample id.
        answer_format: Format of the answers.
        dataset_sha256: Dataset of the run, or "".
    """

    path: Path
    texts: Mapping[str, str]
    failed: Mapping[str, str]
    answer_format: AnswerFormat = DEFAULT_FORMAT
    dataset_sha256: str = ""


def is_failed_request(text: str) -> bool:
    """Whether a text of lmms-eval means a failed request."""
    return text.lstrip().startswith(FAILURE_PREFIXES)


def read_responses(path: Path, *, box_unit: BoxUnit | None = None, style: Style | None = None) -> Responses:
    """Read a samples file.

    Args:
        path: JSON lines: what `lmms-eval --log_samples` wrote for a `rise_` task, or `{"id", "response"}`,
            which may state `box_unit`, `style`, `max_pixels` and `dataset_sha256` too; null states nothing.
        box_unit: Unit of the boxes; None takes that of the file, else norm1000.
        style: Format that was asked for; None takes that of the file, else think_answer.

    Raises:
        DataError: If the file is absent, a line is invalid, an id appears twice, or the unit or format
            contradicts the file.
    """
    texts: dict[str, str] = {}
    failed: dict[str, str] = {}
    stated: dict[str, Any] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        sample_id, text, row = _read_line(line, where)
        if sample_id in texts or sample_id in failed:
            raise DataError(f"{where}: a second response to sample {sample_id!r}; keep one")
        (failed if is_failed_request(text) else texts)[sample_id] = text
        told = {key: row[key] for key in _STATED if key in row}
        if any(stated.get(key, value) != value for key, value in told.items()):
            raise DataError(f"{where}: {told} contradicts the lines before, {stated}; keep one run a file")
        stated |= told
    unit = as_box_unit(str(stated.get("box_unit", box_unit or DEFAULT_FORMAT.unit)), f"box_unit in {path}")
    if box_unit and unit != box_unit:
        raise DataError(f"{path} was asked for boxes in {unit}, not {box_unit}; leave the unit out")
    form = as_style(str(stated.get("style", style or DEFAULT_FORMAT.style)), f"style in {path}")
    if style and form != style:
        raise DataError(f"{path} was asked in the form {form}, not {style}; leave the form out")
    answer_format = AnswerFormat(form, unit, _max_pixels(stated, path))
    return Responses(path, texts, failed, answer_format, str(stated.get("dataset_sha256", "")))


def _max_pixels(stated: Mapping[str, Any], path: Path) -> int:
    limit = stated.get("max_pixels", max_pixels())
    if type(limit) is not int or limit < 1:
        raise DataError(
            f"max_pixels in {path} is {limit!r}, expected a whole number; give the file as it was"
        )
    return limit


def require_complete(responses: Responses, ids: list[str]) -> None:
    """Raise `DataError` unless there is exactly one response to every sample; counts and shows others."""
    unknown = sorted((responses.texts.keys() | responses.failed.keys()) - set(ids))
    missing = sorted(set(ids) - responses.texts.keys() - responses.failed.keys())
    given = len(responses.texts) + len(responses.failed)
    problems = [
        f"{len(what)} of {of} {name} (e.g. {example})"
        for what, of, name, example in (
            (responses.failed, given, "requests failed", next(iter(responses.failed.items()), "")),
            (missing, len(ids), "samples are missing", missing[:1]),
            (unknown, given, "responses are to no sample of the split, see --split", unknown[:1]),
        )
        if what
    ]
    if problems:
        raise DataError(
            f"{responses.path} is incomplete: {'; '.join(problems)}. An incomplete run has no score; add "
            "what is missing, or run it again (`rise-bench eval --use_cache DIR` asks only what failed)"
        )


def require_dataset(responses: Responses, dataset_sha256: str) -> None:
    """Raise `DataError` if the responses are to another dataset."""
    if responses.dataset_sha256 and responses.dataset_sha256 != dataset_sha256:
        raise DataError(
            f"{responses.path} belongs to dataset {responses.dataset_sha256[:12]}, not to "
            f"{dataset_sha256[:12]}; score it with the dataset that it was run on"
        )


def score_responses(responses: Responses, golds: Sequence[Gold], dataset_sha256: str) -> list[SampleScore]:
    """Score all responses of a complete run, in the order of the ground truth."""
    require_dataset(responses, dataset_sha256)
    require_complete(responses, [gold.id for gold in golds])
    return [score_response(gold, responses.texts[gold.id], responses.answer_format) for gold in golds]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give a samples file") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise DataError(f"{path} is not a file of JSON lines ({error}); give a samples file") from error


def _stated(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plain line states about its run; a `style` that we have not is another column."""
    stated = {key: line[key] for key in _STATED if line.get(key) is not None}
    if stated.get("style") not in get_args(Style):
        stated.pop("style", None)
    return stated


def _read_line(line: str, where: str) -> tuple[str, str, Mapping[str, Any]]:
    """Return sample id, raw response, and row of the task of a line."""
    expected = 'expected {"id", "response"}, or a line of lmms-eval\'s samples of a rise_ task'
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); {expected}") from error
    if not isinstance(data, dict):
        raise DataError(f"{where}: {type(data).__name__}; {expected}")
    if "filtered_resps" in data:
        row: Mapping[str, Any] = next(
            (data[name] for name in _ROW_METRICS if isinstance(data.get(name), dict)), {}
        )
        sample_id, text = row.get("id"), data.get("resps", data["filtered_resps"])
    else:
        row, sample_id, text = _stated(data), data.get("id"), data.get("response", [])
    while isinstance(text, list) and text:
        text = text[0]
    if text is None or row.get("no_response"):
        text = NO_RESPONSE
    if not isinstance(sample_id, str) or not isinstance(text, str):
        raise DataError(f"{where}: id {sample_id!r}, response of type {type(text).__name__}; {expected}")
    return sample_id, response_text(text), row
