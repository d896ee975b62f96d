"""The kind of annotation that is an ordered list of calls from a closed vocabulary."""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from rise_bench.annotations.annotation_kind import AnnotationKind, Predictor
from rise_bench.annotations.base import Frame, Gold, SimilarityVariant
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.annotations.leak_rule import Secrets
from rise_bench.annotations.steps.label_quality import label_quality
from rise_bench.annotations.steps.leak_statements import leak_statements
from rise_bench.annotations.steps.metrics import METRICS
from rise_bench.annotations.steps.parsing import MAX_CALLS, read_steps
from rise_bench.annotations.steps.planted_errors import planted_errors
from rise_bench.annotations.steps.similarity import match_calls, steps_similarity
from rise_bench.annotations.steps.values import Call, Steps, folded_call, vocabulary, vocabulary_problem


class StepsKind(AnnotationKind[Steps]):
    """Calls that say what is done, such as the changes from one picture to another."""

    name = "steps"
    metrics = METRICS
    columns = ("steps",)
    task_category = "visual-question-answering"
    secret = "a call as it is in the annotation"
    answer_form = "calls"
    fitted = ("most_frequent", "most_frequent_call")
    prior = "most_frequent_call"
    variants = ("paper", "ordered", "full", "penalty")
    limits = ("The order of calls counts in `ordered_step_score` only.",)

    def parse(self, answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Steps | None, str]:
        """Read calls."""
        return read_steps(answer, classes, closed)

    def render(self, annotation: Steps, digits: int | None = None) -> str:
        """Write the calls, separated by commas."""
        return ", ".join(map(str, annotation.calls))

    def instructions(self, classes: Sequence[str], unit: BoxUnit, frame: Frame) -> str:
        """Name the functions with their values, and ask for calls."""
        functions = [
            f"{name}(object, {'|'.join(values) or 'value'})"
            for name, values in vocabulary(tuple(classes)).items()
        ]
        listed = f"The functions are: {', '.join(functions)}. " if functions else ""
        return f"{listed}Answer with one call for each step, like name(object, value), separated by commas."

    def examples(self, classes: tuple[str, ...]) -> tuple[Steps, ...]:
        """Return one call, and two."""
        functions = vocabulary(classes) or {"change_size": ("small", "large")}
        calls = tuple(Call(name, "1", (*values, "large")[0]) for name, values in functions.items())
        return Steps(classes, calls[:1]), Steps(classes, (*calls[:2], calls[0]._replace(object="2"))[-2:])

    def describe(self, classes: Sequence[str]) -> str:
        """Say of how many functions."""
        return f"calls of {len(classes)} functions" if classes else "calls"

    def class_problem(self, classes: Sequence[str]) -> str:
        """Find classes that are not functions with values."""
        return vocabulary_problem(tuple(classes))

    def classes_of(self, annotation: Steps) -> tuple[str, ...]:
        """Return the functions."""
        return annotation.classes

    def secrets(self, annotation: Steps, category: str) -> Secrets:
        """Return verbatim calls, and under the strict rule the names of the functions that are called.

        Numbers are not secret: objects have numbers.
        """
        names = tuple(dict.fromkeys(call.name for call in annotation.calls))
        return Secrets(names, statements=leak_statements(annotation), numbers=False)

    def problem(self, gold: Gold, classes: tuple[str, ...]) -> str:
        """Find no call or too many, and calls that are not of the vocabulary."""
        annotation = gold.annotation
        assert isinstance(annotation, Steps)
        if annotation.classes != classes:
            return f"functions are {annotation.classes}, expected {classes}"
        if not 1 <= len(annotation.calls) <= MAX_CALLS:
            return f"{len(annotation.calls)} calls, expected 1 to {MAX_CALLS}"
        functions = vocabulary(classes)
        for call in annotation.calls:
            if read_steps(str(call), classes, closed=True)[0] != Steps(classes, (call,)):
                return f"call {call} cannot be read back; expected name(object, value) in small letters"
            if functions and call.name not in functions:
                return f"call {call} is of no function; expected one of {', '.join(functions)}"
            values = functions.get(call.name, ())
            if values and call.value not in values:
                return f"call {call} has an unknown value; expected one of {', '.join(values)}"
        return ""

    def is_empty(self, annotation: Steps) -> bool:
        """Whether there is no call."""
        return not annotation.calls

    def group(self, annotation: Steps, category: str) -> str:
        """Return the number of calls: few-shot sets show each length."""
        count = len(annotation.calls)
        return f"{count} call" if count == 1 else f"{count} calls"

    def features(self, classes: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
        """Return `steps`: a list of calls."""
        from datasets import List, Value

        return {"steps": List({field: Value("string") for field in Call._fields})}

    def to_columns(self, gold: Gold, categories: tuple[str, ...]) -> dict[str, Any]:
        """Return `steps`."""
        assert isinstance(gold.annotation, Steps)
        return {"steps": [call._asdict() for call in gold.annotation.calls]}

    def from_columns(self, row: Mapping[str, Any], classes: tuple[str, ...]) -> Steps:
        """Read `steps`."""
        return Steps(classes, tuple(Call(**call) for call in row["steps"]))

    def to_json(self, annotation: Steps) -> list[Any]:
        """Return each call as a list of three texts."""
        return [list(call) for call in annotation.calls]

    def from_json(self, values: Sequence[Any], classes: tuple[str, ...]) -> Steps:
        """Read lists of three texts."""
        return Steps(classes, tuple(folded_call(*map(str, call)) for call in values))

    def similarity(self, gold: Steps, stated: Steps, variant: SimilarityVariant = "paper") -> float:
        """Return the matched calls over the larger number."""
        return steps_similarity(gold, stated, variant)

    def baselines(self, train: Sequence[Gold]) -> dict[str, Predictor]:
        """Return `most_frequent`, the list of calls, and `most_frequent_call`, a single one."""
        golds = [gold.annotation for gold in train if isinstance(gold.annotation, Steps)]
        classes = golds[0].classes
        lists = Counter(steps.calls for steps in golds)
        calls = Counter(call for steps in golds for call in steps.calls)
        return {
            "most_frequent": _always(Steps(classes, min(lists, key=lambda key: (-lists[key], key)))),
            "most_frequent_call": _always(Steps(classes, (min(calls, key=lambda key: (-calls[key], key)),))),
        }

    def planted_errors(self, gold: Gold, other: Gold, rng: Random) -> dict[str, Steps]:
        """Drop, change, add or swap calls."""
        assert isinstance(gold.annotation, Steps) and isinstance(other.annotation, Steps)
        return planted_errors(gold.annotation, other.annotation, rng)

    def label_quality(self, given: Sequence[Steps], answers: Sequence[Sequence[Steps]]) -> list[float] | None:
        """Return cleanlab's score of labels with several classes."""
        return label_quality(given, answers)

    def coordinates(self, gold: Gold, stated: Steps) -> tuple[float, ...]:
        """Return the number of calls relative to the true one, and an arbitrary number of what they are."""
        assert isinstance(gold.annotation, Steps)
        text = self.render(stated).encode()
        return len(stated.calls) / max(1, len(gold.annotation.calls)), zlib.crc32(text) / 2**32

    def landmarks(self, gold: Gold, stated: Steps) -> tuple[float, ...]:
        """Return an arbitrary number in [0, 1] for each list of calls."""
        return (zlib.crc32(self.render(stated).encode()) / 2**32,)

    def is_certain(self, gold: Steps) -> bool:
        """Say yes: there is one right list."""
        return True

    def matches(self, gold: Steps, stated: Steps) -> tuple[tuple[int, int, float], ...]:
        """Match calls one to one by their weight."""
        return tuple(match_calls(gold, stated))

    def compare(self, gold: Steps, stated: Steps) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Put matched calls beside each other, then the rest."""
        return ("true", "stated", "worth"), list(_rows(gold, stated)) or [("none", "none", "")]


def _rows(gold: Steps, stated: Steps) -> Iterator[tuple[str, str, str]]:
    pairs = match_calls(gold, stated)
    partners = {i: (j, weight) for i, j, weight in pairs}
    for i, call in enumerate(gold.calls):
        j, weight = partners.get(i, (-1, 0.0))
        yield str(call), str(stated.calls[j]) if i in partners else "none", f"{weight:g}"
    matched = {j for _, j, _ in pairs}
    yield from (("none", str(call), "") for j, call in enumerate(stated.calls) if j not in matched)


def _always(answer: Steps) -> Predictor:
    return lambda gold: answer  # noqa: ARG005
