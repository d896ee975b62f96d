"""`rise-bench eval`: lmms-eval with its results checked.

lmms-eval exits with 0 even if there is no task, a model or metric raised, or every request failed. A run
counts if it left a results file and, for each task of rise-bench, a samples file with a response to every
sample; the scores are recomputed from the responses and must equal those that lmms-eval printed.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, Style
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.extras import require_extra
from rise_bench.catalog.families import family_named
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.hub_client import endpoint, is_offline
from rise_bench.data.hub_files import hub_answers, require_model
from rise_bench.errors import DataError, PrerequisiteError
from rise_bench.errors.redaction import redacted, remember_secret
from rise_bench.evaluation.confined import Confinement
from rise_bench.evaluation.folder import accept, fresh_folder, refused_folder
from rise_bench.evaluation.image_limits import check_frames, checkpoint_limits, lmms_limits, missing_arguments
from rise_bench.evaluation.lmms_command import LmmsCommand, dataset_of, read_command
from rise_bench.evaluation.lmms_models import check_failures, check_model, check_whole_response
from rise_bench.evaluation.lmms_process import LOG_NAME, Ended, run_lmms_eval
from rise_bench.evaluation.response_cache import forget_failures
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import ScoredRun, score_run
from rise_bench.files.atomic import atomic_write_text
from rise_bench.hub.find import find_benchmark
from rise_bench.models.names import checked_model, is_model_folder, weights_of
from rise_bench.models.trained_model import run_of, taught
from rise_bench.prompts.asked_format import (
    MAX_PIXELS_VARIABLE,
    STYLE_VARIABLE,
    UNIT_VARIABLE,
    box_unit_of,
    max_pixels,
)
from rise_bench.scoring.bootstrap import RESAMPLES

#: Called with a line of progress.
Tell = Callable[[str], None]

_TOLERANCE = 1e-9

#: Environment variable of the key of lmms-eval's client for servers.
_KEY_VARIABLE = "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class EvaluatedTask:
    """Outcome of a task of rise-bench.

    Attributes:
        task: Name of the task.
        samples: Samples file.
        run: Recomputed scores.
        metadata: Metadata of the task: dataset and prompt hashes, versions, unit of boxes.
        partial: Whether `--limit` or `--offset` left samples out: a trial, not a score.
    """

    task: str
    samples: Path
    run: ScoredRun
    metadata: dict[str, Any]
    partial: bool

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values."""
        about = {"samples_file": str(self.samples), "partial": self.partial, "metadata": self.metadata}
        return about | self.run.to_json()


def evaluate(
    arguments: Sequence[str],
    *,
    box_unit: BoxUnit | None = None,
    style: Style | None = None,
    processes: int = 1,
    resamples: int = RESAMPLES,
    tell: Tell = lambda line: None,  # noqa: ARG005
    confinement: Confinement | None = None,
) -> list[EvaluatedTask]:
    """Run lmms-eval and score its responses.

    Args:
        arguments: Flags of lmms-eval. Files go to a new folder below `--output_path` (`results` by default);
            the image limits of the checkpoint are added to `--model_args` if lmms-eval would replace them.
        box_unit: Unit in which the model states boxes; None takes the environment's, that of the training run
            of the checkpoint, or the family's.
        style: Format of the answers; None takes the environment's, the run's, or think_answer.
        processes: Data-parallel processes.
        resamples: Bootstrap resamples.
        tell: Called with each line of progress.
        confinement: Bounds for an untrusted model; see `run_lmms_eval`.

    Returns:
        Tasks of rise-bench that ran.

    Raises:
        PrerequisiteError: If lmms-eval, a package of the model or the checkpoint is missing, or there are no
            results.
        DataError: If a dataset is missing, a run is incomplete, or the scores disagree.
        ConfigError: If the flags are invalid.
    """
    require_extra("eval")
    command = read_command(arguments)
    remember_secret(command.stated.get("api_key", ""))
    check_model(command.model, command.model_args)
    if command.tasks:
        check_whole_response(command.model, command.model_args)
        check_failures(command.model)
    datasets = {task: find_benchmark(dataset_of(task)) for task in command.tasks}
    box_unit, style = _taught(command.checkpoint, box_unit, style, tell)
    offline = _offline(command, tell)
    boxes = any(KINDS[dataset.spec.kind].in_frame for dataset in datasets.values())
    box_unit = box_unit or _unit_of_family(command, tell if boxes else None)
    environment = _stated(box_unit, style) | _keyless(command) | offline
    merged = _merged_adapter(command, tell)
    unit = box_unit or box_unit_of(command.model)
    model_args, of_prompts = _image_limits(command, merged, unit, datasets, tell)
    if merged:
        model_args = _with_checkpoint(model_args, command.checkpoint, merged)
    cache = _cache(command)
    if cache:
        forget_failures(cache)
    with fresh_folder(command.output) as folder:
        tell(f"lmms-eval starts; what it says is in {folder / LOG_NAME}")
        ended = run_lmms_eval(
            command.passed_on(folder, model_args, cache),
            folder / LOG_NAME,
            processes=processes,
            environment=environment | of_prompts,
            everything=command.verbosity == "DEBUG",
            confinement=confinement,
        )
    refused = refused_folder(folder)
    results = _results_file(refused, ended)
    tasks = [_collect(results, task, dataset, command, resamples) for task, dataset in datasets.items()]
    final = accept(refused)
    if command.others:
        tell(
            f"{', '.join(command.others)}: not of rise-bench, not checked; lmms-eval's numbers are in {final}"
        )
    return [replace(task, samples=final / task.samples.relative_to(refused)) for task in tasks]


