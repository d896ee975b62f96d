"""Image-only answers of a model, and what they say of the labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat, Style
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS, similarity
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.annotate.answers import REFUSED
from rise_bench.curation.annotate.consensus import Sample, consensus
from rise_bench.curation.annotate.ranked_scores import annotations_file, answers_by_row
from rise_bench.curation.audit.model import AskedModel, sampling_of
from rise_bench.curation.audit.sampling import Item, sample_rows
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import read_responses
from rise_bench.models.calls import beside_the_loop
from rise_bench.models.sampler import AsyncSampler, Prompt
from rise_bench.prompts.pictures import sized
from rise_bench.prompts.templates import RESPONSE_PROMPTS, answer_only_text
from rise_bench.scoring.response_text import response_text
from rise_bench.scoring.rewards import read_stated

#: Decimals at which an annotation is written to be read again.
_DIGITS = 9

_MAX_TOKENS: Mapping[Style, int] = {"think_answer": 512, "answer_only": 256, "caption": 768}


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of a model to images alone.

    Attributes:
        texts: Responses by row id.
        answer_format: Form in which they were asked for.
    """

    texts: Mapping[str, Sequence[str]]
    answer_format: AnswerFormat

    def stated(self, gold: Gold) -> list[Annotation]:
        """Return the annotations that a row's responses state, boxes in pixels, without unreadable ones."""
        read = (read_stated(gold, text, self.answer_format)[0] for text in self.texts.get(gold.id, ()))
        return [annotation for annotation in read if annotation is not None]

    def agreement(self, gold: Gold) -> float:
        """Return the mean similarity of the label and the responses; an unreadable one counts 0."""
        variant, count = KINDS[gold.kind].audit_variant, len(self.texts[gold.id])
        return sum(similarity(gold.annotation, other, variant) for other in self.stated(gold)) / max(count, 1)


def medoid(stated: Sequence[Annotation]) -> Annotation | None:
    """Return the annotation that the others agree with most; None of none."""
    if not stated:
        return None
    samples = [Sample(annotation, "", "ok") for annotation in stated]
    return consensus(KINDS[stated[0].kind], samples).annotation


def ask(
    spec: BenchmarkSpec,
    rows: Callable[[set[str]], Iterable[Item]],
    ids: Sequence[str],
    model: AskedModel,
    samples: int,
    seed: int,
    log_folder: Path,
    progress: Callable[[int, int], None],
) -> dict[str, list[str]]:
    """Ask a model about rows, except those in the log.

    Args:
        spec: The benchmark.
        rows: Streams the rows with some ids.
        ids: Rows to ask about.
        model: The model.
        samples: Responses a row.
        seed: Seed of sampling.
        log_folder: Folder of the log.
        progress: Called with (rows done, rows in all).

    Returns:
        Responses by row id; none for a row that the model refused.
    """
    form, text = model.answer_format, RESPONSE_PROMPTS[model.answer_format.style]

    async def call(sampler: AsyncSampler, batch: list[Item]) -> list[Mapping[str, Any]]:
        prompts = [
            Prompt(await beside_the_loop(sized, images, gold, form), text(spec, gold, form))
            for gold, images in batch
        ]
        responses = await sampler.sample(prompts, samples, _MAX_TOKENS[form.style])
        return [
            {"id": gold.id, "responses": list(map(response_text, of))}
            for (gold, _), of in zip(batch, responses, strict=True)
        ]

    load = partial(model.open, sampling_of(samples, seed))
    kept = sample_rows(log_folder, ids, rows, load, call, progress)
    return {uid: row["responses"] for uid, row in kept.items() if "responses" in row}


def read_answers(path: Path, dataset: BenchmarkDataset, splits: Iterable[str]) -> Answers:
    """Read answers from elsewhere: `annotations.jsonl` of `annotate`, or a samples file.

    Args:
        path: The file, or the folder of an annotation run.
        dataset: The dataset, whose rows are known by the hashes of their images to an annotation run.
        splits: Splits of the rows.

    Raises:
        DataError: The file has another format.
    """
    if (annotations := annotations_file(path)) is not None:
        kind = KINDS[dataset.spec.kind]
        answers = {
            uid: answer
            for split in splits
            for uid, answer in answers_by_row(annotations, dataset, split).items()
        }
        texts = {
            uid: [] if of.annotation is None else [answer_only_text(kind.render(of.annotation, _DIGITS))]
            for uid, of in answers.items()
            if of.reading != REFUSED
        }
        return Answers(texts, AnswerFormat("answer_only", "px"))
    responses = read_responses(path)
    return Answers({uid: [text] for uid, text in responses.texts.items()}, responses.answer_format)
