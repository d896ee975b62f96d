"""The two files of a submission from the output folder of a run.

Responses, dataset and prompt hashes, decoding, seeds, versions and the command line are read from files of
lmms-eval. The submitter states the rest: the model's commit, the shots, who ran it.
"""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from rise_bench.errors import ConfigError, DataError, SubmissionError
from rise_bench.errors.redaction import redact
from rise_bench.evaluation.folder import is_result
from rise_bench.evaluation.lmms_command import TASKS, stated_in
from rise_bench.evaluation.responses import Responses, read_responses, require_complete
from rise_bench.files.display_text import tidy_line
from rise_bench.leaderboards.submissions.samples import render_samples
from rise_bench.leaderboards.submissions.schema import Shots, Submission, describe_samples
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.leaderboards.verification.verifier import Verification

_MODEL = re.compile(r"(?P<id>[^@\s]+)@(?P<revision>[0-9a-f]{40}|closed)")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
#: Names of a checkpoint in `--model_args`.
_OF_MODEL = ("pretrained", "model", "model_path")
_RESULTS_SUFFIX = "_results.json"
#: Engines of lmms-eval that sample at a temperature above 0, whatever `do_sample` says.
_BY_TEMPERATURE = {"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "vllm", "openai"}

#: Default of lmms-eval's models if a task's YAML sets none.
_DEFAULT_NEW_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Run of a task of rise-bench.

    Attributes:
        task: Name of the task.
        benchmark: Name of its benchmark.
        results: Content of the results file.
        samples: Samples file.
    """

    task: str
    benchmark: str
    results: Mapping[str, Any]
    samples: Path

    @property
    def time(self) -> str:
        """Time of the run in the results file, "20260131_235959"."""
        return str(self.results.get("date", ""))

    @property
    def whole(self) -> bool:
        """Whether it ran all samples: a run with `--limit` or `--offset` is a trial."""
        about = self.results.get("config", {})
        return about.get("limit") in (None, -1) and not about.get("offset")

    @property
    def checkpoint(self) -> str:
        """Checkpoint or served model that was run; empty if the results do not say."""
        stated = self.stated
        return stated.get("pretrained") or stated.get("model") or stated.get("model_version") or ""

    @property
    def stated(self) -> dict[str, str]:
        """`--model_args` of the run by name."""
        about = self.results.get("config", {})
        arguments = (about.get("resolved_cli_args") or {}).get("model_args") or about.get("model_args") or ""
        return stated_in(_shell(arguments) if isinstance(arguments, list) else str(arguments))


@dataclass(frozen=True, slots=True)
class Statement:
    """Statement of the submitter.

    Attributes:
        model: "ORG/NAME@COMMIT"; "@closed" for weights that are not public.
        shots: Training samples of the benchmark that the model saw.
        by: Name of the person or group that ran the model.
        name: Display name of the model; the name in its id if empty.
        method: Training method, e.g. "RISE".
        parameters: Number of parameters, e.g. "2.2B", "450M" or "2209000000"; empty if not stated.
        base_model: Hub id of the model that it was trained from.
        license: Licence of the weights.
        hardware: Hardware of the run; this machine if empty.
        notes: Other remarks.
    """

    model: str
    shots: Shots
    by: str
    name: str = ""
    method: str = ""
    parameters: str = ""
    base_model: str = ""
    license: str = ""
    hardware: str = ""
    notes: str = ""


def find_runs(folder: Path) -> list[RunFiles]:
    """Find the newest run of each benchmark below a folder, by the time in its results; whole runs first.

    Raises:
        DataError: If there is no run, or a results file cannot be read.
        ConfigError: If there are runs of several models.
    """
    runs: dict[tuple[str, str], RunFiles] = {}
    below = filter(is_result, folder.glob(f"**/*{_RESULTS_SUFFIX}"))
    for path in [folder] if folder.is_file() else sorted(below):
        try:
            results = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise DataError(
                f"{path} is not JSON ({error}); give the output folder of a finished run"
            ) from error
        for task in sorted(set(results.get("results", {})) & set(TASKS)):
            samples = path.with_name(path.name.removesuffix(_RESULTS_SUFFIX) + f"_samples_{task}.jsonl")
            about = results.get("configs", {}).get(task, {}).get("metadata") or {}
            run = RunFiles(task, about.get("benchmark") or TASKS[task], results, samples)
            key = task, run.benchmark
            known = runs.get(key)
            if samples.is_file() and (known is None or (run.whole, run.time) >= (known.whole, known.time)):
                runs[key] = run
    if not runs:
        raise DataError(
            f"{folder} holds no results of a rise_ task with its samples; run `rise-bench eval`, or "
            "lmms-eval with --log_samples, and give its --output_path"
        )
    if len(models := sorted({run.checkpoint for run in runs.values()} - {""})) > 1:
        raise ConfigError(f"{folder} holds runs of {', '.join(models)}; give the folder of one model")
    return list(runs.values())


def pack(run: RunFiles, board: GoldBoard, statement: Statement) -> tuple[Submission, bytes]:
    """Return the submission of a run and the bytes of its `samples.jsonl`.

    Raises:
        ConfigError: If the model is not ORG/NAME@COMMIT, or not the one that was run.
        DataError: If the run is incomplete or belongs to another dataset.
        SubmissionError: If a text does not fit the schema.
    """
    match = _MODEL.fullmatch(statement.model)
    if match is None:
        raise ConfigError(
            f"--model {statement.model!r} does not name a commit; write ORG/NAME@COMMIT with 40 hex digits "
            "(or ORG/NAME@closed for weights that are not public)"
        )
    _check_model(run, match["id"], match["revision"])
    responses = read_responses(run.samples)
    require_complete(responses, [gold.id for gold in board.golds])
    samples = render_samples(responses.texts)
    data = {
        "schema_version": 1,
        "benchmark": run.benchmark,
        "shots": statement.shots,
        "model": {
            "id": match["id"],
            "revision": match["revision"],
            "name": tidy_line(statement.name) or match["id"].split("/")[-1],
            "method": tidy_line(statement.method),
            "parameters": _count(statement.parameters),
            "base_model": statement.base_model,
            "license": tidy_line(statement.license),
        },
        "dataset": {
            "content_sha256": responses.dataset_sha256 or board.pin.asked_sha256,
            "revision": board.pin.revision,
        },
        "prompt": _prompt(run, responses),
        "decoding": _decoding(run),
        "run": _about(run, statement),
        "metrics": _printed(run),
        "samples": describe_samples(samples).model_dump(),
        "notes": statement.notes,
    }
    try:
        return Submission.model_validate(data), samples
    except ValueError as error:
        raise SubmissionError(f"the run does not fit the schema of submissions: {error}") from error


def _check_model(run: RunFiles, name: str, commit: str) -> None:
    """Refuse a run of another model of the Hub; folders, adapters and names of servers tell nothing."""
    stated = run.stated
    ran, revision = stated.get("pretrained", ""), stated.get("revision", "")
    if stated.keys() & {"base_url", "peft", "lora_path"} or not _HUB_ID.fullmatch(ran) or Path(ran).exists():
        return
    if ran.casefold() != name.casefold():
        raise ConfigError(
            f"--model {name}: the run is of {ran}, says {run.samples.name}'s results file; give --model "
            f"{ran}@COMMIT, or where {ran} was a folder, send it from where the folder is"
        )
    if _COMMIT.fullmatch(revision) and revision != commit:
        raise ConfigError(f"--model {name}@{commit}: the run is of commit {revision}; give that one")


def _count(text: str) -> int:
    """Return the number of a text such as "2.2B", "450M" or "2_209_000_000"."""
    match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?)\s*([kMBT]?)", text.strip() or "0")
    if match is None:
        raise ConfigError(f"--parameters {text!r} is not a number; write it like 2.2B, 450M or 2209000000")
    return round(float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[match[2]])


def _prompt(run: RunFiles, responses: Responses) -> dict[str, Any]:
    metadata = _config(run).get("metadata") or {}
    if "prompt_hash" not in metadata:
        raise DataError(
            f"{run.samples} has no metadata of a rise_ task; run it again with this version of rise-bench"
        )
    return {
        **responses.answer_format.to_json(),
        "prompt_hash": metadata["prompt_hash"],
    }


def _decoding(run: RunFiles) -> dict[str, Any]:
    about = run.results.get("config", {})
    settings = dict(_config(run).get("generation_kwargs") or {})
    given = about.get("gen_kwargs")
    settings |= given if isinstance(given, dict) else {}
    engine = (about.get("resolved_cli_args") or {}).get("model") or about.get("model") or ""
    sampled = float(settings.get("temperature") or 0) > 0
    if engine not in _BY_TEMPERATURE:
        sampled = bool(settings.get("do_sample", sampled))
    return {
        "temperature": float(settings.get("temperature") or 0) if sampled else 0.0,
        "top_p": float(settings.get("top_p") or 1.0) if sampled else 1.0,
        "max_new_tokens": int(settings.get("max_new_tokens") or _DEFAULT_NEW_TOKENS),
        "seed": int(about.get("torch_seed") or 0),
        "engine": tidy_line(str(engine))[:120],
    }


def _about(run: RunFiles, statement: Statement) -> dict[str, Any]:
    metadata = _config(run).get("metadata") or {}
    day = run.time[:8]
    dated = datetime.strptime(day, "%Y%m%d") if re.fullmatch(r"20\d{6}", day) else datetime.now(UTC)
    return {
        "by": tidy_line(statement.by),
        "date": dated.strftime("%Y-%m-%d"),
        "hardware": tidy_line(statement.hardware or f"{platform.system()} {platform.machine()}"),
        "command": command_of(run, statement),
        "versions": {str(k): tidy_line(str(v))[:60] for k, v in (metadata.get("versions") or {}).items()},
    }


def command_of(run: RunFiles, statement: Statement) -> str:
    """Return the command line of a run without folders and passwords."""
    arguments = run.results.get("config", {}).get("resolved_cli_args") or {}
    shown = ("model", "model_args", "tasks", "batch_size", "gen_kwargs", "seed", "num_fewshot", "limit")
    told = arguments | {"model_args": _without_paths(_shell(arguments.get("model_args") or ""), statement)}
    flags = (f"--{name} {_shell(told[name])}" for name in shown if told.get(name) not in (None, "", []))
    return tidy_line(redact(f"lmms-eval {' '.join(flags)}"))[:4_000]


def _without_paths(model_args: str, statement: Statement) -> str:
    """Replace a local model folder in `--model_args` by the model's public name, other paths by their end."""
    shown = []
    for name, sign, value in (pair.partition("=") for pair in model_args.split(",")):
        is_model = name.strip() in _OF_MODEL
        public = statement.model.split("@")[0] if is_model else PurePath(value).name
        shown.append(f"{name}{sign}{public if _is_path(value) else value}")
    return ",".join(shown)


def _is_path(value: str) -> bool:
    """Whether an argument is a path of this machine: neither a URL nor ORG/NAME."""
    local = value.startswith(("~", "/", "./", "../")) or (value.count("/") > 1 and "://" not in value)
    return local or ("/" in value and "://" not in value and Path(value).exists())


def _shell(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _printed(run: RunFiles) -> dict[str, float]:
    """Return the metrics of lmms-eval's results file, the claims."""
    metrics = {}
    for key, value in run.results["results"][run.task].items():
        name, _, filtered = key.partition(",")
        is_score = filtered == "none" and name != "failed_requests" and "_stderr" not in name
        if is_score and isinstance(value, int | float):
            metrics[name] = float(value)
    return metrics


def _config(run: RunFiles) -> Mapping[str, Any]:
    config: Mapping[str, Any] = run.results.get("configs", {}).get(run.task, {})
    return config


def slug_of(submission: Submission) -> str:
    """Return the name of the folder: model, benchmark, shots and the start of the samples' hash."""
    model = re.sub(r"[^a-z0-9]+", "-", submission.model.id.split("/")[-1].lower()).strip("-")[:48]
    benchmark = submission.benchmark.replace("_", "-")[:30].strip("-")  # 96 characters are allowed in all
    return f"{model or 'model'}-{benchmark}-{submission.shots}-{submission.samples.sha256[:8]}"


def summary(submission: Submission, outcome: Verification, folder: str, *, withheld: bool = False) -> str:
    """Return a short description of a submission and its verdict.

    Args:
        submission: The submission.
        outcome: Its verification.
        folder: Name of its folder.
        withheld: Whether the dataset here has placeholders in place of its test annotations.
    """
    report = outcome.report
    model, run, prompt, decoding = submission.model, submission.run, submission.prompt, submission.decoding
    scores = ", ".join(f"{name} {v.value:.4f}" for name, v in report.metrics.items()) if report else "none"
    scores = "by the board, which alone has the test annotations" if withheld else scores
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    lines = [
        f"{folder}: {submission.benchmark}, {submission.shots}",
        f"  samples   {submission.samples.count} responses, {submission.samples.bytes} bytes",
        f"  model     {model.id} at {model.revision}, shown as {model.name!r}",
        f"  weights   {model.size or 'size not stated'}, {model.license or 'licence not stated'}, "
        f"{'open' if model.is_open else 'closed'}, from {model.base_model or 'no stated base model'}",
        f"  run       by {run.by} on {run.date}, {run.hardware}",
        f"  asked     {prompt.style}, {prompt.box_unit}, prompts {prompt.prompt_hash}",
        f"  decoding  temperature {decoding.temperature}, top-p {decoding.top_p}, "
        f"{decoding.max_new_tokens} tokens, seed {decoding.seed}, {decoding.engine}",
        f"  command   {run.command}",
        f"  versions  {versions}",
        f"  scores    {scores}",
        f"  verifier  {outcome.decision}",
    ]
    return "\n".join(lines + [f"    {r.severity}: {r.message}" for r in outcome.reasons])