def _taught(
    checkpoint: str, box_unit: BoxUnit | None, style: Style | None, tell: Tell
) -> tuple[BoxUnit | None, Style | None]:
    """Fill in unit and style that are not stated from the training run of a checkpoint."""
    run = run_of(Path(checkpoint).expanduser()) if checkpoint else None
    known = taught(run) if run else {}
    if "style" not in known:  # not a run of rise-bench
        return box_unit, style
    if box_unit is None and not os.environ.get(UNIT_VARIABLE):
        box_unit = known.get("box_unit")
    if style is None and not os.environ.get(STYLE_VARIABLE):
        style = known["style"]
        tell(f"asked in the form {style}, as the recipe of {run} says")
    return box_unit, style


def _unit_of_family(command: LmmsCommand, tell: Tell | None) -> BoxUnit | None:
    """Return the unit of the family of a checkpoint or served model, if `--model` tells none."""
    if os.environ.get(UNIT_VARIABLE) or family_named(command.model):
        return None
    named, revision = command.checkpoint, command.stated.get("revision", "")
    if named:
        described = checked_model(named, revision, weights=False).folder / "config.json"
        named = str(json.loads(described.read_text(encoding="utf-8")).get("model_type", ""))
    else:
        named = command.stated.get("model") or command.stated.get("model_version", "")
    family = family_named(named)
    if family is None or family.box_unit == DEFAULT_FORMAT.unit:
        return None
    if tell:
        tell(f"boxes are asked for in {family.box_unit}, as {family.label} states them (--box-unit)")
    return family.box_unit


def _stated(box_unit: BoxUnit | None, style: Style | None) -> dict[str, str]:
    variables = {UNIT_VARIABLE: box_unit, STYLE_VARIABLE: style}
    return {name: value for name, value in variables.items() if value}


def _keyless(command: LmmsCommand) -> dict[str, str]:
    """Give the client of a server without a key something to send, without which it does not start."""
    keyed = "api_key" in command.stated or os.environ.get(_KEY_VARIABLE)
    return {_KEY_VARIABLE: "none"} if "base_url" in command.stated and not keyed else {}


def _offline(command: LmmsCommand, tell: Tell) -> dict[str, str]:
    """Check that the checkpoint exists; without the Hub, lmms-eval would wait minutes for it."""
    checkpoint, online = command.checkpoint, hub_answers()
    if checkpoint:
        revision = command.stated.get("revision", "")
        if not is_model_folder(checkpoint):
            require_model(checkpoint, revision)
        checked_model(checkpoint, revision, weights=False)
    if online:
        return {}
    if not is_offline():
        tell(f"the Hub at {endpoint()} does not answer: going on with what is on this machine")
    return {"HF_HUB_OFFLINE": "1"}


def _merged_adapter(command: LmmsCommand, tell: Tell) -> Path | None:
    """Return the folder of an adapter merged into its base model; None for other checkpoints."""
    checkpoint, revision = command.checkpoint, command.stated.get("revision", "")
    if not checkpoint or checked_model(checkpoint, revision, weights=False).adapter is None:
        return None
    with redirect_stdout(sys.stderr):  # libraries that greet on stdout when they are imported
        merged = checked_model(checkpoint, revision).folder
    tell(f"{checkpoint} is an adapter; merged with its base model it is {merged}")
    return merged


