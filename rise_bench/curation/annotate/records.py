"""Records of an annotation run: its pictures and their answers, for the outputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from rise_bench.annotations.annotation_kind import AnnotationKind
from rise_bench.annotations.base import Annotation, Outline
from rise_bench.annotations.boxes.values import TARGET, Box
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be annotated.

    Attributes:
        path: Path in the folder of the pictures, with `/`.
        sha256: Hash of the file.
        width_px: Width as shown.
        height_px: Height as shown.
    """

    path: str
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of a model to a picture; to one class if classes are asked for one at a time.

    Attributes:
        category: Class that was asked for; empty without classes.
        annotation: In pixels of the picture as shown; None if no sample could be read.
        reason: Chain of thought of the sample that was taken.
        reading: "ok", or why there is no annotation.
        confidence: Agreement of the other samples with it, from 0 to 1; None without an annotation.
        parts: For each part of the annotation the share of samples that have it too.
        readable: Number of samples that could be read.
        groundedness: Groundedness of the reason in nats; None if it was not judged.
        worst_sentence: Groundedness of its least grounded sentence.
    """

    category: str = ""
    annotation: Annotation | None = None
    reason: str = ""
    reading: str = "ok"
    confidence: float | None = None
    parts: tuple[float, ...] = ()
    readable: int = 0
    groundedness: float | None = None
    worst_sentence: float | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """A picture with the answers to all that was asked of it."""

    picture: Picture
    answers: tuple[Answer, ...]

    @property
    def annotated(self) -> tuple[Answer, ...]:
        """The answers that have an annotation."""
        return tuple(answer for answer in self.answers if answer.annotation is not None)

    @property
    def confidence(self) -> float | None:
        """Confidence of the least certain annotation; None if there is none."""
        return min((a.confidence for a in self.answers if a.confidence is not None), default=None)


class Part(NamedTuple):
    """A part of an annotation: its label, the box around it, its outline, and its confidence."""

    label: str
    box: Box
    outline: Outline
    confidence: float

    @property
    def area_px(self) -> float:
        """Area of the outline in pixels, by the shoelace formula."""
        points = zip(self.outline, (*self.outline[1:], self.outline[0]), strict=True)
        return abs(sum(x * y_next - x_next * y for (x, y), (x_next, y_next) in points)) / 2


@dataclass(frozen=True)
class AnnotationRun:
    """Settings of an annotation run.

    Attributes:
        pictures: Absolute folder of the pictures.
        spec: Benchmark whose question was asked.
        categories: Classes that were asked for one at a time; empty where there is only one question.
        question: Text that was filled in for `{question}`.
        samples: Answers that were drawn for each question.
        model: Name of the model.
    """

    pictures: Path
    spec: BenchmarkSpec
    categories: tuple[str, ...]
    question: str
    samples: int
    model: str

    @property
    def kind(self) -> AnnotationKind[Annotation]:
        """The kind of annotation."""
        return KINDS[self.spec.kind]

    @cached_property
    def has_boxes(self) -> bool:
        """Whether annotations have parts, with boxes around them."""
        return any(map(self.kind.overlay, self.kind.examples(self.spec.classes)))

    @property
    def has_outlines(self) -> bool:
        """Whether the outlines of the parts say more than their boxes."""
        return self.kind.outlined

    @cached_property
    def has_shares(self) -> bool:
        """Whether annotations are shares of classes."""
        return any(map(self.kind.shares, self.kind.examples(self.spec.classes)))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names that boxes or pictures are labelled with."""
        if self.has_boxes:
            return self.categories or (TARGET,)
        return self.spec.classes if self.has_shares else ()

    def parts(self, answer: Answer) -> Iterator[Part]:
        """Yield the parts of an answer."""
        if answer.annotation is not None:
            boxes, outlines = self.kind.overlay(answer.annotation), self.kind.outlines(answer.annotation)
            for box, outline, confidence in zip(boxes, outlines, answer.parts, strict=True):
                yield Part(answer.category or TARGET, box, outline, confidence)

    def label(self, answer: Answer) -> str:
        """Return the class with the largest share, the first of equals; empty without shares."""
        shares = {} if answer.annotation is None else self.kind.shares(answer.annotation)
        return max(shares, key=shares.__getitem__, default="")

    def reasons(self, picture: AnnotatedPicture) -> list[str]:
        """Return the reasons of a picture, each with its class where there are several."""
        answers = (answer for answer in picture.annotated if answer.reason)
        return [f"{a.category}: {a.reason}" if a.category else a.reason for a in answers]
