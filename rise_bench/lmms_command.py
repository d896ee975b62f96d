"""The command line of lmms-eval as `rise-bench eval` sees it: what it must know of it, and running it.

lmms-eval exits with 0 whatever happened, so the end of its output is kept to say why nothing came of it.
"""

import argparse
import math
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.local_models import local_model

#: Our tasks: name -> name of the dataset.
TASKS = {
    f"rise_{name}": name
    for name in ("emotion6", "lisa", "imagenet_sub", "coco_sub", "moods", "scenes", "kinds", "custom")
}

#: Environment variable with the name of the dataset that `rise_custom` reads; `custom` by default.
CUSTOM_VARIABLE = "RISE_BENCH_CUSTOM"

#: Our groups: name -> tasks.
GROUPS = {"rise": ("rise_emotion6", "rise_lisa", "rise_imagenet_sub", "rise_coco_sub")}

#: Where `--model_args` names a checkpoint.
_PRETRAINED = re.compile(r"(?:^|(?<=[,=]))pretrained=([^,]+)")

_KEPT_LINES = 200
_ON_CPU = "Without a GPU add device=cpu,device_map=cpu to --model_args"
_REASON = re.compile(r"Error during evaluation: (.*?)(?:\. Please set `--verbosity=DEBUG`|$)")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class LmmsCommand:
    """What a command line of lmms-eval asks for.

    Attributes:
        arguments: The arguments to pass on, `--log_samples` and `--output_path` included; models that need no
            Hub, such as `rise-bench-base`, by their folder.
        tasks: Our tasks among those asked for.
        model: `--model`.
        model_args: `--model_args`.
        output: `--output_path`.
        cache: `--use_cache`, if given.
        limit: `--limit`; None for all samples.
        offset: `--offset`.
    """

    arguments: tuple[str, ...]
    tasks: tuple[str, ...]
    model: str
    model_args: str
    output: Path
    cache: Path | None
    limit: float | None
    offset: int

    def rows(self, samples: int) -> slice:
        """Return which of a task's samples are run."""
        limit = self.limit
        if limit is None or limit == -1:
            return slice(self.offset, None)
        count = math.ceil(samples * limit) if 0 < limit < 1 else int(limit)
        return slice(self.offset, self.offset + count)


def dataset_of(task: str) -> str:
    """Return the name of the dataset of one of our tasks."""
    return os.environ.get(CUSTOM_VARIABLE, "custom") if task == "rise_custom" else TASKS[task]


def read_command(arguments: Sequence[str], *, default_output: Path = Path("results")) -> LmmsCommand:
    """Read lmms-eval's flags; a `--config` file fills in what the command line leaves out, as lmms-eval does.

    Raises:
        ConfigError: If no task is asked for, a value is no number, or the config holds several runs.
    """
    try:
        known = _parser().parse_known_args(list(arguments))[0]
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error}; the flags are those of lmms-eval") from error
    if known.config:
        _fill_in(known, Path(known.config))
    if not known.tasks:
        raise ConfigError("say what to run with --tasks, e.g. --tasks rise_emotion6")
    output = Path(known.output_path or default_output)
    added = [] if known.log_samples else ["--log_samples"]
    if not known.output_path:
        added += ["--output_path", str(output)]
    return LmmsCommand(
        arguments=(*(_PRETRAINED.sub(_folder, one) for one in arguments), *added),
        tasks=_our_tasks(str(known.tasks)),
        model=known.model,
        model_args=known.model_args,
        output=output,
        cache=Path(known.use_cache) if known.use_cache else None,
        limit=known.limit,
        offset=known.offset,
    )


def run_command(command: LmmsCommand, *, processes: int, environment: dict[str, str]) -> str:
    """Run lmms-eval, its output passed on to standard error as it comes.

    Args:
        command: What to run.
        processes: Data-parallel processes, one a GPU; more than 1 starts accelerate.
        environment: Variables to add.

    Returns:
        The reason that the output gives for a failure; empty if it gives none.

    Raises:
        PrerequisiteError: If lmms-eval ends with an exit code other than 0.
    """
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["accelerate.commands.launch", "--num_processes", str(processes), "-m"]
    tail: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(
        [*start, "lmms_eval", *command.arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
    ) as process:
        assert process.stdout is not None
        rest = b""
        while chunk := os.read(process.stdout.fileno(), 65_536):
            sys.stderr.buffer.write(chunk)
            sys.stderr.buffer.flush()
            *lines, rest = re.split(rb"[\r\n]", rest + chunk)
            tail.extend(line.decode(errors="replace") for line in lines)
    reason = _reason(tail)
    if process.returncode:
        raise PrerequisiteError(
            f"lmms-eval ended with exit code {process.returncode}: {reason or 'see its output above'}"
        )
    return reason


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("--config", "--tasks", "--output_path"):
        parser.add_argument(name)
    parser.add_argument("--use_cache", "-c")
    parser.add_argument("--model", default="hf")
    parser.add_argument("--model_args", default="")
    parser.add_argument("--log_samples", action="store_true")
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


def _our_tasks(names: str) -> tuple[str, ...]:
    asked: dict[str, None] = {}
    for name in names.split(","):
        members = GROUPS.get(name) or [task for task in TASKS if fnmatch(task, name)]
        asked |= dict.fromkeys(members)
    return tuple(asked)


def _reason(tail: Iterable[str]) -> str:
    """Return the exception that says most: one of ours, else the last that wraps no other."""
    lines = [_COLOUR.sub("", line).strip() for line in tail]
    raised = [line for line in lines if _EXCEPTION.match(line)]
    ours = [line for line in raised if line.startswith("rise_bench.errors.")]
    telling = [line for line in raised if "RetryError" not in line]
    logged = [match[1] for line in lines if (match := _REASON.search(line))]
    reason = next((found[-1] for found in (ours, telling, logged, raised) if found), "")
    return f"{reason}. {_ON_CPU}" if "NVIDIA driver" in reason else reason
