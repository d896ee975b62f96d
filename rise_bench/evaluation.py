"""`rise-bench eval`: lmms-eval, believed only as far as its files can be checked.

lmms-eval exits with 0 when it found no task, when a model or a metric raised, and when every request failed.
Here a run counts if it left a results file and, for each of our tasks, a samples file with a response to
every sample; the scores are recomputed from those responses and must equal what lmms-eval printed.
"""

import json
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.asked_style import STYLE_VARIABLE
from rise_bench.bootstrap import RESAMPLES
from rise_bench.box_units import UNIT_VARIABLE, box_unit_of, check_resized_px, max_pixels
from rise_bench.dataset import BenchmarkDataset, find_dataset
from rise_bench.errors import DataError, PrerequisiteError
from rise_bench.extras import require_extra
from rise_bench.lmms_command import LmmsCommand, dataset_of, read_command, run_command
from rise_bench.parsing import Style
from rise_bench.samples import FAILURE_PREFIXES, read_responses
from rise_bench.scored_run import ScoredRun, score_run
from rise_bench.values import BoxUnit

_log = logging.getLogger(__name__)
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class EvaluatedTask:
    """One of our tasks after a run.

    Attributes:
        task: Name of the task.
        samples: Its samples file.
        run: Its scores, recomputed.
        metadata: What the task recorded: dataset and prompt hashes, versions, unit of boxes.
        partial: Whether `--limit` or `--offset` left samples out, on purpose: a trial, not a score.
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
) -> list[EvaluatedTask]:
    """Run lmms-eval and score what it left.

    Args:
        arguments: Flags of lmms-eval, passed on as they are; `--log_samples` and `--output_path results` are
            added if they are missing.
        box_unit: Unit in which the model states boxes; None takes the family's.
        style: Form in which answers are asked for; None takes the environment's, else think_answer.
        processes: Data-parallel processes.
        resamples: Bootstrap resamples.

    Returns:
        Our tasks among those that ran.

    Raises:
        PrerequisiteError: If lmms-eval is missing, or left no results.
        DataError: If a dataset is missing, a run is incomplete, or the scores disagree.
        ConfigError: If the flags make no sense.
    """
    require_extra("eval")
    command = read_command(arguments)
    unit = box_unit or box_unit_of(command.model)
    datasets = {task: find_dataset(dataset_of(task)) for task in command.tasks}
    for dataset in datasets.values():
        _check_unit(dataset, command, unit)
    if command.cache:
        forget_failures(command.cache)
    before = set(command.output.glob("**/*_results.json"))
    environment: dict[str, str] = {UNIT_VARIABLE: unit} if box_unit else {}
    if style:
        environment[STYLE_VARIABLE] = style
    reason = run_command(command, processes=processes, environment=environment)
    new = sorted(set(command.output.glob("**/*_results.json")) - before)
    if len(new) != 1:
        raise PrerequisiteError(
            f"lmms-eval left {len(new)} results files under {command.output}, expected 1: "
            f"{reason or 'see its output above'}"
        )
    return [_collect(new[0], task, dataset, command, resamples) for task, dataset in datasets.items()]


def forget_failures(cache: Path) -> int:
    """Remove failed requests from a response cache, so that a rerun asks them again; return how many.

    lmms-eval stores the text that stands for a failure like any response.
    """
    root = cache.parent if cache.suffix == ".db" else cache
    removed = 0
    for path in (root / "cache.db", *sorted(root.glob("runs/*/*.db"))):
        if not path.is_file():
            continue
        with sqlite3.connect(path, timeout=30) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'responses'").fetchone():
                for prefix in FAILURE_PREFIXES:
                    removed += database.execute(
                        "DELETE FROM responses WHERE instr(response, ?) > 0", (prefix,)
                    ).rowcount
        database.close()
    if removed:
        _log.info("%s: %d failed requests will be asked again", root, removed)
    return removed


def _check_unit(dataset: BenchmarkDataset, command: LmmsCommand, unit: BoxUnit) -> None:
    if dataset.spec.kind == "boxes" and unit == "resized_px":
        sizes = ((gold.width_px, gold.height_px) for gold in dataset.golds("test"))
        check_resized_px(command.model, command.model_args, sizes, max_pixels=max_pixels())


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
    """Check that lmms-eval printed what its samples file says."""
    for metric, interval in run.report.metrics.items():
        value = printed.get(f"{metric},none")
        if not isinstance(value, int | float) or abs(value - interval.value) > _TOLERANCE:
            raise DataError(
                f"{task}: lmms-eval printed {metric} {value}, its samples give {interval.value}; "
                "the results and samples files do not belong together, run it again"
            )
