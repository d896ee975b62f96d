"""The kind of annotation that is one number, letter or short word."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from rise_bench.annotations.annotation_kind import AnnotationKind, Predictor
from rise_bench.annotations.base import Frame, Gold, SimilarityVariant
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.annotations.leak_rule import Secrets
from rise_bench.annotations.value.label_quality import label_quality
from rise_bench.annotations.value.leak_statements import leak_statements
from rise_bench.annotations.value.metrics import METRICS
from rise_bench.annotations.value.parsing import read_value
from rise_bench.annotations.value.planted_errors import planted_errors
from rise_bench.annotations.value.similarity import value_similarity
from rise_bench.annotations.value.spelt_numbers import spell
from rise_bench.annotations.value.trainer_forms import ASK, ValueForms
from rise_bench.annotations.value.values import Value, number_value

#: Ends of an answer that is cut off inside a number.
_CUT = ("+", "-", "/", "=", ",", "(", "\\", ":")


class ValueKind(AnnotationKind[Value]):
    """One value: a count, the letter of a choice, a word."""

    name = "value"
    metrics = METRICS
    columns = ("value",)
    task_category = "visual-question-answering"
    secret = "the final answer itself"
    answer_form = "value"
    fitted = ("most_frequent", "median")
    prior = "most_frequent"
    variants = ("paper", "graded")
    trainer_forms = {"accuracy": ValueForms()}  # noqa: RUF012
    limits = ("A constant answer is right often where few values occur: read results beside the baselines.",)

    def parse(self, answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Value | None, str]:
        """Read one value."""
        if not closed and answer.rstrip().endswith(_CUT):
            return None, "truncated"
        return read_value(answer)

    def render(self, annotation: Value, digits: int | None = None) -> str:
        """Write the value alone, all digits of a number."""
        return annotation.text

    def instructions(self, classes: Sequence[str], unit: BoxUnit, frame: Frame) -> str:
        """Ask for a value alone."""
        return ASK

    def examples(self, classes: tuple[str, ...]) -> tuple[Value, ...]:
        """Return a number, a letter and a word."""
        return Value("7"), Value("B"), Value("left")

    def describe(self, classes: Sequence[str]) -> str:
        """Say what a value is."""
        return "one number, letter or short word"

    def class_problem(self, classes: Sequence[str]) -> str:
        """Refuse classes: values are not closed."""
        return "values have no classes; name the choices in the question instead" if classes else ""

    def secrets(self, annotation: Value, category: str) -> Secrets:
        """Return sentences that state the final answer, and under the strict rule the value wherever it is.

        Numbers are not secret: a chain of thought that counts needs them. A letter alone is none under the
        strict rule either: it cannot be told from an article or a point of a figure.
        """
        return Secrets(_mentions(annotation), statements=leak_statements(annotation), numbers=False)

    def problem(self, gold: Gold, classes: tuple[str, ...]) -> str:
        """Find a value that is not written as it is read."""
        assert isinstance(gold.annotation, Value)
        read, reason = read_value(gold.annotation.text)
        if read == gold.annotation:
            return ""
        problem = f"is read as {read.text!r}: write it so" if read else f"cannot be read ({reason})"
        return f"value {gold.annotation.text!r} {problem}; expected one number, letter or short word"

    def group(self, annotation: Value, category: str) -> str:
        """Return the value: few-shot sets show each."""
        return annotation.text

    def features(self, classes: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
        """Return `value` as a string."""
        from datasets import Value as Feature

        return {"value": Feature("string")}

    def to_columns(self, gold: Gold, categories: tuple[str, ...]) -> dict[str, Any]:
        """Return `value`."""
        assert isinstance(gold.annotation, Value)
        return {"value": gold.annotation.text}

    def from_columns(self, row: Mapping[str, Any], classes: tuple[str, ...]) -> Value:
        """Read `value`."""
        return Value(str(row["value"]))

    def to_json(self, annotation: Value) -> list[Any]:
        """Return the text."""
        return [annotation.text]

    def from_json(self, values: Sequence[Any], classes: tuple[str, ...]) -> Value:
        """Read a text, or a number as a person may write it in JSON."""
        (value,) = values
        return number_value(float(value)) if isinstance(value, int | float) else Value(str(value))

    def similarity(self, gold: Value, stated: Value, variant: SimilarityVariant = "paper") -> float:
        """Return 1 if equal, else 0; graded for numbers in the variant."""
        return value_similarity(gold, stated, variant)

    def baselines(self, train: Sequence[Gold]) -> dict[str, Predictor]:
        """Return `most_frequent`, and `median` if there are numbers: the lower of two in the middle."""
        values = [gold.annotation for gold in train if isinstance(gold.annotation, Value)]
        counts = Counter(values)
        most = min(counts, key=lambda value: (-counts[value], value.text))
        answers = {"most_frequent": most}
        numbers = sorted((value.number, value.text) for value in values if value.number is not None)
        if numbers:
            answers["median"] = Value(numbers[(len(numbers) - 1) // 2][1])
        return {name: _always(answer) for name, answer in answers.items()}

    def planted_errors(self, gold: Gold, other: Gold, rng: Random) -> dict[str, Value]:
        """Miscount, or swap values."""
        assert isinstance(gold.annotation, Value) and isinstance(other.annotation, Value)
        return planted_errors(gold.annotation, other.annotation, rng)

    def label_quality(self, given: Sequence[Value], answers: Sequence[Sequence[Value]]) -> list[float] | None:
        """Return the self-confidence of each value."""
        return label_quality(given, answers)

    def coordinates(self, gold: Gold, stated: Value) -> tuple[float, ...]:
        """Return the number relative to the true one; a letter or word as an arbitrary number in [0, 1]."""
        assert isinstance(gold.annotation, Value)
        number = stated.number
        if number is None:
            return (zlib.crc32(stated.text.encode()) / 2**32,)
        return (max(-1e6, min(number / max(1.0, abs(gold.annotation.number or 0.0)), 1e6)),)

    def landmarks(self, gold: Gold, stated: Value) -> tuple[float, ...]:
        """Return an arbitrary number in [0, 1] for each value, however it is written.

        Two models that nearly always miscount in the same way agree as copies do; a person decides.
        """
        text = stated.text if stated.number is None else f"{stated.number:g}"
        return (zlib.crc32(text.encode()) / 2**32,)

    def is_certain(self, gold: Value) -> bool:
        """Say yes: there is one right value."""
        return True

    def is_round(self, stated: Value) -> bool:
        """Say yes: others give the same."""
        return True

    def compare(self, gold: Value, stated: Value) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Put both values beside each other, and the difference of numbers."""
        a, b = stated.number, gold.number
        off = "" if a is None or b is None else f"{a - b:+g}" if a != b else "0"
        return ("true", "stated", "difference"), [(gold.text, stated.text, off)]


def _always(answer: Value) -> Predictor:
    return lambda gold: answer  # noqa: ARG005


def _mentions(value: Value) -> tuple[str, ...]:
    """Return the names that a value has in a text."""
    if value.is_letter:
        return ()
    if value.is_whole and value.number is not None and 0 <= value.number < 1000:
        return value.text, spell(int(value.number)).replace("-", " ")
    return (value.text,)
