"""Whether an answer can tell class names apart."""

import json
import math
from collections.abc import Mapping

from rise_bench.annotations.distribution.parsing import read_distribution


def class_problem(classes: tuple[str, ...]) -> str:
    """Read an answer that gives every class its own number, and say which class does not get it back."""
    if quoted := next((name for name in classes if '"' in name), None):
        return (
            f"class {quoted!r} holds a quotation mark, which lists and records of an answer end a name at; "
            "write it without"
        )
    total = len(classes) * (len(classes) + 1) / 2
    numbers = [(i + 1) / total for i in range(len(classes))]
    read = _read(classes, {name: f"{number:.12f}" for name, number in zip(classes, numbers, strict=True)})
    wrong = [
        i for i, number in enumerate(numbers) if not (read and math.isclose(number, read[i], rel_tol=1e-6))
    ]
    alone = (problem for i in wrong if (problem := _problem_alone(classes, i)))
    together = (
        "the classes cannot be read from one answer: a name holds a number or looks like another; rename it"
    )
    return next(alone, together) if wrong else ""


def _problem_alone(classes: tuple[str, ...], index: int) -> str:
    """Read an answer that gives everything to one class."""
    read = _read(classes, {classes[index]: "1.0"})
    if 1.0 not in read:
        return f"class {classes[index]!r} cannot be read in an answer; give it a name of letters and digits"
    other = read.index(1.0)
    if other == index:
        return ""
    return (
        f"classes {classes[index]!r} and {classes[other]!r} cannot be told apart in an answer (case, signs "
        "and spaces do not count); rename one"
    )


def _read(classes: tuple[str, ...], numbers: Mapping[str, str]) -> tuple[float, ...]:
    stated = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {n}" for name, n in numbers.items())
    annotation, _ = read_distribution(f"{{{stated}}}", classes, closed=True)
    return annotation.probs if annotation else ()
