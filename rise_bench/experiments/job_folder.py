"""A job, and the folder with the records and logs of jobs."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rise_bench import __version__
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text
from rise_bench.trainers.runs.provenance import git_state

#: Value of an argument that may be a path: after its start, "=" or ",".
_PATH = re.compile(r"(?:^|(?<=[=,]))(?!-)[^=,:]*/[^=,:]*")


@dataclass(frozen=True, slots=True)
class Job:
    """Command of rise-bench.

    Attributes:
        name: Unique name, and path of its record and logs in the folder of jobs.
        label: Displayed description.
        arguments: Arguments of `rise-bench`.
        needs: Names of the jobs with its inputs.
        environment: Additional variables.
    """

    name: str
    label: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class JobFolder:
    """Records and logs of jobs."""

    def __init__(self, path: Path) -> None:
        """Use the folder `path`, which is made when needed."""
        self.path = path

    def output(self, name: str) -> Path:
        """Return the file with the output of a job."""
        return self.path / f"{name}.out"

    def log(self, name: str) -> Path:
        """Return the file with a job's log."""
        return self.path / f"{name}.log"

    def kept_by_launcher(self, name: str) -> Path:
        """Return the folder of a launcher whose jobs outlive it."""
        return self.path / f"{name}.submitit"

    def printed_path(self, name: str, printed: str) -> Path:
        """Return a path that a job printed: it may be relative to the folder where the job was started."""
        return Path(self._placed(self._record(name) or {}, printed))

    def samples_file(self, name: str) -> Path:
        """Return the samples file in the output of a job `rise-bench eval --json`.

        Raises:
            DataError: The output names none.
        """
        printed = self.output(name)
        try:
            (outcome,) = json.loads(printed.read_text(encoding="utf-8")).values()
            return self.printed_path(name, outcome["samples_file"])
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise DataError(
                f"{printed} names no samples file: {error}. Start the same command again."
            ) from error

    def seconds(self, name: str) -> float:
        """Return the seconds of all starts of a job."""
        record = self._record(name)
        return float(record["seconds"]) if record else 0.0

    def done_seconds(self, name: str) -> float | None:
        """Return the seconds of a finished job; None for others."""
        record = self._record(name)
        return float(record["seconds"]) if record and record["done"] else None

    def is_known(self, name: str) -> bool:
        """Whether a job was started, and its record not removed since."""
        return self._record(name) is not None

    def unfinished(self) -> list[str]:
        """Return the names of the jobs that were started and are not done: failed, stopped or running."""
        return [name for name, record in self._records() if not record["done"]]

    def failed(self) -> list[str]:
        """Return the names of the jobs whose last start ended with an error."""
        return [name for name, record in self._records() if not record["done"] and record.get("exit_code")]

    def all_seconds(self) -> dict[str, float]:
        """Return the seconds of all finished jobs by name."""
        return {name: float(record["seconds"]) for name, record in self._records() if record["done"]}

    def all_code(self) -> Counter[str]:
        """Return how many finished jobs each commit ran; a version stands for code outside a checkout.

        A job that was killed and went on may have run at several.
        """
        done = (record for _, record in self._records() if record["done"])
        return Counter(", then ".join(_codes(record) or ["not recorded"]) for record in done)

    def _records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(self.path.rglob("*.json")):
            name = str(path.relative_to(self.path).with_suffix(""))
            if record := self._record(name):
                yield name, record

    def is_done(self, job: Job) -> bool:
        """Whether the same job finished already, and the samples file of an evaluation is still there.

        Raises:
            ConfigError: The folder holds a job of this name with other arguments.
        """
        record = self._record(job.name)
        if record is None:
            return False
        if not self._is_same(record, job.arguments):
            raise ConfigError(
                f"{self.path / job.name}.json is of another command: rise-bench "
                f"{' '.join(map(str, record['arguments']))}. Choose another --out, or remove "
                "this one and those of the jobs that need it."
            )
        return bool(record["done"]) and self._has_samples(job)

    def _has_samples(self, job: Job) -> bool:
        """Whether the samples file of an evaluation is there; jobs of other kinds have none to look for."""
        if job.arguments[:1] != ("eval",) or "--output_path" not in job.arguments:
            return True
        try:
            return self.samples_file(job.name).is_file()
        except DataError:
            return False

    def write(self, job: Job, seconds: float, *, done: bool, exit_code: int | None = None) -> None:
        """Write a job's record, with the exit code of one that ended."""
        record = {"arguments": list(job.arguments), "seconds": round(seconds, 1), "done": done}
        if exit_code is not None:
            record["exit_code"] = exit_code
        record |= {"started_in": str(Path.cwd()), "jobs": os.path.normpath(self.path.absolute())}
        record["code"] = list(dict.fromkeys([*_codes(self._record(job.name) or {}), _code()]))
        atomic_write_text(self.path / f"{job.name}.json", json_text(record) + "\n")

    def _is_same(self, record: Mapping[str, Any], arguments: Sequence[str]) -> bool:
        """Whether arguments are those of a record, wherever it was written and is now."""
        before, now = record["arguments"], list(arguments)
        return len(before) == len(now) and all(
            old == new or _PATH.sub(lambda match: self._placed(record, match[0]), old) == _absolute(new)
            for old, new in zip(before, now, strict=True)
        )

    def _placed(self, record: Mapping[str, Any], path: str) -> str:
        """Return a path of a record: it may be relative, and the folder above the jobs may have moved."""
        placed = Path(os.path.normpath(Path.cwd() / record.get("started_in", "") / path))
        now = os.path.normpath(self.path.absolute())
        before = Path(record.get("jobs", now)).parent
        if placed.is_relative_to(before):
            placed = Path(now).parent / placed.relative_to(before)
        return str(placed)

    def _record(self, name: str) -> dict[str, Any] | None:
        path = self.path / f"{name}.json"
        if not path.is_file():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record


def _codes(record: Mapping[str, Any]) -> list[str]:
    """Return the commits of a record; the first ones held one commit as a text."""
    codes = record.get("code") or []
    return [codes] if isinstance(codes, str) else list(codes)


@cache
def _code() -> str:
    """Return the commit of the code as it was when this process began, or the version outside a checkout."""
    git = git_state()
    if git is None:
        return f"rise-bench {__version__}"
    return f"{git['commit'][:12]}{' with changes' if git['dirty'] else ''}"


def _absolute(argument: str) -> str:
    """Return an argument with absolute paths, so that a folder is the same by another name."""
    return _PATH.sub(lambda match: os.path.normpath(Path.cwd() / match[0]), argument)
