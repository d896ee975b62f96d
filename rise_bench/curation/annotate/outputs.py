"""Results of an annotation run: its formats, the review queue and what the run was."""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.kinds import label_problem
from rise_bench.curation.annotate.answers import REFUSED, Answers
from rise_bench.curation.annotate.formats import FORMATS, json_lines
from rise_bench.curation.annotate.job import AnnotateJob
from rise_bench.curation.annotate.records import Answer, Picture
from rise_bench.curation.annotate.sampling import Asked
from rise_bench.curation.decisions import Decision, read_decisions, set_aside, write_decisions
from rise_bench.curation.queue import QUEUE_NAME, QueueHeader, ReviewItem, ReviewQueue, write_queue
from rise_bench.data.manifest import DECISIONS_NAME
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_write_text, sha256_file
from rise_bench.files.json_text import json_text
from rise_bench.prompts.templates import task_sentence

SUMMARY_NAME = "annotate.json"

#: Hash of each picture that was decided on and is not asked about this time.
_DECIDED_NAME = "decided-pictures.json"

#: What K = 1 says of its confidences.
NO_CONFIDENCE = (
    "one sample: every confidence is 1.0 and says nothing; draw several with --samples to know how sure "
    "the model is"
)
_AGREEMENT = "agreement of the other samples; of a box, the share of the samples that have it (IoU 0.5)"

#: Refused questions that a summary shows.
_SHOWN = 20


@dataclass(slots=True)
class Counts:
    """Numbers of a run.

    Attributes:
        pictures: Pictures that could be read.
        answers: Questions by outcome: "annotated", "unreadable" or "refused".
        samples: Responses by reading: "ok", or why they could not be read.
        left_out: Pictures that a format cannot hold, by its name, with the reason.
    """

    pictures: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, list[str]] = field(default_factory=dict)


def write_outputs(
    job: AnnotateJob, answers: Answers, asked: Asked, judge: dict[str, Any], progress: Callable[[int], None]
) -> dict[str, Any]:
    """Write everything; `annotate.json` last, so that a folder that has it is complete.

    Args:
        job: The run.
        answers: Its answers.
        asked: Counts of the questions.
        judge: The groundedness judge's description of itself; empty without one.
        progress: Called with the number of pictures just written.

    Returns:
        The content of `annotate.json`.
    """
    (job.out / SUMMARY_NAME).unlink(missing_ok=True)
    counts = _write_answers(job, answers, progress)
    renamed, aside = _follow_decisions(job)
    decided = _write_formats(job, answers, counts)
    write_queue(job.out, _queue_header(job), _items(job))
    refused = dict(list(asked.refused.items())[:_SHOWN])
    summary = job.settings() | {
        "kind": job.run.spec.kind,
        "classes": list(job.run.spec.classes),
        "categories": list(job.run.categories),
        "pictures_folder": str(job.run.pictures),
        "pictures": counts.pictures,
        "skipped": [asdict(skipped) for skipped in asked.skipped],
        "answers": dict(counts.answers),
        "sample_readings": dict(counts.samples),
        "refused": refused,
        "left_out": counts.left_out,
        "confidence": NO_CONFIDENCE if job.run.samples == 1 else _AGREEMENT,
        "tokens": asdict(answers.tokens),
        "judge": judge,
        "decisions_set_aside": aside,
        "decisions_of_renamed_pictures": renamed,
        "decisions_in_files": decided,
        "files": {name: FORMATS[name].file for name in _names(job)},
    }
    atomic_write_text(job.out / SUMMARY_NAME, json_text(summary) + "\n")
    return summary


def _follow_decisions(job: AnnotateJob) -> tuple[int, int]:
    """Give renamed pictures their decisions, and set those aside whose picture is another one now.

    Compares the pictures of the queue that is there with those of the one to be written. Pictures that are
    not asked about this time are remembered, so that the decisions hold when they are again.

    Returns:
        The number of decisions that follow a renamed picture, and of those set aside.
    """
    path = job.out / DECISIONS_NAME
    decided = read_decisions(path).keys()
    if not decided or not (job.out / QUEUE_NAME).is_file():
        return 0, 0
    now = {item.id: item.image_sha256 for item in _items(job) if item.id in decided}
    record = job.out / _DECIDED_NAME
    before = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    try:
        queue = ReviewQueue(job.out)
        before |= {uid: queue.item(i).image_sha256 for i, uid in enumerate(queue.ids) if uid in decided}
    except DataError:  # nobody knows what was decided on
        before = dict.fromkeys(decided, "?")
    kept = {uid: image for uid, image in before.items() if uid in decided and uid not in now}
    changed = {uid: image for uid, image in before.items() if image and now.get(uid, image) != image}
    renamed = _renamed(job, kept | changed, now.keys() - changed.keys())
    left = {uid: image for uid, image in kept.items() if uid not in renamed}
    atomic_write_text(record, json_text(left) + "\n")
    aside = set_aside(job.out, changed.keys() - renamed.keys())
    if renamed:
        latest = read_decisions(path)  # somebody may be reviewing
        moved = {renamed.get(uid, uid): decision for uid, decision in latest.items()}
        write_decisions(path, [replace(decision, id=uid) for uid, decision in moved.items()])
    return len(renamed), aside


