"""Command line of lmms-eval for `rise-bench eval`."""

import argparse
import difflib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.reason_rft import REASON_RFT
from rise_bench.errors import ConfigError
from rise_bench.models.names import local_model

#: Tasks of rise-bench: name -> name of the dataset.
TASKS = {f"rise_{name}": name for name in (*BENCHMARKS, "custom")}

#: Task of any dataset that is not of the catalogue.
CUSTOM_TASK = "rise_custom"

#: Environment variable with the name or folder of the dataset that `rise_custom` reads; `custom` by default.
CUSTOM_VARIABLE = "RISE_BENCH_CUSTOM"

#: Groups of rise-bench: name -> tasks.
GROUPS = {
    "rise": ("rise_emotion6", "rise_lisa", "rise_imagenet_sub", "rise_coco_sub"),
    "rise_reason": tuple(f"rise_{spec.name}" for spec in REASON_RFT),
}

#: Names of a checkpoint in `--model_args`.
_PRETRAINED = re.compile(r"(?:^|(?<=[,=]))pretrained=([^,]+)")
#: Prefixes of models of lmms-eval that call the checkpoint `model`.
_BY_MODEL = ("vllm", "sglang")


@dataclass(frozen=True, slots=True)
class LmmsCommand:
    """A command line of lmms-eval.

    Attributes:
        arguments: Arguments as given.
        tasks: Tasks of rise-bench.
        others: Other tasks.
        model: `--model`.
        model_args: `--model_args`; models that need no Hub, such as `rise-bench-base`, as folders.
        output: `--output_path`.
        cache: `--use_cache`, if given.
        limit: `--limit`; None for all samples.
        offset: `--offset`.
        timezone: `--timezone`, if given.
        verbosity: `--verbosity`.
    """

    arguments: tuple[str, ...]
    tasks: tuple[str, ...]
    others: tuple[str, ...]
    model: str
    model_args: str
    output: Path
    cache: Path | None
    limit: float | None
    offset: int
    timezone: str
    verbosity: str

    @property
    def stated(self) -> dict[str, str]:
        """`--model_args` by name."""
        return stated_in(self.model_args)

    @property
    def checkpoint(self) -> str:
        """Folder or Hub id of the local checkpoint; empty for a server, or if none is named."""
        stated = self.stated
        if "base_url" in stated:
            return ""
        own = stated.get("model") or stated.get("model_path") if self.model.startswith(_BY_MODEL) else None
        return stated.get("pretrained") or own or ""

    def passed_on(self, folder: Path, model_args: str, cache: Path | None = None) -> list[str]:
        """Return the command line of lmms-eval with another output folder, `--model_args` and `--use_cache`.

        The last of repeated flags counts.
        """
        flags = ["--log_samples", "--output_path", str(folder)]
        flags += ["--model_args", model_args] if model_args else []
        flags += ["--use_cache", str(cache)] if cache else []
        flags += [] if self.timezone else ["--timezone", "UTC"]
        return [*self.arguments, *flags]

    def rows(self, samples: int) -> slice:
        """Return the slice of the samples that are run."""
        limit = self.limit
        if limit is None or limit == -1:
            return slice(self.offset, None)
        count = math.ceil(samples * limit) if 0 < limit < 1 else int(limit)
        return slice(self.offset, self.offset + count)


def task_of(dataset: str) -> tuple[str, dict[str, str]]:
    """Return the task of a dataset by its name, and the environment in which it is that dataset's.

    >>> task_of("emotion6"), task_of("my_photos")
    (('rise_emotion6', {}), ('rise_custom', {'RISE_BENCH_CUSTOM': 'my_photos'}))
    """
    if dataset in BENCHMARKS:
        return f"rise_{dataset}", {}
    return CUSTOM_TASK, {CUSTOM_VARIABLE: dataset}


def stated_in(model_args: str) -> dict[str, str]:
    """Return `--model_args` by name."""
    pairs = (pair.split("=", 1) for pair in model_args.split(",") if "=" in pair)
    return {name.strip(): value.strip() for name, value in pairs}


def dataset_of(task: str) -> str:
    """Return the name of the dataset of a task."""
    return os.environ.get(CUSTOM_VARIABLE, "custom") if task == CUSTOM_TASK else TASKS[task]


def read_command(arguments: Sequence[str]) -> LmmsCommand:
    """Read lmms-eval's flags; a `--config` file fills in what the command line leaves out, as lmms-eval does.

    Raises:
        ConfigError: If there is no task, a value is not a number, or the config has several runs.
    """
    try:
        known = _parser().parse_known_args(list(arguments))[0]
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error}; the flags are those of lmms-eval") from error
    if known.config:
        _fill_in(known, Path(known.config))
    if not known.tasks:
        raise ConfigError("say what to run with --tasks, e.g. --tasks rise_emotion6")
    if known.limit is not None and known.limit != -1 and not 0 < known.limit < math.inf:
        raise ConfigError(f"--limit {known.limit:g} runs no rows; give a number of rows, or a share below 1")
    output = str(known.output_path or "results")
    if "," in output:
        raise ConfigError(f"--output_path {output} holds a comma, at which lmms-eval would cut it; rename it")
    tasks, others = _tasks(str(known.tasks))
    return LmmsCommand(
        arguments=tuple(arguments),
        tasks=tasks,
        others=others,
        model=str(known.model),
        model_args=_PRETRAINED.sub(_folder, _one_line(known.model_args)),
        output=Path(output),
        cache=Path(known.use_cache) if known.use_cache else None,
        limit=known.limit,
        offset=known.offset,
        timezone=str(known.timezone or ""),
        verbosity=str(known.verbosity),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("--config", "--tasks", "--output_path", "--timezone"):
        parser.add_argument(name)
    parser.add_argument("--use_cache", "-c")
    parser.add_argument("--model", default="")
    parser.add_argument("--model_args", default="")
    parser.add_argument("--verbosity", default="INFO")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--offset", type=int, default=0)
    return parser


def _fill_in(known: argparse.Namespace, path: Path) -> None:
    import yaml

    try:
        config: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read --config {path}: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} holds no single run; give one mapping of options, one run a file")
    defaults = _parser().parse_args([])
    for name, value in config.items():
        if hasattr(known, name) and getattr(known, name) == getattr(defaults, name):
            setattr(known, name, value)


def _folder(named: re.Match[str]) -> str:
    return f"pretrained={local_model(named[1])}"


def _one_line(model_args: Any) -> str:
    """Return the model arguments of a config file, which may be a mapping, as on a command line."""
    if isinstance(model_args, dict):
        return ",".join(f"{name}={value}" for name, value in model_args.items())
    return str(model_args or "")


def _tasks(names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split `--tasks` into tasks of rise-bench and others; unknown names like those of rise-bench raise."""
    asked: dict[str, None] = {}
    others: dict[str, None] = {}
    for name in filter(None, (name.strip() for name in names.split(","))):
        members = GROUPS.get(name) or [task for task in TASKS if fnmatch(task, name)]
        asked |= dict.fromkeys(members)
        if name.startswith("list") or (name.startswith("rise") and not members):
            near = difflib.get_close_matches(name, [*TASKS, *GROUPS], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"--tasks {name} is not a rise-bench task; {hint}There are {', '.join((*TASKS, *GROUPS))}; "
                "all others are listed by `lmms-eval tasks list`"
            )
        if not members:
            others[name] = None
    return tuple(asked), tuple(others)
