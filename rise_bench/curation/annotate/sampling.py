"""Asking a model about the pictures of a folder, so that a killed run asks for nothing twice.

Pictures are read when there is room for a question, and forgotten with its answer. A response is in
the log before it counts, under the hash of the picture and the class that was asked for.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TextIO

from rise_bench.cot.row_log import SYNC_S, RowLog, next_attempt, read_rows
from rise_bench.cot.sweep import batches
from rise_bench.curation.annotate.job import AnnotateJob, key_of
from rise_bench.curation.annotate.pictures import Skipped, picture_paths, read_picture
from rise_bench.curation.annotate.records import Picture
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_text_file
from rise_bench.models.calls import in_parallel
from rise_bench.models.sampler import AsyncSampler, Prompt, SampleError, Sampler, Texts

PICTURES_NAME = "pictures.jsonl"

#: Questions that a model may refuse before it answers the first one, unless an earlier start has answers.
_PATIENCE = 20

_Question = tuple[str, Prompt]


@dataclass(slots=True)
class Asked:
    """Counts of a run's questions.

    Attributes:
        answered: Questions that were answered now.
        reused: Questions that had been answered before, or for another file of the same content.
        refused: Id of a question -> why the model refused it.
        skipped: Files that cannot be annotated.
    """

    answered: int = 0
    reused: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


def ask(job: AnnotateJob, progress: Callable[[int], None]) -> Asked:
    """Ask what no earlier start has an answer to, and list the pictures in the log.

    Raises:
        PrerequisiteError: The model cannot be reached.
        DataError: It refuses every question.
    """
    asked, done = Asked(), answered_keys(job)
    patience = None if done else _PATIENCE
    log = RowLog(job.log, 0, attempt=next_attempt(job.log), sync_s=SYNC_S)
    sampler: Sampler | None = None
    try:
        with atomic_text_file(job.log / PICTURES_NAME) as pictures:
            questions = _questions(job, pictures, asked, done, progress)
            first = next(questions, None)
            if first is not None:
                sampler = job.load()
                _ask_all(job, sampler, chain((first,), questions), asked, log, progress, patience)
    finally:
        log.close()
        if sampler is not None:
            sampler.close()
    return asked


def answered_keys(job: AnnotateJob) -> set[str]:
    """Return the keys of the questions that have an answer."""
    return {row["id"] for row, *_ in read_rows([job.log])}


def _ask_all(
    job: AnnotateJob,
    sampler: Sampler,
    questions: Iterator[_Question],
    asked: Asked,
    log: RowLog,
    progress: Callable[[int], None],
    patience: int | None,
) -> None:
    async def answer(model: AsyncSampler, batch: Sequence[_Question]) -> Texts:
        return await model.sample([prompt for _, prompt in batch], job.run.samples, job.max_length)

    for batch, future in in_parallel(answer, sampler, batches(questions, sampler.batch_rows)):
        try:
            responses = future.result()
        except SampleError as error:
            asked.refused |= {key: str(error) for key, _ in batch}
        else:
            so_far = asdict(sampler.tokens)
            log.append(
                {"id": key, "responses": texts, "tokens": so_far}
                for (key, _), texts in zip(batch, responses, strict=True)
            )
            asked.answered += len(batch)
        progress(len(batch))
        if patience and not asked.answered and len(asked.refused) >= patience:
            raise DataError(
                f"the model refused the first {len(asked.refused)} questions: "
                f"{next(iter(asked.refused.values()))}"
            )


def _questions(
    job: AnnotateJob, pictures: TextIO, asked: Asked, known: set[str], progress: Callable[[int], None]
) -> Iterator[_Question]:
    for key, picture, data, category in open_questions(job, pictures, asked, known, progress):
        yield key, job.prompt(picture, data, category)


def open_questions(
    job: AnnotateJob, pictures: TextIO, asked: Asked, known: set[str], progress: Callable[[int], None]
) -> Iterator[tuple[str, Picture, bytes, str]]:
    """Yield the key, the picture, its bytes and the class of each question without an answer.

    Args:
        job: The annotation run.
        pictures: File that gets a line for each picture.
        asked: Counts, of which `skipped` and `reused` are added to.
        known: Keys with an answer, to which the yielded ones are added.
        progress: Called with the number of questions that need not be asked.
    """
    folder = job.run.pictures
    for path in picture_paths(folder, job.out.resolve()):
        read = read_picture(folder, path)
        if isinstance(read, Skipped):
            asked.skipped.append(read)
            progress(len(job.asked))
            continue
        picture, data = read
        pictures.write(json.dumps(asdict(picture)) + "\n")
        for category in job.asked:
            key = key_of(picture, category)
            if key in known:
                asked.reused += 1
                progress(1)
                continue
            known.add(key)
            yield key, picture, data, category
