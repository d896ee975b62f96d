"""Interface of a kind of annotation for the rest of the project."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from rise_bench.annotations.base import Annotation, Frame, Gold, Outline, SimilarityVariant
from rise_bench.annotations.leak_rule import Secrets

if TYPE_CHECKING:
    from random import Random

    from rise_bench.annotations.boxes.values import Box, BoxUnit
    from rise_bench.annotations.metric import Metric, RankedScore
    from rise_bench.annotations.trainer_form import TrainerForms

#: How a person edits the values of `AnnotationKind.to_json`: `boxes`, lists `[x, y, w, h]` dragged over the
#: image; `outlines`, lists of points `[x, y]` likewise; `shares`, a slider for each class that keep their sum
#: 1; `text`, any values as JSON.
Editor = Literal["boxes", "outlines", "shares", "text"]

Predictor = Callable[[Gold], Annotation]
A = TypeVar("A", bound=Annotation)


class AnnotationKind(ABC, Generic[A]):
    """A kind of annotation: how it is read, written, stored, checked, compared and shown.

    Attributes:
        name: Name in manifests and in `KINDS`.
        metrics: Metrics of a benchmark of this kind, the main one first: logs keep its rows, and win-rates
            compare by it.
        columns: Columns of a row that hold the annotation.
        task_category: Task of the Hub that it belongs to.
        secret: Content that a chain of thought may not write, as the prompt says it.
        answer_form: Word between the tags of an answer in prompts.
        fitted: Baselines that need training samples.
        prior: Baseline that a chain of thought has to beat.
        references: Baselines that a win-rate is against, the preferred one first; none without a win-rate.
        in_frame: Whether its numbers mean something only in a frame.
        outlined: Whether `outlines` say more of the parts than the boxes of `overlay`.
        variants: Variants of the similarity that differ for this kind.
        audit_variant: Variant that an error on either side lowers.
        min_classes: Classes that a benchmark needs at least.
        trainer_forms: Forms of an answer that other trainers compare, by ranking metric.
        limits: Limits of the scores for their readers, in sentences.
        editor: Form in which a person edits an annotation.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    columns: ClassVar[tuple[str, ...]]
    task_category: ClassVar[str] = "image-text-to-text"
    secret: ClassVar[str] = "the annotation"
    answer_form: ClassVar[str] = "JSON"
    fitted: ClassVar[tuple[str, ...]] = ()
    prior: ClassVar[str]
    references: ClassVar[tuple[str, ...]] = ()
    in_frame: ClassVar[bool] = False
    outlined: ClassVar[bool] = False
    variants: ClassVar[tuple[SimilarityVariant, ...]] = ("paper",)
    audit_variant: ClassVar[SimilarityVariant] = "paper"
    min_classes: ClassVar[int] = 0
    trainer_forms: ClassVar[Mapping[str, TrainerForms]] = {}
    limits: ClassVar[tuple[str, ...]] = ()
    editor: ClassVar[Editor] = "text"

    # Text

    @abstractmethod
    def parse(self, answer: str, classes: tuple[str, ...], closed: bool) -> tuple[A | None, str]:
        """Return the annotation that an answer states and "ok", or None and the reason; never raises.

        Args:
            answer: Text of the answer.
            classes: Class names of the benchmark.
            closed: Whether the end of the answer was marked; if not, it may be truncated.
        """

    @abstractmethod
    def render(self, annotation: A, digits: int | None = None) -> str:
        """Write an annotation as a model is asked to; `digits` decimals, the usual number if None."""

    @abstractmethod
    def instructions(self, classes: Sequence[str], unit: BoxUnit, frame: Frame) -> str:
        """Return the sentences of a prompt that say how an answer is written."""

    @abstractmethod
    def examples(self, classes: tuple[str, ...]) -> tuple[A, ...]:
        """Return annotations that are written in different ways, for an image of 640 x 480 pixels."""

    def explained(self, annotation: A) -> str:
        """Return what a reason prompt says behind an annotation that does not explain itself."""
        return ""

    def describe(self, classes: Sequence[str]) -> str:
        """Return what the annotations of a benchmark are, in a few words."""
        return f"{self.name} over {len(classes)} classes" if classes else self.name

    # Ground truth

    def class_problem(self, classes: Sequence[str]) -> str:
        """Return why the class names cannot be asked about and read; empty if they can."""
        return ""

    def classes_of(self, annotation: A) -> tuple[str, ...]:
        """Return the class names that an annotation is over."""
        return ()

    def secrets(self, annotation: A, category: str) -> Secrets:
        """Return what a chain of thought may not write: any number, and class names under the strict rule."""
        return Secrets(classes=tuple(filter(None, (*self.classes_of(annotation), category))))

    def problem(self, gold: Gold, classes: tuple[str, ...]) -> str:
        """Return why a ground truth cannot be scored against; empty if it can."""
        return ""

    def build_problem(self, gold: Gold) -> str:
        """Return why a ground truth that can be scored against is still refused by `build`; empty if not."""
        return ""

    def is_empty(self, annotation: A) -> bool:
        """Whether an annotation states that there is nothing to annotate."""
        return False

    def group(self, annotation: A, category: str) -> str:
        """Return the class that "4 of a class" counts."""
        return category

    # Storage

    @abstractmethod
    def features(self, classes: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
        """Return the `datasets` features of `columns`."""

    @abstractmethod
    def to_columns(self, gold: Gold, categories: tuple[str, ...]) -> dict[str, Any]:
        """Return the values of `columns`."""

    @abstractmethod
    def from_columns(self, row: Mapping[str, Any], classes: tuple[str, ...]) -> A:
        """Read an annotation from `columns`."""

    def stored(self, annotation: A) -> A:
        """Return an annotation at the precision of the columns."""
        return annotation

    @abstractmethod
    def to_json(self, annotation: A) -> list[Any]:
        """Return an annotation as JSON values, the class names left out."""

    @abstractmethod
    def from_json(self, values: Sequence[Any], classes: tuple[str, ...]) -> A:
        """Read an annotation from the values of `to_json`."""

    def canonical(self, annotation: A) -> list[Any]:
        """Return JSON values that are the same before and after storage."""
        return self.to_json(annotation)

    # Scores

    @abstractmethod
    def similarity(self, gold: A, stated: A, variant: SimilarityVariant = "paper") -> float:
        """Return S of eqs. 2-6, in [0, 1] (`literal` may exceed 1); finite on any finite input."""

    def entropy(self, annotation: A) -> float | None:
        """Return how undecided an annotation is, in nats; None where that cannot be said."""
        return None

    @abstractmethod
    def baselines(self, train: Sequence[Gold]) -> dict[str, Predictor]:
        """Return the constant predictors fitted to at least one sample, by name."""

    def in_place_of(self, annotation: A, given: A) -> A:
        """Return a label that replaces a given one, with what that has beside its answer."""
        return annotation

    # Frames

    def rescale(self, annotation: A, source: Frame, target: Frame) -> A:
        """Express an annotation in another frame."""
        return annotation

    # Annotating new images

    def tidied(self, annotation: A, frame: Frame) -> A | None:
        """Return a stated annotation as a ground truth has to be; None if nothing of it can be one."""
        return annotation

    def ranked_scores(
        self, golds: Sequence[Gold], stated: Sequence[A | None], confidences: Sequence[Sequence[float]]
    ) -> dict[str, RankedScore]:
        """Return scores that use the confidence of each part, by name.

        Args:
            golds: Ground truth, in order of ids.
            stated: Stated annotation of each; None if unreadable.
            confidences: Confidence of each part that `overlay` shows.
        """
        return {}

    # Audit

    def planted_errors(self, gold: Gold, other: Gold, rng: Random) -> dict[str, A]:
        """Return wrong annotations of an image by the name of their error, to test what finds them.

        Args:
            gold: Ground truth of the image.
            other: Ground truth of another image.
            rng: Source of chance.
        """
        annotation: Any = self.rescale(other.annotation, other.frame_px, gold.frame_px)  # type: ignore[arg-type]
        return {"swapped": annotation}

    def label_quality(self, given: Sequence[A], answers: Sequence[Sequence[A]]) -> list[float] | None:
        """Return cleanlab's score of each label, low for a bad one; None if cleanlab has none for the kind.

        Args:
            given: The labels, at least one.
            answers: Answers of a model to each image, in the same frame; none if unreadable.
        """
        return None

    # Comparison of submissions

    def coordinates(self, gold: Gold, stated: A) -> tuple[float, ...]:
        """Return numbers around 1 that say what is stated, as many for each sample; none for nothing."""
        return ()

    def landmarks(self, gold: Gold, stated: A) -> tuple[float, ...]:
        """Return up to four of them that are hard to change without changing the answer."""
        return self.coordinates(gold, stated)[:4]

    def is_wrong(self, gold: A, stated: A) -> bool:
        """Whether an answer is clearly wrong, so that another model is unlikely to give it too."""
        return self.similarity(gold, stated) < 0.5

    def is_certain(self, gold: A) -> bool:
        """Whether a good model is expected to state exactly the ground truth."""
        return False

    def is_round(self, stated: A) -> bool:
        """Whether an answer has so few digits that others give the same."""
        return False

    # Display

    def compare(self, gold: A, stated: A) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Return a table of both annotations: its headings and rows."""
        return ("true", "stated"), [(self.render(gold), self.render(stated))]

    def matches(self, gold: A, stated: A) -> tuple[tuple[int, int, float], ...]:
        """Return (index of a true part, index of a stated part, overlap) of an annotation with parts."""
        return ()

    def overlay(self, annotation: A) -> tuple[Box, ...]:
        """Return the boxes around the parts of an annotation over its image."""
        return ()

    def outlines(self, annotation: A) -> tuple[Outline, ...]:
        """Return the outlines of the parts, as they are drawn; filled by the even-odd rule."""
        return tuple(
            ((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for x, y, w, h in self.overlay(annotation)
        )

    def shares(self, annotation: A) -> dict[str, float]:
        """Return numbers in [0, 1] that show an annotation as bars."""
        return {}
