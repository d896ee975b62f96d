"""One annotation out of several samples, and how far the samples agree with it."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rise_bench.annotations.annotation_kind import AnnotationKind
from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.annotate.records import Answer
from rise_bench.scoring.response import read_response

#: Overlap from which two samples have the same part.
_SAME_PART = 0.5

#: Why a readable answer gives no annotation: no box inside the picture, no class with a probability.
NOTHING_VALID = "nothing_valid"


class Sample(NamedTuple):
    """Reading of one response: an annotation or None, its reason, and "ok" or why it is unreadable."""

    annotation: Annotation | None
    reason: str
    reading: str


def read_sample(spec: BenchmarkSpec, asked: Gold, text: str, answer_format: AnswerFormat) -> Sample:
    """Read a response to a picture that has no ground truth.

    Args:
        spec: Benchmark whose question was asked.
        asked: The picture, with any annotation.
        text: The response.
        answer_format: Requested format of the answer.
    """
    kind = KINDS[spec.kind]
    reading = read_response(text, spec.kind, spec.classes, style=answer_format.style)
    if reading.annotation is None:
        return Sample(None, reading.think, reading.reason)
    stated = kind.rescale(reading.annotation, answer_format.frame(asked), asked.frame_px)
    annotation = kind.tidied(stated, asked.frame_px)
    return Sample(annotation, reading.think, NOTHING_VALID if annotation is None else "ok")


def consensus(kind: AnnotationKind[Annotation], samples: Sequence[Sample], category: str = "") -> Answer:
    """Take the sample that the others agree with most (the medoid), the first of equals.

    Agreement of two samples is their similarity, averaged over both directions; with one that cannot be read
    it is 0.

    Args:
        kind: The kind of annotation.
        samples: Readings, at least one.
        category: Class that was asked for.
    """
    annotations = [sample.annotation for sample in samples]
    readable = [i for i, annotation in enumerate(annotations) if annotation is not None]
    if not readable:
        reading = Counter(sample.reading for sample in samples).most_common(1)[0][0]
        return Answer(category, reason=samples[0].reason, reading=reading)
    agreement = {i: sum(_agreement(kind, annotations, i, j) for j in readable if j != i) for i in readable}
    best = max(readable, key=lambda i: (agreement[i], -i))
    others = len(samples) - 1
    return Answer(
        category,
        annotations[best],
        samples[best].reason,
        confidence=agreement[best] / others if others else 1.0,
        parts=_shares_of_parts(kind, annotations, best),
        readable=len(readable),
    )


def _agreement(
    kind: AnnotationKind[Annotation], annotations: Sequence[Annotation | None], i: int, j: int
) -> float:
    a, b = annotations[i], annotations[j]
    if a is None or b is None:
        return 0.0
    variant = kind.audit_variant
    return (kind.similarity(a, b, variant) + kind.similarity(b, a, variant)) / 2


def _shares_of_parts(
    kind: AnnotationKind[Annotation], annotations: Sequence[Annotation | None], best: int
) -> tuple[float, ...]:
    """Share of the samples that have each part of the best one, itself included."""
    chosen = annotations[best]
    assert chosen is not None
    counts = [1] * len(kind.overlay(chosen))
    for i, other in enumerate(annotations):
        if i != best and other is not None:
            for part, _, overlap in kind.matches(chosen, other):
                counts[part] += overlap >= _SAME_PART
    return tuple(count / len(annotations) for count in counts)
