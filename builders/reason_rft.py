"""Reason-RFT (NeurIPS 2025): counting, structure or transformation, with tests in and out of domain.

The training file has a chain of thought for each row, by GPT-4o, which was told the answer; nobody verified
them. Rows of Geometry3K are never trained on: it is the out-of-domain test of `structure`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.builders.formats.reason_rft_files import Record, RecordFile, image_folder, read_file
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.errors import ConfigError, DataError

Task = Literal["counting", "structure", "transformation"]

NO_IMAGE = "an image file is missing"
UNREADABLE = "the answer cannot be read"

#: Where the chains of thought come from (utils/distill_cot_data.py of Reason-RFT).
PROVENANCE = {"model": "gpt-4o-2024-08-06", "temperature": 0.2, "told_the_answer": True, "by": "Reason-RFT"}

#: Largest share of answers that may be unreadable in a file of the form that is known.
_UNREADABLE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Official files of a task.

    Attributes:
        train: File for training.
        tests: Split -> file and number of rows of a test.
        held_out: Data set of an out-of-domain test, as names of files and images have it, in small letters
            and without hyphens.
    """

    train: str
    tests: Mapping[str, tuple[str, int]]
    held_out: str = ""


FILES: dict[Task, TaskFiles] = {
    "counting": TaskFiles(
        "A3-Visual-Counting-train-35k-cot",
        {"test": ("Visual-Counting-id-test-1k", 1000), "ood": ("Visual-Counting-ood-test-1k", 1000)},
        held_out="superclevr",
    ),
    "structure": TaskFiles(
        "A2-Structure-Perception-train-4k5-cot",
        {
            "test": ("Structure-Perception-id-test-820", 820),
            "ood": ("Structure-Perception-ood-test-800", 800),
        },
        held_out="geometry3k",
    ),
    "transformation": TaskFiles(
        "A1-Spatial-Transformation-train-60k-cot",
        {
            "test": ("Spatial-Transformation-id-test-1k", 1000),
            "ood_left": ("Spatial-Transformation-ood-left-test-1k", 1000),
            "ood_right": ("Spatial-Transformation-ood-right-test-1k", 1000),
        },
    ),
}


@dataclass(slots=True)
class Official:
    """Contents of an official folder: plan, and unverified chains of thought by id of the training row."""

    plan: SourcePlan
    cots: dict[str, str]


@dataclass(slots=True)
class _Gathered:
    """Parts of the plan that reading collects."""

    spec: BenchmarkSpec
    source: Path
    drops: dict[str, list[str]] = field(default_factory=lambda: {NO_IMAGE: [], UNREADABLE: []})
    shortfalls: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cots: dict[str, str] = field(default_factory=dict)


def plan(source: Path, *, task: Task, seed: int = 0, also: Sequence[str] = ()) -> SourcePlan:
    """Read the files of a task; arguments and errors as `read`."""
    return read(source, task=task, seed=seed, also=also).plan


def read(source: Path, *, task: Task, seed: int = 0, also: Sequence[str] = ()) -> Official:  # noqa: ARG001
    """Read the files of a task.

    Args:
        source: The folder of the dataset, images unpacked.
        task: counting, structure or transformation.
        seed: Not used here (the splits are official); it ranks the few-shot rows later.
        also: Further training files by name or its beginning, e.g. "GeoQA".

    Raises:
        ConfigError: If there is no such task or file, or `also` names Geometry3K.
        DataError: If the layout or a record is wrong; names the file and the record.
    """
    if task not in FILES:
        raise ConfigError(f"reason_rft has no task {task!r}; choose one of {', '.join(FILES)}")
    gathered, files = _Gathered(get_benchmark(task), source), FILES[task]
    tests = {split: _test(gathered, split, name, rows) for split, (name, rows) in files.tests.items()}
    train = _rows(gathered, "train", _official(gathered, "train_jsons", files.train))
    for name in also:
        train += _rows(gathered, "train", _further(gathered, name, files.held_out), own=False)
    if not train and not any(tests.values()):
        raise DataError(
            f"{source} has no file of {task}, such as train_jsons/{files.train}.json; give the folder of "
            "tanhuajie2001/Reason-RFT-CoT-Dataset as --source"
        )
    return Official(
        SourcePlan(
            gathered.spec,
            train=train,
            test=tests.pop("test"),
            drops=gathered.drops,
            shortfalls=gathered.shortfalls,
            notes=gathered.notes,
            options={"task": task} | ({"also": ",".join(also)} if also else {}),
            more_tests={split: rows for split, rows in tests.items() if rows},
        ),
        gathered.cots,
    )


