"""Schema, reading and writing of a submission: `submission.json` and `samples.jsonl`.

A submission covers a model on a benchmark: the settings of the run, and the raw responses, a line
`{"id", "response"}` for each sample of the test split. Scores in it are claims, which the board recomputes.
Both files are untrusted: reading collects every reason against them and trusts no size, name or number.
"""

import json
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
)
from pydantic import ValidationError as _ValidationError

from rise_bench.annotations.answer_format import AnswerFormat, Style
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.errors import SubmissionError
from rise_bench.files.atomic import atomic_directory, atomic_write_bytes, sha256_bytes
from rise_bench.files.display_text import check_day, check_line, check_name, check_paragraph
from rise_bench.files.strict_json import StrictJsonError, loads
from rise_bench.leaderboards.submissions.reasons import Reason, quoted, too_large
from rise_bench.leaderboards.submissions.samples import MAX_SAMPLES, MAX_SAMPLES_BYTES, SAMPLES_NAME

SUBMISSION_NAME = "submission.json"

#: Largest `submission.json`, in bytes.
MAX_SUBMISSION_BYTES = 64 * 1024

Shots = Literal["0-shot", "4-shot", "16-shot", "full"]
#: Shot settings, each with a board; zero-shot models appear on all.
BOARD_SHOTS: tuple[Shots, ...] = tuple(shots for shots in get_args(Shots) if shots != "0-shot")
_OLD_SHOTS = ("0", "4", "16")


def _hub_id(text: str) -> str:
    """Refuse ids that the Hub refuses, so that the folder of an id is unique."""
    parts = text.split("/")
    if (
        len(text) > 96
        or ".." in text
        or "--" in text
        or any(part.endswith((".", "-", ".git")) for part in parts)
    ):
        raise ValueError("is not a valid Hub id: '--', '..', a last '.' or '-', or over 96 characters")
    return text


