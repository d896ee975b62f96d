r"""Read what a model wrote: a think-answer or answer-only text becomes an annotation, or a reason why not.

The trade-off: a benchmark should measure annotation, not JSON, so reading is generous (code fences, single
quotes, trailing commas, percent signs, class names in any case, a missing tag); but it never guesses what was
meant, so it does not fall back to an earlier answer, does not rescale boxes, and does not complete a number
that was cut. Whether the text kept to the asked format is a separate verdict. Everything here is one pass of
possessive regular expressions, linear in the length of the text: hostile text is data, never an exception.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rise_bench.values import Annotation, Box, Boxes, Distribution, Kind

Style = Literal["think_answer", "answer_only"]

#: Boxes beyond this number are not read; COCO's AP looks at 100 an image.
MAX_BOXES = 1_000

_TAG = re.compile(r"<(/?)(think|answer)\s*+>", re.IGNORECASE)
_THINK_ANSWER = re.compile(
    r"\s*+<think>(?P<think>[^<]*+(?:<(?!/?(?:think|answer)>)[^<]*+)*+)</think>"
    r"\s*+<answer>[^<]*+(?:<(?!/?(?:think|answer)>)[^<]*+)*+</answer>\s*+"
)
_ANSWER_ONLY = re.compile(r"\s*+<answer>[^<]*+(?:<(?!/?(?:think|answer)>)[^<]*+)*+</answer>\s*+")

_DIGITS = r"(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?+\d++)?+"
_NUMBER = rf"[-+]?+{_DIGITS}"
_LOOSE_NUMBER = rf"[-+]?+(?:{_DIGITS}|nan\b|inf(?:inity)?+\b)"
_STATED = re.compile(
    rf"(?::|=>?+|->|→|\||\()[\s\"'`*]*+(?P<number>{_LOOSE_NUMBER})(?P<percent>\s*+%)?", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+")
_CUT_NUMBER = re.compile(r"(?:[\d.+\-]|\de|\d[eE][-+])\s*\Z", re.IGNORECASE)

_COMMA = r"(?:\s*+,\s*+|\s++)"
_FOUR = rf"({_NUMBER}){_COMMA}({_NUMBER}){_COMMA}({_NUMBER}){_COMMA}({_NUMBER})"
_POINT = rf"[\(\[]\s*+({_NUMBER})\s*+,\s*+({_NUMBER})\s*+[\)\]]"
_BOX = re.compile(
    rf"(?P<corners>{_POINT}\s*+,?+\s*+{_POINT})"
    rf"|(?P<list>(?P<bbox_2d>bbox_2d[\"']?+\s*+[:=]\s*+)?[\[\(]\s*+{_FOUR}\s*+,?+\s*+[\]\)])"
    r"|(?P<dict>\{[^{}\[\]]{1,400}+\})",
    re.IGNORECASE,
)
_SIDE = re.compile(rf"([a-z][a-z_]*+[12]?+)[\"']?+\s*+[:=]\s*+[\"']?+({_NUMBER})", re.IGNORECASE)
_XYWH_KEYS = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
_CORNER_KEYS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
)
_NO_BOXES = re.compile(
    r"\A[\s`]*+(?:json)?[\s`]*+\[\s*+(?:\[\s*+\]\s*+)?\][\s`.]*+\Z"
    r"|\A\W*+(?:there (?:is|are) )?no(?:ne| (?:\w++ ){0,3}(?:objects?+|box(?:es)?+|targets?+|instances?+))\b"
    r"|\Anull\W*+\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one text.

    Attributes:
        annotation: The stated annotation (boxes in the declared unit), or None if unreadable.
        reason: "ok", or why unreadable: "empty", "no_answer", "no_class_numbers", "not_finite", "truncated",
            "no_boxes", "no_valid_boxes".
        format_ok: The text is exactly `<think>…</think><answer>…</answer>` (or `<answer>…</answer>` for
            answer-only) and the answer is readable: F of eqs. 1 and 9.
        think: Text between the think tags; empty if there is none.
        answer: Text that was read as the answer.
    """

    annotation: Annotation | None
    reason: str
    format_ok: bool
    think: str
    answer: str


def read_response(
    text: str, kind: Kind, classes: tuple[str, ...] = (), *, style: Style = "think_answer"
) -> Reading:
    """Read the annotation out of a model's text; never raises.

    Args:
        text: Raw response.
        kind: Which kind of annotation was asked for.
        classes: Class names, for a distribution.
        style: The asked format; it decides `format_ok` only.
    """
    if not text.strip():
        return Reading(None, "empty", False, "", "")
    think, answer, closed = _split(text)
    if answer is None:
        return Reading(None, "no_answer", False, think, "")
    annotation: Annotation | None
    if kind == "distribution":
        annotation, reason = _read_distribution(answer, classes, closed)
    else:
        annotation, reason = _read_boxes(answer)
    return Reading(annotation, reason, annotation is not None and _format_ok(text, style), think, answer)


def _format_ok(text: str, style: Style) -> bool:
    if style == "answer_only":
        return _ANSWER_ONLY.fullmatch(text) is not None
    match = _THINK_ANSWER.fullmatch(text)
    return match is not None and bool(match["think"].strip())


