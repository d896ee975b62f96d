"""A kind of annotation in a few lines: one word. The project knows nothing of it but what stands here."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from rise_bench.annotations.annotation_kind import AnnotationKind
from rise_bench.annotations.base import Annotation
from rise_bench.annotations.metric import Metric


@dataclass(frozen=True, slots=True)
class Word(Annotation):
    kind: ClassVar[str] = "word"
    text: str


class WordKind(AnnotationKind[Word]):
    name = "word"
    columns = ("word",)
    prior = "most_common"
    fitted = ("most_common",)
    metrics = (
        Metric("exact", "Exact", "Share of right words", ranks=True, sample=lambda a, b: float(a == b)),
    )

    def parse(self, answer, classes, closed):
        text = answer.strip().casefold()
        return (Word(text), "ok") if text.isalpha() else (None, "no_word")

    def render(self, annotation, digits=None):
        return annotation.text

    def instructions(self, classes, unit, frame):
        return "Answer with one word in small letters."

    def examples(self, classes):
        return Word("heron"), Word("crane")

    def features(self, classes, categories):
        from datasets import Value

        return {"word": Value("string")}

    def to_columns(self, gold, categories):
        return {"word": gold.annotation.text}

    def from_columns(self, row, classes):
        return Word(row["word"])

    def to_json(self, annotation):
        return [annotation.text]

    def from_json(self, values, classes):
        return Word(values[0])

    def similarity(self, gold, stated, variant="paper"):
        return float(gold == stated)

    def is_certain(self, gold):
        return True

    def baselines(self, train):
        ((word, _),) = Counter(gold.annotation for gold in train).most_common(1)
        return {"first": lambda gold: Word("heron"), "most_common": lambda gold: word}
