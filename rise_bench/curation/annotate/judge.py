"""Groundedness of the reasons of a run: how much likelier each is beside its own picture."""

import json
from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from typing import Any, NamedTuple

from rise_bench.cot.grounding import Judge, Judging
from rise_bench.cot.row_log import RowLog, next_attempt, read_rows
from rise_bench.cot.sweep import batches
from rise_bench.curation.annotate.answers import Answers
from rise_bench.curation.annotate.job import AnnotateJob, key_of
from rise_bench.curation.annotate.records import Picture
from rise_bench.data.splits import rank
from rise_bench.files.atomic import sha256_bytes
from rise_bench.files.images import decode_rgb

#: Longest side in which the pictures that reasons are compared on are kept in memory.
_SIDE_PX = 1024
_BATCH = 16

_Scores = dict[tuple[str, str], tuple[float, float]]


class _Reason(NamedTuple):
    """The reason of an annotation; `key` is the id of its question and the hash of the text."""

    picture: Picture
    key: tuple[str, str]
    text: str


def judge_reasons(
    job: AnnotateJob, judging: Judging, answers: Answers, progress: Callable[[int], None]
) -> tuple[dict[str, tuple[float, float]], dict[str, Any]]:
    """Judge the reason of each annotation; scores are kept in the log, so that none is asked for twice.

    Returns:
        Groundedness by id of the question, of the whole and of the worst sentence; what the judge says of
        itself.

    Raises:
        DataError: There is only one picture.
    """
    judge = judging.load()
    pool = _pool(job, judging, answers)
    judging = judging.among(len(pool), job.run.pictures)
    described = judging.described(judge)
    folder = job.log / f"judged-{sha256_bytes(json.dumps(described, sort_keys=True).encode())[:12]}"
    known: _Scores = {
        (row["id"], row["reason_sha256"]): (row["groundedness"], row["worst"])
        for row, *_ in read_rows([folder])
    }
    log = RowLog(folder, 0, attempt=next_attempt(folder))
    scores: dict[str, tuple[float, float]] = {}
    try:
        for batch in batches(_reasons(answers), _BATCH):
            new = [reason for reason in batch if reason.key not in known]
            known |= _judge(job, judge, judging, pool, new, log)
            scores |= {reason.key[0]: known[reason.key] for reason in batch}
            progress(len(batch))
    finally:
        log.close()
    return scores, described


def _reasons(answers: Answers) -> Iterator[_Reason]:
    for annotated, _ in answers.annotated():
        for answer in annotated.annotated:
            if answer.reason:
                key = key_of(annotated.picture, answer.category), sha256_bytes(answer.reason.encode())
                yield _Reason(annotated.picture, key, answer.reason)


def _judge(
    job: AnnotateJob,
    judge: Judge,
    judging: Judging,
    pool: Sequence[tuple[str, Any]],
    reasons: Sequence[_Reason],
    log: RowLog,
) -> _Scores:
    if not reasons:
        return {}
    shown = [_image(job, reason.picture) for reason in reasons]
    others = [_others(reason.picture, pool, judging) for reason in reasons]
    grounded = judge.ground(shown, [reason.text for reason in reasons], others)
    scores = {reason.key: (g.score, g.worst) for reason, g in zip(reasons, grounded, strict=True)}
    log.append(
        {"id": key, "reason_sha256": text, "groundedness": whole, "worst": worst}
        for (key, text), (whole, worst) in scores.items()
    )
    return scores


def _pool(job: AnnotateJob, judging: Judging, answers: Answers) -> list[tuple[str, Any]]:
    """Hash and image of some pictures, chosen by seed, no content twice; one more than a reason needs."""
    first = nsmallest(
        4 * (judging.swaps + 1),
        answers.pictures(),
        key=lambda picture: rank(judging.seed, "pool", picture.sha256),
    )
    distinct = {picture.sha256: picture for picture in first}
    chosen = list(distinct.items())[: judging.swaps + 1]
    return [(sha256, _image(job, picture)) for sha256, picture in chosen]


def _image(job: AnnotateJob, picture: Picture) -> Any:
    image = decode_rgb(job.run.pictures / picture.path, picture.path)
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    return image


def _others(picture: Picture, pool: Sequence[tuple[str, Any]], judging: Judging) -> list[Any]:
    return [image for sha256, image in pool if sha256 != picture.sha256][: judging.swaps]