_Line = Annotated[str, StringConstraints(max_length=120), AfterValidator(check_line)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(check_name)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(check_name)]
_Paragraph = Annotated[str, StringConstraints(max_length=4_000), AfterValidator(check_paragraph)]
_HubId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"),
    AfterValidator(_hub_id),
]
_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_PromptHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_Day = Annotated[str, AfterValidator(check_day)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Model(_Strict):
    """Model of a submission, as its author states it.

    Attributes:
        id: Its Hub id.
        revision: Its commit; "closed" for weights that are not public.
        name: Display name.
        method: Training method, e.g. "RISE".
        parameters: Number of parameters; 0 if not stated.
        base_model: Hub id of the model that it was trained from; empty if not stated.
        license: Licence of the weights, e.g. "apache-2.0"; empty if not stated.
    """

    id: _HubId
    revision: _Commit | Literal["closed"]
    name: _Name
    method: _Line = ""
    parameters: Annotated[int, Field(ge=0, le=10**14)] = 0
    base_model: _HubId | Literal[""] = ""
    license: _Line = ""

    @property
    def is_open(self) -> bool:
        """Whether the weights are public."""
        return self.revision != "closed"

    @property
    def size(self) -> str:
        """Number of parameters for display, e.g. "2.21B"; empty if not stated.

        >>> Model(id="a/b", revision="closed", name="b", parameters=2_209_000_000).size
        '2.21B'
        """
        for unit, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
            if float(rounded := f"{self.parameters / scale:.3g}") >= 1:
                return f"{rounded}{unit}"
        return str(self.parameters or "")


class Dataset(_Strict):
    """Content hash of the dataset, and its commit on the Hub, if any."""

    content_sha256: _Sha256
    revision: _Commit | Literal[""] = ""


class Prompt(_Strict):
    """Prompt of the model, with the hash of `rise_bench.prompts.templates`."""

    style: Style = "think_answer"
    box_unit: BoxUnit = "norm1000"
    max_pixels: Annotated[int, Field(ge=1, le=10**9)] = 401_408
    prompt_hash: _PromptHash

    @property
    def answer_format(self) -> AnswerFormat:
        """Format of the answers, for scoring."""
        return AnswerFormat(self.style, self.box_unit, self.max_pixels)


class Decoding(_Strict):
    """Sampling of the responses; a temperature of 0 is greedy."""

    temperature: Annotated[FiniteFloat, Field(ge=0, le=10)]
    top_p: Annotated[FiniteFloat, Field(gt=0, le=1)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    engine: _Line = ""


class Run(_Strict):
    """Run of a submission: its author, date (YYYY-MM-DD), hardware, command and versions."""

    by: _Name
    date: _Day
    hardware: _Line
    command: _Paragraph = ""
    versions: Annotated[dict[_Word, _Word], Field(max_length=40)]


class SamplesFile(_Strict):
    """Size and hash of `samples.jsonl`."""

    count: Annotated[int, Field(ge=1, le=MAX_SAMPLES)]
    bytes: Annotated[int, Field(ge=1, le=MAX_SAMPLES_BYTES)]
    sha256: _Sha256


class Submission(_Strict):
    """`submission.json`.

    Attributes:
        schema_version: 1.
        benchmark: Name of the benchmark.
        shots: Training samples of this benchmark that the model saw. Version 0.1.0 wrote "16" for "16-shot".
        model: See `Model`.
        dataset: See `Dataset`.
        prompt: See `Prompt`.
        decoding: See `Decoding`.
        run: See `Run`.
        metrics: Claimed scores by metric name; at least the benchmark's own metric.
        samples: See `SamplesFile`.
        notes: Remarks in plain text.
    """

    schema_version: Annotated[int, Field(ge=1, le=1)]
    benchmark: _Slug
    shots: Annotated[Shots, BeforeValidator(lambda shots: f"{shots}-shot" if shots in _OLD_SHOTS else shots)]
    model: Model
    dataset: Dataset
    prompt: Prompt
    decoding: Decoding
    run: Run
    metrics: Annotated[dict[_Word, FiniteFloat], Field(min_length=1, max_length=40)]
    samples: SamplesFile
    notes: _Paragraph = ""


def read_submission(data: bytes) -> tuple[Submission | None, list[Reason]]:
    """Return the content of `submission.json`, or None and every reason against it."""
    if len(data) > MAX_SUBMISSION_BYTES:
        return None, [too_large(SUBMISSION_NAME, len(data), MAX_SUBMISSION_BYTES)]
    try:
        return Submission.model_validate(loads(data)), []
    except StrictJsonError as error:
        return None, [Reason("bad_json", f"{SUBMISSION_NAME}: {error}; write it with `rise-bench submit`")]
    except _ValidationError as error:
        return None, [
            Reason(
                "schema",
                f"{SUBMISSION_NAME}: {quoted('.'.join(map(str, problem['loc'])))}: {quoted(problem['msg'])}",
            )
            for problem in error.errors(include_url=False, include_input=False, include_context=False)[:50]
        ]


def describe_samples(data: bytes) -> SamplesFile:
    """Return size, lines and hash of the bytes of `samples.jsonl`."""
    return SamplesFile(count=data.count(b"\n"), bytes=len(data), sha256=sha256_bytes(data))


def render_submission(submission: Submission) -> bytes:
    """Write `submission.json`."""
    data = submission.model_dump(mode="json")
    return (json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def write_submission(folder: Path, submission: Submission, samples: bytes) -> None:
    """Write both files into a new folder; nothing is left behind if that fails.

    Raises:
        SubmissionError: If the submission does not describe these samples.
        ConfigError: If the folder is not empty.
    """
    if submission.samples != describe_samples(samples):
        raise SubmissionError(
            "submission.samples does not describe the given bytes; set it from describe_samples(samples)"
        )
    with atomic_directory(folder) as work:
        atomic_write_bytes(work / SUBMISSION_NAME, render_submission(submission))
        atomic_write_bytes(work / SAMPLES_NAME, samples)
