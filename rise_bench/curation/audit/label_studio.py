"""Label Studio: the most suspicious labels as tasks, and what was decided there as decisions.

A task has the given label as its annotation and the model's as a prediction, whose score is low for a
suspicious label: the Data Manager sorts by it, lowest first.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.annotate.formats.label_studio import (
    CONFIG_NAME,
    TASKS_NAME,
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
from rise_bench.files.atomic import atomic_write_bytes, atomic_write_text
from rise_bench.files.images import open_image
from rise_bench.files.side_by_side import one_picture

PICTURES_NAME = "pictures"

#: Similarity from which an annotation that went through percent is the same.
_SAME = 1 - 1e-6


def write_tasks(out: Path, audited: Audited, items: Sequence[ReviewItem]) -> None:
    """Write tasks, labelling config, and the pictures of the tasks.

    Args:
        out: Folder of the audit.
        audited: The audit.
        items: Labels, the most suspicious first.
    """
    run = _run(audited.dataset, out / PICTURES_NAME)
    rank = {item.id: number for number, item in enumerate(items, start=1)}
    names: dict[str, str] = {}
    for gold, images in stream(audited.dataset, audited.dataset.manifest.counts, rank):
        image = one_picture(images, gold.id)
        with open_image(image, gold.id) as opened:
            names[gold.id] = f"{rank[gold.id]:06d}.{(opened.format or 'image').lower()}"
        atomic_write_bytes(out / PICTURES_NAME / names[gold.id], image)
    tasks = [_task(run, item, names[item.id]) for item in items]
    atomic_write_text(out / CONFIG_NAME, labelling_config(run))
    atomic_write_text(out / TASKS_NAME, json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")


def _task(run: AnnotationRun, item: ReviewItem, name: str) -> dict[str, Any]:
    picture = Picture(name, "", item.width_px, item.height_px)
    score = 1 - item.scores["suspicion"]
    suggested = _answer(run, item.suggested, item.category, item.reason, score)
    task = task_of(run, AnnotatedPicture(picture, suggested))
    task.setdefault("predictions", [{"model_version": run.model, "score": score, "result": []}])
    given = AnnotatedPicture(picture, _answer(run, item.given, item.category, "", score))
    task["data"] |= {"id": item.id, "asked": item.question or item.category, "why": " ".join(item.why)}
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

    The last annotation of a task counts; without one, or where it states no label, nothing is decided. A
    choice that is the most probable class of the given label keeps it as it is.

    Raises:
        DataError: The file is not such an export, or a task belongs to no row.
    """
    golds = {gold.id: gold for split in dataset.manifest.counts for gold in dataset.golds(split)}
    run, decisions = _run(dataset, path.parent), {}
    try:
        tasks = strict_json.loads(path.read_bytes().removeprefix(BOM_UTF8))
        for task in tasks:
            uid = task["data"]["id"]
            if uid not in golds:
                raise ValueError(f"task {uid!r} is not a row of {dataset.root}")
            done = [of["result"] for of in task.get("annotations", ()) if not of.get("was_cancelled")]
            decisions[uid] = _decision(run, golds[uid], done)
    except (AttributeError, LookupError, OSError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not a JSON export of the tasks of this audit ({error}); export the project as JSON, "
            "and name the dataset that was audited"
        ) from error
    return decisions


def _decision(run: AnnotationRun, gold: Gold, annotations: Sequence[Any]) -> Decision:
    if not annotations:
        return Decision(gold.id, "skip")
    label = annotation_of(run, annotations[-1], gold.width_px, gold.height_px)
    if label is None:
        return Decision(gold.id, "skip")
    kind = KINDS[gold.kind]
    same_class = run.has_shares and run.label(Answer(annotation=label)) == run.label(
        Answer(annotation=gold.annotation)
    )
    if same_class or kind.similarity(gold.annotation, label, kind.audit_variant) >= _SAME:
        return Decision(gold.id, "accept")
    return Decision(gold.id, "edit", json.dumps(kind.to_json(label)))