def _cache(command: LmmsCommand) -> Path | None:
    """Return the folder of the responses of these weights, which lmms-eval knows by their name alone."""
    if command.cache is None or not (checkpoint := command.checkpoint):
        return command.cache
    root = command.cache.parent if command.cache.suffix == ".db" else command.cache
    weights = weights_of(checkpoint).get("weights")
    if weights is None:
        weights = checked_model(checkpoint, command.stated.get("revision", ""), weights=False).revision
    return root / f"weights-{weights}" if weights else root


def _with_checkpoint(model_args: str, named: str, folder: Path) -> str:
    """Return the model arguments with a folder in place of a named checkpoint."""
    pairs = (pair.partition("=") for pair in model_args.split(","))
    return ",".join(f"{name}{sign}{folder if value == named else value}" for name, sign, value in pairs)


def _image_limits(
    command: LmmsCommand,
    merged: Path | None,
    unit: BoxUnit,
    datasets: Mapping[str, BenchmarkDataset],
    tell: Tell,
) -> tuple[str, dict[str, str]]:
    """Return the model arguments with the checkpoint's own image limits, and variables for the prompts."""
    model_args, largest = command.model_args, max_pixels()
    limits = None
    if command.checkpoint:
        limits = checkpoint_limits(command.checkpoint, command.stated.get("revision", ""))
        if limits is None and merged:  # an adapter alone may have no processor
            limits = checkpoint_limits(str(merged))
    own = lmms_limits(command.model, model_args)  # of an engine that sets limits itself
    if limits and own and (added := missing_arguments(model_args, limits)):
        model_args = ",".join(
            filter(None, (model_args, *(f"{name}={value}" for name, value in added.items())))
        )
        tell(f"{' and '.join(f'{name}={value}' for name, value in added.items())}, as {limits.source} says")
    if unit != "resized_px":
        return model_args, {}
    kept = limits.pixels if limits else None
    shown = lmms_limits(command.model, model_args, otherwise=kept)
    if shown and not os.environ.get(MAX_PIXELS_VARIABLE):
        largest = shown.largest if limits and limits.trained else min(shown.largest, largest)
    for dataset in datasets.values():
        if KINDS[dataset.spec.kind].in_frame:
            sizes = ((gold.width_px, gold.height_px) for gold in dataset.golds("test"))
            check_frames(sizes, command.model, model_args, max_pixels=largest, otherwise=kept)
    return model_args, {MAX_PIXELS_VARIABLE: str(largest)}


def _results_file(folder: Path, ended: Ended) -> Path:
    """Return the results file of a run, or raise if there is none or lmms-eval reports a failure."""
    results = list(folder.glob("**/*_results.json"))
    if ended.code or len(results) != 1:
        code = f"ended with exit code {ended.code}" if ended.code else f"left {len(results)} results files"
        raise PrerequisiteError(
            f"lmms-eval {code}: {ended.reason or 'it gives no reason'}. Its output is in {folder / LOG_NAME}"
        )
    kept = redacted(json.loads(results[0].read_text(encoding="utf-8")))  # arguments may hold API keys
    atomic_write_text(results[0], json.dumps(kept, indent=2, ensure_ascii=False))
    return results[0]


def _collect(
    results_file: Path, task: str, dataset: BenchmarkDataset, command: LmmsCommand, resamples: int
) -> EvaluatedTask:
    results = json.loads(results_file.read_text(encoding="utf-8"))
    samples = results_file.with_name(results_file.name.replace("_results.json", f"_samples_{task}.jsonl"))
    if task not in results.get("results", {}) or not samples.is_file():
        raise DataError(
            f"{results_file} has no results of {task}, or {samples.name} is missing; run it again"
        )
    rows = command.rows(dataset.manifest.counts["test"])
    run = score_run(read_responses(samples), dataset, rows=rows, resamples=resamples)
    _compare(task, results["results"][task], run)
    partial = run.report.samples < dataset.manifest.counts["test"]
    metadata = results.get("configs", {}).get(task, {}).get("metadata", {})
    return EvaluatedTask(task, samples, run, metadata, partial)


def _compare(task: str, printed: dict[str, Any], run: ScoredRun) -> None:
    """Check that lmms-eval printed the recomputed scores."""
    for metric, interval in run.report.metrics.items():
        value = printed.get(f"{metric},none")
        if not isinstance(value, int | float) or abs(value - interval.value) > _TOLERANCE:
            raise DataError(
                f"{task}: lmms-eval printed {metric} {value}, its samples give {interval.value}; "
                "the results and samples files do not belong together, run it again"
            )
