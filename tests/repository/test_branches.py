"""Outside `annotations/` nothing chooses by kind of annotation or metric: it asks the kind or the metric."""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.kinds import KINDS

FOLDERS = ("rise_bench", "builders", "tasks", "trainers", "leaderboards")

#: Branches that may stand outside `annotations/`; before there was `AnnotationKind`, 128 did in 45 files.
ALLOWED = 4

VALUES = [cls for cls in Annotation.__subclasses__() if cls.__module__.startswith("rise_bench.")]
CLASSES = {cls.__name__ for cls in VALUES} | {type(kind).__name__ for kind in KINDS.values()}
FIELDS = {field.name for cls in VALUES for field in dataclasses.fields(cls)}
#: Names that other things have too: keys of JSON, a setting, a method. They count beside `.kind` only.
ORDINARY = {"value", "steps", "reason_rft"}
NAMES = {*KINDS, *(metric.name for kind in KINDS.values() for metric in kind.metrics)} - ORDINARY


def branches(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that choose by kind or metric.

    They are `isinstance`, `issubclass` and `match` on the class of an annotation, `hasattr` and `getattr` of
    its fields, comparisons with such a class, with `.kind` or with the name of a kind or metric, and whatever
    is keyed by such a name or lists it.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
                chosen = any(map(is_class, ast.walk(classes)))
            case ast.Call(func=ast.Name(id="hasattr" | "getattr"), args=[_, ast.Constant(value=name), *_]):
                chosen = name in FIELDS
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[key, *_]):
                chosen = is_name(key)
            case ast.Compare():
                chosen = any(map(is_compared, (node.left, *node.comparators)))
            case ast.MatchClass(cls=cls):
                chosen = is_class(cls)
            case ast.MatchValue(value=value) | ast.Subscript(slice=value):
                chosen = is_name(value)
            case ast.Dict(keys=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                chosen = any(map(is_name, parts))
            case _:
                continue
        if chosen:
            yield node


def is_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES


def is_class(node: ast.AST) -> bool:
    return getattr(node, "id", getattr(node, "attr", "")) in CLASSES


def is_compared(node: ast.AST) -> bool:
    return is_name(node) or is_class(node) or (isinstance(node, ast.Attribute) and node.attr == "kind")


def test_branches_by_kind_or_metric_stand_in_annotations(root: Path) -> None:
    annotations = root / "rise_bench" / "annotations"
    found = [
        f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)} {ast.unparse(node)[:80]}"
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
        if not path.is_relative_to(annotations)
        for node in branches(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(found) <= ALLOWED, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(a, (int, Boxes))",
        "hasattr(a, 'probs')",
        "type(a) is Distribution",
        "spec.kind != other",
        "spec.kind == 'value'",
        "metric in ('jsd', other)",
        "{'distribution': 1}[name]",
        "metrics.get('accuracy')",
        "match a:\n case values.Boxes(): pass",
        "match kind:\n case 'boxes': pass",
    ],
)
def test_a_branch_counts(code: str) -> None:
    assert any(branches(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["KINDS[spec.kind].parse(x)", "BenchmarkSpec('x', 'boxes', 'ap50')", "Boxes(()) == a", "a == 'ok'"],
)
def test_what_asks_the_kind_does_not_count(code: str) -> None:
    assert not any(branches(ast.parse(code)))
