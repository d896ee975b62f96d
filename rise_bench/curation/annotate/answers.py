"""The answers of a run, read from its log, one picture at a time."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from rise_bench.cot.row_log import read_at, read_rows
from rise_bench.curation.annotate.consensus import Sample, consensus, read_sample
from rise_bench.curation.annotate.job import AnnotateJob, key_of
from rise_bench.curation.annotate.records import AnnotatedPicture, Answer, Picture
from rise_bench.curation.annotate.sampling import PICTURES_NAME
from rise_bench.models.sampler import TokenCount

#: Reading of a question that the model refused.
REFUSED = "refused"


class Answers:
    """The log of a run that has ended; memory holds where its lines begin.

    Attributes:
        tokens: Tokens of all starts of the run.
        grounded: Groundedness of reasons by id of the question: of the whole, of the worst sentence.
    """

    def __init__(self, job: AnnotateJob) -> None:
        """Find the lines of the log of a run."""
        self._job = job
        self.grounded: Mapping[str, tuple[float, float]] = {}
        self._places: dict[str, tuple[Path, int]] = {}
        of_starts: dict[str, TokenCount] = {}
        for row, path, offset in read_rows([job.log]):
            self._places[row["id"]] = path, offset
            of_starts[row["attempt"]] = TokenCount(**row["tokens"])  # a running count: the last is the sum
        counts = of_starts.values()
        self.tokens = TokenCount(
            sum(c.prompt for c in counts), sum(c.completion for c in counts), sum(c.uncounted for c in counts)
        )

    def pictures(self) -> Iterator[Picture]:
        """Yield the pictures of the last start, in order."""
        with (self._job.log / PICTURES_NAME).open(encoding="utf-8") as file:
            for line in file:
                yield Picture(**json.loads(line))

    def annotated(self) -> Iterator[tuple[AnnotatedPicture, list[str]]]:
        """Yield each picture with its answers, and the reading of every sample."""
        for picture in self.pictures():
            readings: list[str] = []
            answers = []
            for category in self._job.asked:
                samples = self._samples(picture, category)
                readings += [sample.reading for sample in samples] or [REFUSED] * self._job.run.samples
                answers.append(self._answer(picture, category, samples))
            yield AnnotatedPicture(picture, tuple(answers)), readings

    def _answer(self, picture: Picture, category: str, samples: list[Sample]) -> Answer:
        if not samples:
            return Answer(category, reading=REFUSED)
        answer = consensus(self._job.run.kind, samples, category)
        whole, worst = self.grounded.get(key_of(picture, category), (None, None))
        return replace(answer, groundedness=whole, worst_sentence=worst)

    def _samples(self, picture: Picture, category: str) -> list[Sample]:
        place = self._places.get(key_of(picture, category))
        if place is None:
            return []
        job, asked = self._job, self._job.gold(picture, category)
        texts = read_at(*place)["responses"]
        return [read_sample(job.run.spec, asked, text, job.answer_format) for text in texts]
