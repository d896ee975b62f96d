"""Asking about the pictures of a folder on an engine: the pictures are listed first, then ranks ask."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rise_bench.cot.engines.run import run_engine
from rise_bench.cot.engines.work import Place, refusals
from rise_bench.curation.annotate.job import AnnotateJob, key_of
from rise_bench.curation.annotate.pictures import Skipped, read_picture
from rise_bench.curation.annotate.records import Picture
from rise_bench.curation.annotate.sampling import PICTURES_NAME, Asked, answered_keys, open_questions
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_text_file
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.sampler import AsyncSampler, TokenCount


@dataclass(frozen=True, repr=False)
class AnnotateWork:
    """Questions about the pictures that the log lists."""

    job: AnnotateJob

    @property
    def log_folder(self) -> Path:
        """Folder of the responses."""
        return self.job.log

    def places(self) -> Iterator[tuple[str, Place]]:
        """Yield each question once, with the path of its picture and its class."""
        seen: set[str] = set()
        with (self.job.log / PICTURES_NAME).open(encoding="utf-8") as file:
            for line in file:
                picture = Picture(**json.loads(line))
                for category in self.job.asked:
                    key = key_of(picture, category)
                    if key not in seen:
                        seen.add(key)
                        yield key, [picture.path, category]

    def done(self) -> set[str]:
        """Return the questions with an answer."""
        return answered_keys(self.job)

    async def answer(self, sampler: AsyncSampler, uid: str, place: Place) -> Sequence[Mapping[str, Any]]:
        """Read the picture and ask."""
        path, category = place
        read = await asyncio.to_thread(read_picture, self.job.run.pictures, path)
        if isinstance(read, Skipped):
            raise DataError(f"{path}: {read.why}. Start the same command again")
        picture, data = read
        if key_of(picture, category) != uid:
            raise DataError(f"{path} was changed after it was listed; start the same command again")
        prompt = self.job.prompt(picture, data, category)
        (texts,) = await sampler.sample([prompt], self.job.run.samples, self.job.max_length)
        return [{"id": uid, "responses": texts}]

    def row(self, row: Mapping[str, Any], tokens: TokenCount) -> Mapping[str, Any]:
        """Return the row with the tokens of the rank so far."""
        return {**row, "tokens": asdict(tokens)}


def ask_on_engine(job: AnnotateJob, progress: Callable[[int], None]) -> Asked:
    """Ask what no earlier start has an answer to, and list the pictures in the log.

    Raises:
        RiseError: See `run_engine`.
    """
    if job.engine is None or not isinstance(job.load, EndpointSettings):
        raise TypeError("an engine needs the settings of an endpoint")
    asked, known = Asked(), answered_keys(job)
    with atomic_text_file(job.log / PICTURES_NAME) as pictures:
        new = sum(1 for _ in open_questions(job, pictures, asked, known, progress))
    if new:
        work = AnnotateWork(replace(job, judging=None))
        run_engine(work, job.engine, job.load, progress=progress)
        asked.refused = refusals(work)
        asked.answered = new - len(asked.refused)
    return asked
