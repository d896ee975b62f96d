"""Read outlines out of an answer: nested lists of points, flat lists as in COCO, or none.

Brackets of either form nest; `{"x": 1, "y": 2}` is a point. What is between the lists (keys, labels, prose)
does not matter, but a list with anything but numbers is not an outline, and one that is not closed is cut.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rise_bench.annotations.average_precision import MAX_STATED
from rise_bench.annotations.base import Outline
from rise_bench.annotations.boxes.parsing import is_place, says_none, texts_to_read, without_remarks
from rise_bench.annotations.characters import plain, unescaped
from rise_bench.annotations.plain_numbers import NUMBER
from rise_bench.annotations.polygons.values import MIN_POINTS, Polygons, bounds

#: Points beyond this number are not read.
MAX_POINTS = 2_000

_KEY = r"[\"']?\s*+[:=]\s*+"
_POINT = re.compile(
    rf"\{{\s*+[\"']?x{_KEY}(?P<x>{NUMBER})\s*+,\s*+[\"']?y{_KEY}(?P<y>{NUMBER})\s*+,?+\s*+\}}"
)
_TOKEN = re.compile(
    rf"(?P<open>[\[(])|(?P<close>[\])])|(?P<gap>[\s,\"']++)"
    rf"|(?P<number>{NUMBER})(?![\w%.°/:])|(?P<other>[^\[\]()\s,\"']++)"
)

_Point = tuple[float, float]


@dataclass(slots=True)
class _Points:
    """A list of points, or one point; an outline if there are enough."""

    points: list[_Point]
    alone: bool = False


@dataclass(slots=True)
class _List:
    """A bracket and what is in it.

    Attributes:
        numbers: Numbers directly in it.
        inner: Outlines of the brackets in it, in order; None for something between them.
        pure: Whether all of it is numbers and lists of numbers.
        unclear: Whether one of the lists in it has a number beside something else.
    """

    numbers: list[float] = field(default_factory=list)
    inner: list[list[_Points] | None] = field(default_factory=list)
    pure: bool = True
    unclear: bool = False

    def stated(self) -> list[_Points] | None:
        """Return the points or outlines that it states; None if it states none."""
        if self.numbers:
            if self.inner or len(self.numbers) % 2 or len(self.numbers) == 4:
                return None
            pairs = list(zip(self.numbers[::2], self.numbers[1::2], strict=True))
            return [_Points(pairs, alone=len(pairs) == 1)]
        parts = [part for of in self.inner if of for part in of]
        if any(part.alone for part in parts):
            if not all(part.alone for part in parts):
                return None
            return [_Points([point for part in parts for point in part.points])]
        return parts


def read_polygons(answer: str) -> tuple[Polygons | None, str]:
    """Return the outlines that an answer states, in its unit, or None and the reason."""
    stated: list[list[_Point]] = []
    beside, with_classes, text = texts_to_read(unescaped(plain(answer).lower()), outlines=True)
    for place, part in enumerate((beside, with_classes, text)):
        outside = without_remarks(part)
        root, truncated = _nested(outside)
        stated = list(_outlines(root))
        if not stated and outside != part:
            root, truncated = _nested(part)
            stated = list(_outlines(root))
        if root.unclear:
            return None, "unclear_number"
        if stated:
            break
        if truncated:
            return None, "truncated"
        if place == 1 and says_none(beside):
            return Polygons(()), "ok"
    if not stated:
        return None, "no_polygons"
    kept: list[Outline] = []
    for outline in filter(_is_valid, map(_opened, stated)):
        if len(kept) == MAX_STATED or sum(map(len, kept)) + len(outline) > MAX_POINTS:
            break
        kept.append(outline)
    return (Polygons(tuple(kept)), "ok") if kept else (None, "no_valid_polygons")


def _nested(text: str) -> tuple[_List, bool]:
    """Return what stands in brackets, and whether one of them is not closed."""
    root = _List(pure=False)
    stack = [root]
    for token in _TOKEN.finditer(_POINT.sub(r"[\g<x>,\g<y>]", text)):
        match token.lastgroup:
            case "open":
                stack.append(_List())
            case "close" if len(stack) > 1:
                _close(stack)
            case "number" if len(stack) > 1:
                stack[-1].numbers.append(float(token["number"]))
            case "number" | "other":
                stack[-1].pure = False
                stack[-1].inner.append(None)
    truncated = len(stack) > 1
    while len(stack) > 1:
        stack[-1].pure = False
        stack[-1].numbers.clear()
        _close(stack)
    return root, truncated


def _close(stack: list[_List]) -> None:
    """End the innermost bracket: it belongs to the one around it, or what it holds counts by itself."""
    inner = stack.pop()
    around = stack[-1]
    if inner.pure:
        around.inner.append(inner.stated())
        return
    around.unclear |= inner.unclear or (bool(inner.numbers) and len(stack) > 1)
    if len(stack) > 1:
        around.pure = False
    whole = [part for of in inner.inner if of for part in of if not part.alone]
    around.inner += [None, whole, None]


def _outlines(root: _List) -> Iterator[list[_Point]]:
    """Yield the outlines of a text in order; points that follow each other are one."""
    points: list[_Point] = []
    for stated in (*root.inner, None):
        alone = stated is not None and len(stated) == 1 and stated[0].alone
        if alone and stated:
            points += stated[0].points
            continue
        if len(points) >= MIN_POINTS:
            yield points
        points = []
        yield from (part.points for part in stated or () if not part.alone)


def _opened(points: list[_Point]) -> Outline:
    """Leave out a last point that repeats the first."""
    return tuple(points[:-1] if len(points) > MIN_POINTS and points[0] == points[-1] else points)


def _is_valid(outline: Outline) -> bool:
    if len(outline) < MIN_POINTS or not all(is_place(side) for point in outline for side in point):
        return False
    _, _, w, h = bounds(outline)
    return 0 < w < math.inf and 0 < h < math.inf