def _renamed(job: AnnotateJob, moved: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """Return old and new id of each picture that, as the same bytes, has one other name by now.

    Args:
        job: The run.
        moved: Hash of the picture of each id that is gone or shows another one now.
        taken: Ids that keep a decision of their own.
    """
    ids_of: dict[tuple[str, str], list[str]] = {}
    for item in _items(job) if moved else ():
        ids_of.setdefault((item.image_sha256, item.category), []).append(item.id)
    renamed = {}
    for uid, image in moved.items():
        path, _, category = uid.rpartition("#") if job.run.categories else (uid, "", "")
        names = ids_of.get((image, category), [])
        is_here = (job.run.pictures / path).is_file()  # and not asked about this time
        if is_here and sha256_file(job.run.pictures / path) == image:
            continue
        if image and len(names) == 1 and names[0] not in taken:
            renamed[uid] = names[0]
    counts = Counter(renamed.values())
    return {old: new for old, new in renamed.items() if counts[new] == 1}


def _names(job: AnnotateJob) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("jsonl", *job.formats)))


def _write_answers(job: AnnotateJob, answers: Answers, progress: Callable[[int], None]) -> Counts:
    """Write `annotations.jsonl`, the answers of the model."""
    counts = Counts()
    with json_lines.write(job.out, job.run) as add_picture:
        for picture, readings in answers.annotated():
            counts.pictures += 1
            counts.answers.update(map(_outcome, picture.answers))
            counts.samples.update(readings)
            add_picture(picture)
            progress(1)
    return counts


def _write_formats(job: AnnotateJob, answers: Answers, counts: Counts) -> int:
    """Write the other formats, with what people have decided; return the number of their annotations."""
    names = [name for name in _names(job) if name != "jsonl"]
    header, decisions = _queue_header(job), read_decisions(job.out / DECISIONS_NAME)
    decided = 0
    with ExitStack() as stack:
        add = {name: stack.enter_context(FORMATS[name].write(job.out, job.run)) for name in names}
        for picture, _ in answers.annotated() if names else ():
            own = {answer.category: decisions.get(_id(picture.picture, answer)) for answer in picture.answers}
            labels = {}
            for category, decision in own.items():
                try:
                    labels[category] = _label(job, picture.picture, category, decision, header)
                except DataError as error:
                    counts.left_out.setdefault("decisions", []).append(str(error))
            decided += sum(label is not None for label in labels.values())
            answered = tuple(_as_decided(job, a, labels.get(a.category)) for a in picture.answers)
            changed = replace(picture, answers=answered)
            for name, add_picture in add.items():
                try:
                    add_picture(changed)
                except DataError as error:
                    counts.left_out.setdefault(name, []).append(str(error))
    return decided


def _label(
    job: AnnotateJob, picture: Picture, category: str, decision: Decision | None, header: QueueHeader
) -> Annotation | None:
    """The annotation that was decided on; None if the model's stays.

    Raises:
        DataError: It cannot be read, or is none of this picture.
    """
    if decision is None or (label := decision.read(header)) is None:
        return None
    stated = replace(job.gold(picture, category), annotation=label)
    if problem := label_problem(stated, job.run.spec.classes):
        raise DataError(f"{decision.id}: {problem}; decide it again in `rise-bench review`")
    return label


def _as_decided(job: AnnotateJob, answer: Answer, label: Annotation | None) -> Answer:
    """The answer with the annotation that a person has chosen; a reason for another one is left out."""
    if label is None:
        return answer
    reason = answer.reason if label == answer.annotation else ""
    parts = (1.0,) * len(job.run.kind.overlay(label))
    return replace(answer, annotation=label, reason=reason, reading="ok", confidence=1.0, parts=parts)


def _id(picture: Picture, answer: Answer) -> str:
    return f"{picture.path}#{answer.category}" if answer.category else picture.path


def _outcome(answer: Answer) -> str:
    if answer.annotation is not None:
        return "annotated"
    return REFUSED if answer.reading == REFUSED else "unreadable"


def _queue_header(job: AnnotateJob) -> QueueHeader:
    run = job.run
    return QueueHeader(
        title=f"Annotations of {run.pictures.name} by {run.model}",
        made_by="annotate",
        kind=run.spec.kind,
        order="confidence, the lowest first",
        classes=run.spec.classes,
        categories=run.categories,
        pictures=str(run.pictures),
    )


def _items(job: AnnotateJob) -> Iterator[ReviewItem]:
    """Yield the lines of `annotations.jsonl`, the least certain first; memory holds where they begin."""
    confidences, offsets = array("d"), array("q")
    with (job.out / json_lines.NAME).open("rb") as file:
        offset = 0
        for line in file:
            confidence = json.loads(line)["confidence"]
            confidences.append(-1.0 if confidence is None else confidence)
            offsets.append(offset)
            offset += len(line)
        for index in sorted(range(len(offsets)), key=confidences.__getitem__):
            file.seek(offsets[index])
            yield _item(job, *json_lines.answer_of(job.run, json.loads(file.readline())))


def _item(job: AnnotateJob, picture: Picture, answer: Answer) -> ReviewItem:
    scores = {
        "confidence": answer.confidence,
        "groundedness": answer.groundedness,
        "worst_sentence": answer.worst_sentence,
    }
    return ReviewItem(
        id=_id(picture, answer),
        width_px=picture.width_px,
        height_px=picture.height_px,
        image=picture.path,
        image_sha256=picture.sha256,
        question=task_sentence(job.run.spec, job.gold(picture, answer.category)),
        category=answer.category,
        suggested=answer.annotation,
        reason=answer.reason,
        scores={name: value for name, value in scores.items() if value is not None},
        why=_why(job.run.samples, answer),
    )


def _why(samples: int, answer: Answer) -> tuple[str, ...]:
    if answer.annotation is None:
        return (f"The model gave no annotation that can be read ({answer.reading}).",)
    if samples == 1:
        return ()
    unread = samples - answer.readable
    agreement = f"The other {samples - 1} samples agree with it by {answer.confidence:.0%}."
    return (agreement, f"{unread} samples could not be read.") if unread else (agreement,)