def _split(text: str) -> tuple[str, str | None, bool]:
    """Return think text, answer text (None if there is none outside think), and whether its end was marked.

    A think that is never closed ends where the last answer opens. A `</think>` without an opening closes a
    think that the prompt opened.
    """
    tags = [(m.group(2).lower(), bool(m.group(1)), m.start(), m.end()) for m in _TAG.finditer(text)]
    last_think_end = max((end for name, closing, _, end in tags if name == "think" and closing), default=-1)
    think_start = next((end for name, closing, _, end in tags if name == "think" and not closing), None)
    if think_start is None:
        think_start = 0 if last_think_end >= 0 else None
    outside = _tags_outside_think(tags, last_think_end)
    openings = [(start, end) for closing, start, end in outside if not closing]
    if openings:
        start, begin = openings[-1]
        stop = next((s for closing, s, _ in outside if closing and s >= begin), None)
        think = "" if think_start is None else text[think_start : _think_stop(tags, start)]
        return think.strip(), text[begin : len(text) if stop is None else stop], stop is not None
    if think_start is not None and last_think_end < 0:
        return text[think_start:].strip(), None, False
    begin = max(last_think_end, 0)
    stop = next((s for closing, s, _ in outside if closing and s >= begin), None)
    answer = text[begin : len(text) if stop is None else stop]
    think = "" if think_start is None else text[think_start : _think_stop(tags, begin)].strip()
    return think, answer if answer.strip() else None, stop is not None


def _tags_outside_think(
    tags: list[tuple[str, bool, int, int]], last_think_end: int
) -> list[tuple[bool, int, int]]:
    outside = []
    inside = not any(name == "think" and not closing for name, closing, _, _ in tags) and last_think_end >= 0
    for name, closing, start, end in tags:
        if name == "think":
            inside = not closing and start < last_think_end
        elif not inside:
            outside.append((closing, start, end))
    return outside


def _think_stop(tags: list[tuple[str, bool, int, int]], limit: int) -> int:
    ends = [start for name, closing, start, _ in tags if name == "think" and closing and start <= limit]
    return ends[0] if ends else limit


def fold(name: str) -> str:
    """Fold case, spaces, hyphens and underscores: "Band-Aid" and "band aid" are the same class."""
    return "".join(_WORD.findall(name)).casefold()


@lru_cache(maxsize=64)
def _class_index(classes: tuple[str, ...]) -> tuple[dict[str, int], int, int]:
    index = {fold(name): i for i, name in enumerate(classes)}
    most_words = max((len(_WORD.findall(name)) for name in classes), default=1)
    return index, most_words, max((len(name) for name in classes), default=0) + 8


def _read_distribution(
    answer: str, classes: tuple[str, ...], closed: bool
) -> tuple[Distribution | None, str]:
    index, most_words, reach = _class_index(classes)
    numbers: dict[int, float] = {}
    for match in _STATED.finditer(answer):
        words = _WORD.findall(answer[max(0, match.start() - reach) : match.start()])
        for count in range(min(most_words, len(words)), 0, -1):
            position = index.get("".join(words[-count:]).casefold())
            if position is not None:
                break
        else:
            continue
        number = float(match["number"])
        if not math.isfinite(number):
            return None, "not_finite"
        numbers[position] = number / 100 if match["percent"] else number
    if not closed and _CUT_NUMBER.search(answer[-40:]) and answer.count("{") > answer.count("}"):
        return None, "truncated"
    if not numbers:
        return None, "no_class_numbers"
    return Distribution(classes, tuple(numbers.get(i, 0.0) for i in range(len(classes)))), "ok"


def _read_boxes(answer: str) -> tuple[Boxes | None, str]:
    boxes: list[Box] = []
    found = False
    for match in _BOX.finditer(answer):
        box = _box_of(match)
        if box is None:
            continue
        found = True
        if all(map(math.isfinite, box)) and box[2] > 0 and box[3] > 0:
            boxes.append(box)
            if len(boxes) == MAX_BOXES:
                break
    if boxes:
        return Boxes(tuple(boxes)), "ok"
    if found:
        return None, "no_valid_boxes"
    return (Boxes(()), "ok") if _NO_BOXES.search(answer[:2_000].strip()) else (None, "no_boxes")


def _box_of(match: re.Match[str]) -> Box | None:
    groups = match.groups()
    if match["corners"]:
        return _from_corners(*(float(n) for n in groups[1:5]))
    if match["list"]:
        a, b, c, d = (float(n) for n in groups[7:11])
        return _from_corners(a, b, c, d) if match["bbox_2d"] else (a, b, c, d)
    sides = {name.lower(): float(number) for name, number in _SIDE.findall(match["dict"])}
    for keys in _CORNER_KEYS:
        if all(key in sides for key in keys):
            return _from_corners(*(sides[key] for key in keys))
    for keys in _XYWH_KEYS:
        if all(key in sides for key in keys):
            x, y, w, h = (sides[key] for key in keys)
            return x, y, w, h
    return None


def _from_corners(x1: float, y1: float, x2: float, y2: float) -> Box:
    return x1, y1, x2 - x1, y2 - y1
