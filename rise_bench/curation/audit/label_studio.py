"""Label Studio: the most suspicious labels as tasks, and what was decided there as decisions.

A task has the given label as its annotation and the model's as a prediction, whose score is low for a
suspicious label: the Data Manager sorts by it, lowest first.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.annotate.formats.label_studio import (
    CONFIG_NAME,
    TASKS_NAME,
    UnusableError,
    annotation_of,
    labelling_config,
    results_of,
    task_of,
)
from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer, Picture
from rise_bench.curation.audit.run import Audited
from rise_bench.curation.audit.sampling import items as stream
from rise_bench.curation.decisions import Decision
from rise_bench.curation.queue import ReviewItem
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import DataError
from rise_bench.files import strict_json
from rise_bench.files.atomic import atomic_write_bytes, atomic_write_text, sha256_bytes
from rise_bench.files.images import open_image
from rise_bench.files.side_by_side import one_picture

PICTURES_NAME = "pictures"

#: Corners that went through percent and are nearer than this are the same, in pixels.
_NEAR_PX = 1e-3


def write_tasks(out: Path, audited: Audited, items: Sequence[ReviewItem]) -> None:
    """Write tasks, labelling config, and the pictures of the tasks.

    Args:
        out: Folder of the audit.
        audited: The audit.
        items: Labels, the most suspicious first.
    """
    run = _run(audited.dataset, out / PICTURES_NAME)
    names: dict[str, str] = {}
    for gold, images in stream(audited.dataset, audited.dataset.manifest.counts, {item.id for item in items}):
        image = one_picture(images, gold.id)
        # by content: tasks of an earlier start keep their pictures
        with open_image(image, gold.id) as opened:
            names[gold.id] = f"{sha256_bytes(image)[:16]}.{(opened.format or 'image').lower()}"
        atomic_write_bytes(out / PICTURES_NAME / names[gold.id], image)
    tasks = [_task(run, item, names[item.id], audited.dataset.sha256) for item in items]
    atomic_write_text(out / CONFIG_NAME, labelling_config(run))
    atomic_write_text(out / TASKS_NAME, json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")


def _task(run: AnnotationRun, item: ReviewItem, name: str, sha256: str) -> dict[str, Any]:
    picture = Picture(name, "", item.width_px, item.height_px)
    score = 1 - item.scores["suspicion"]
    suggested = _answer(run, item.suggested, item.category, item.reason, score)
    task = task_of(run, AnnotatedPicture(picture, suggested))
    task.setdefault("predictions", [{"model_version": run.model, "score": score, "result": []}])
    given = AnnotatedPicture(picture, _answer(run, item.given, item.category, "", score))
    task["data"] |= {"id": item.id, "asked": item.question or item.category, "why": " ".join(item.why)}
    task["data"]["dataset_sha256"] = sha256
    return task | {"annotations": [{"result": results_of(run, given)}]}


def _answer(
    run: AnnotationRun, annotation: Annotation | None, category: str, reason: str, score: float
) -> tuple[Answer, ...]:
    if annotation is None:
        return ()
    parts = (score,) * len(run.kind.overlay(annotation))
    return (Answer(category, annotation, reason, confidence=score, parts=parts),)


def _run(dataset: BenchmarkDataset, pictures: Path) -> AnnotationRun:
    return AnnotationRun(pictures.absolute(), dataset.spec, dataset.manifest.categories, "", 1, "audit")


def read_export(path: Path, dataset: BenchmarkDataset) -> dict[str, Decision]:
    """Read what was decided in Label Studio, from its JSON export of the tasks of an audit.

    The last annotation of a task counts; without one, or where it states no label, nothing is decided. One
    that says what the task began with keeps the given label as it is.

    Raises:
        DataError: The file is not such an export, a task is of another dataset or version, belongs to no row,
            or was given an annotation that cannot be a label.
    """
    golds = {gold.id: gold for split in dataset.manifest.counts for gold in dataset.golds(split)}
    run, decisions = _run(dataset, path.parent), {}
    try:
        tasks = strict_json.loads(path.read_bytes().removeprefix(BOM_UTF8))
        for task in tasks:
            uid = task["data"]["id"]
            _require_audited(path, str(task["data"].get("dataset_sha256", "")), dataset)
            if uid not in golds:
                raise ValueError(f"task {uid!r} is not a row of {dataset.root}")
            done = [of["result"] for of in task.get("annotations", ()) if not of.get("was_cancelled")]
            try:
                decisions[uid] = _decision(run, golds[uid], done)
            except UnusableError as error:
                raise DataError(
                    f"{path}, task {uid!r}: {error}. Change it in Label Studio, and export again."
                ) from error
    except (AttributeError, LookupError, OSError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not a JSON export of the tasks of this audit ({error}); export the project as JSON, "
            "and name the dataset that was audited"
        ) from error
    return decisions


def _require_audited(path: Path, sha256: str, dataset: BenchmarkDataset) -> None:
    """Raise if the tasks show labels of another version, which would be taken for corrections of this one."""
    if sha256 != dataset.sha256:
        raise DataError(
            f"{path} has tasks of dataset version {sha256[:12] or 'unknown'}; {dataset.root} is version "
            f"{dataset.sha256[:12]}: name the dataset that was audited, or audit this one"
        )


def _decision(run: AnnotationRun, gold: Gold, annotations: Sequence[Any]) -> Decision:
    if not annotations:
        return Decision(gold.id, "skip")
    label = _stated(run, annotations[-1], gold)
    if label is None:
        return Decision(gold.id, "skip")
    picture = Picture("", "", gold.width_px, gold.height_px)
    shown = AnnotatedPicture(picture, _answer(run, gold.annotation, gold.category, "", 1.0))
    kind = KINDS[gold.kind]
    untouched = _stated(run, results_of(run, shown), gold)
    if untouched is not None and _same(kind.canonical(label), kind.canonical(untouched)):
        return Decision(gold.id, "accept")
    return Decision(gold.id, "edit", json.dumps(kind.to_json(kind.in_place_of(label, gold.annotation))))


def _stated(run: AnnotationRun, results: Sequence[Mapping[str, Any]], gold: Gold) -> Annotation | None:
    return annotation_of(run, results, gold.width_px, gold.height_px, gold.category)


def _same(left: Any, right: Any) -> bool:
    """Whether two annotations as JSON values are the same, but for what percent does to pixels."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(starmap(_same, zip(left, right, strict=True)))
    if isinstance(left, float | int) and isinstance(right, float | int):
        return abs(left - right) <= _NEAR_PX
    return bool(left == right)
