"""Values in a task's YAML that depend on its dataset, computed when the YAML is loaded.

lmms-eval reads `!function module.attribute` of the chosen tasks only, and accepts any value. So
`files__lisa`, `documents__lisa__norm1000`, `metadata__lisa__norm1000` and `metrics__custom` are attributes
made on demand: a missing dataset is an error of its own task, which names the command that builds it.
"""

import functools
import importlib.metadata
import logging
import sys
from collections.abc import Callable
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.families import RISE_HF
from rise_bench.data.dataset import BenchmarkDataset, arrow_cache
from rise_bench.errors import RiseError
from rise_bench.evaluation.image_limits import checkpoint_limits, lmms_limits, missing_arguments
from rise_bench.evaluation.lmms_command import dataset_of, read_command
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.hub.find import find_benchmark
from rise_bench.prompts.asked_format import as_box_unit, asked_format
from rise_bench.prompts.templates import prompt_hash
from rise_bench.tasks.aggregation import metric_list
from rise_bench.tasks.documents import prepare

_log = logging.getLogger(__name__)

#: Increased when a prompt, a metric or the scoring changes; lmms-eval shows it with the task.
TASK_VERSION = "1.0"

_VERSIONS_OF = (
    "rise-bench",
    "lmms_eval",
    "transformers",
    "torch",
    "datasets",
    "pycocotools",
    "numpy",
    "scipy",
)


def __getattr__(attribute: str) -> Any:
    """Make `part__benchmark` or `part__benchmark__unit`."""
    part, _, rest = attribute.partition("__")
    benchmark, _, unit = rest.partition("__")
    if part not in _PARTS or not benchmark:
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    name = dataset_of(f"rise_{benchmark}")
    return _PARTS[part](name, as_box_unit(unit or DEFAULT_FORMAT.unit, attribute))


def _files(benchmark: str, unit: BoxUnit) -> dict[str, Any]:  # noqa: ARG001
    dataset = find_benchmark(benchmark)
    files = [str(path) for path in dataset.files("test")]
    return {"data_files": {"test": files}, "cache_dir": arrow_cache(dataset.manifest)}


def _documents(benchmark: str, unit: BoxUnit) -> Callable[[Any], Any]:
    return functools.partial(prepare, benchmark=benchmark, unit=unit)


def _metrics(benchmark: str, unit: BoxUnit) -> list[dict[str, Any]]:  # noqa: ARG001
    return metric_list(find_benchmark(benchmark).spec.kind)


def _metadata(benchmark: str, unit: BoxUnit) -> dict[str, Any]:
    dataset, answer_format = find_benchmark(benchmark), asked_format(unit)
    return {
        "version": TASK_VERSION,
        "benchmark": dataset.spec.name,
        "dataset_sha256": dataset.sha256,
        "prompt_hash": prompt_hash(dataset.spec, answer_format),
        "style": answer_format.style,
        "image_pixels": _image_pixels(tuple(sys.argv[1:])),
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS_OF},
    } | _of_kind(dataset, answer_format)


@functools.cache
def _image_pixels(arguments: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the image limits of this run of lmms-eval, or None; warn if they are not the checkpoint's."""
    try:
        command = read_command(arguments)
        revision = command.stated.get("revision", "")
        own = checkpoint_limits(command.checkpoint, revision, local_only=True) if command.checkpoint else None
        kept = own.pixels if own and command.model == RISE_HF else None
        shown = lmms_limits(command.model, command.model_args, otherwise=kept)
    except RiseError:  # not a command line of lmms-eval, or an invalid one
        return None
    used = shown or own
    if shown and own and not shown.stated and shown.pixels != own.pixels:
        added = ",".join(
            f"{name}={value}" for name, value in missing_arguments(command.model_args, own).items()
        )
        _log.warning(
            "%s shows images of %d to %d pixels, but %s says %d to %d: scores and speed will suffer. "
            "Use `rise-bench eval`, or add %s to --model_args",
            *(shown.source, *shown.pixels, own.source, *own.pixels, added),
        )
    if used is None:
        return None
    return {"smallest": used.smallest, "largest": used.largest, "source": used.source}


def _of_kind(dataset: BenchmarkDataset, answer_format: AnswerFormat) -> dict[str, Any]:
    in_frame = KINDS[dataset.spec.kind].in_frame
    metadata: dict[str, Any] = {}
    if in_frame:
        metadata = {"box_unit": answer_format.unit, "max_pixels": answer_format.max_pixels}
    reference = win_rate_reference(dataset)
    return metadata | ({"win_rate_reference": reference.name} if reference else {})


_PARTS: dict[str, Callable[[str, BoxUnit], Any]] = {
    "files": _files,
    "documents": _documents,
    "metadata": _metadata,
    "metrics": _metrics,
}