def _test(gathered: _Gathered, split: str, name: str, expected: int) -> list[SourceRow]:
    file = _official(gathered, "test_jsons", name)
    if file and len(file.records) != expected:
        gathered.shortfalls.append(
            f"{file.path.name} has {len(file.records)} records, the official file {expected}"
        )
    return _rows(gathered, split, file)


def _official(gathered: _Gathered, folder: str, name: str) -> RecordFile | None:
    path = gathered.source / folder / f"{name}.json"
    if not path.is_file():
        gathered.shortfalls.append(f"{folder}/{path.name} is missing")
        return None
    return read_file(path, gathered.source)


def _further(gathered: _Gathered, name: str, held_out: str) -> RecordFile:
    """Read a further training file; refuse what the benchmark tests on."""
    folder = gathered.source / "train_jsons"
    wanted = name.casefold().removesuffix(".json")
    matching = [path for path in sorted(folder.glob("*.json")) if path.stem.casefold().startswith(wanted)]
    if not wanted or len(matching) != 1:
        there = ", ".join(path.stem for path in matching or sorted(folder.glob("*.json"))) or "nothing"
        raise ConfigError(f"--also {name!r} names {len(matching)} files of {folder}; choose one of {there}")
    file = read_file(matching[0], gathered.source)
    marks = (file.path.stem, *(name for record in file.records for name in (record.id, *record.images)))
    if held_out and any(held_out in re.sub("[-_ ]", "", mark.casefold()) for mark in marks):
        raise ConfigError(
            f"{file.path.name} holds {held_out}, the out-of-domain test of {gathered.spec.name}: after "
            "training on it, the test would not be out of domain; leave it out of --also"
        )
    return file


def _rows(gathered: _Gathered, split: str, file: RecordFile | None, *, own: bool = True) -> list[SourceRow]:
    if file is None:
        return []
    gathered.notes += file.notes
    spec, name = gathered.spec, file.path.name
    images = image_folder(
        gathered.source, "train_images" if split == "train" else "test_images", file.records
    )
    prefix = f"{spec.name}/{split}" if own else f"{spec.name}/{split}/{file.path.stem}"
    rows, unread = [], []
    for record in file.records:
        where = f"{name} record {record.number}"
        if len(record.images) != spec.images_per_row:
            raise DataError(
                f"{file.path} record {record.number} has {len(record.images)} images, {spec.name} has "
                f"{spec.images_per_row}; it is of another task"
            )
        paths = [images / image for image in record.images]
        if absent := [path for path in paths if not path.is_file()]:
            gathered.drops[NO_IMAGE].append(f"{absent[0].name} ({where})")
            continue
        annotation, reason = _annotation(spec, record)
        if annotation is None:
            unread.append(f"{where}: {record.answer!r:.60} ({reason})")
            continue
        uid = f"{prefix}/{record.id}"
        first, *more = [inside(gathered.source, path) for path in paths]
        rows.append(
            SourceRow(
                uid,
                " ".join(record.images),
                first,
                annotation,
                question=record.question,
                where=where,
                more_images=tuple(more),
            )
        )
        if split == "train" and record.cot:
            gathered.cots[uid] = record.cot
    if len(unread) > _UNREADABLE_SHARE * len(file.records) and len(unread) > 1:
        raise DataError(
            f"{file.path}: {len(unread)} of {len(file.records)} answers cannot be read as {spec.kind}, e.g. "
            f"{unread[0]}; it is of another task, or of a form that this version does not know"
        )
    gathered.drops[UNREADABLE] += unread
    missing = len(gathered.drops[NO_IMAGE])
    if missing and not any("images are missing" in text for text in gathered.shortfalls):
        gathered.shortfalls.append(f"images are missing, e.g. {gathered.drops[NO_IMAGE][0]}")
    return rows


def _annotation(spec: BenchmarkSpec, record: Record) -> tuple[Annotation | None, str]:
    """Return the answer of a record as ground truth, or None and the reason."""
    kind: Any = KINDS[spec.kind]
    annotation, reason = kind.parse(record.answer, spec.classes, True)
    if annotation is None:
        return None, reason
    problem = kind.problem(Gold(record.id, annotation, 1, 1), spec.classes)
    return (None, problem) if problem else (annotation, "ok")
