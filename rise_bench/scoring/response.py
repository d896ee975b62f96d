"""Parser of responses: a think-answer or answer-only text becomes an annotation, or a reason.

A benchmark should measure annotation, not JSON, so the parser is generous (code fences, single quotes,
trailing commas, percent signs, class names in any case, a missing tag); but it never guesses: no fallback to
an earlier answer, no rescaling of boxes, no completion of a truncated number. The format is a separate
verdict. Everything is linear in the length of the text, and hostile text never raises.
"""

import re
from dataclasses import dataclass

from rise_bench.annotations.answer_format import Style
from rise_bench.annotations.base import Annotation
from rise_bench.annotations.characters import split_words
from rise_bench.annotations.kinds import KINDS

_TAG = re.compile(r"<(/?)(think|answer)\s*+>", re.IGNORECASE)
_INSIDE = r"[^<]*+(?:<(?!(?i:/?(?:think|answer)\s*+>))[^<]*+)*+"
_THINK_ANSWER = re.compile(rf"\s*+<think>(?P<think>{_INSIDE})</think>\s*+<answer>{_INSIDE}</answer>\s*+")
_SAID = r"\s*+[^<\s][^<]*+"
_CAPTIONED = re.compile(rf"\s*+<summary>{_SAID}</summary>\s*+<caption>{_SAID}</caption>", re.IGNORECASE)
_ANSWER_ONLY = re.compile(rf"\s*+<answer>(?P<answer>{_INSIDE})</answer>\s*+")
#: GLM-V's marks around an answer; two blanks in their place join no numbers.
_BOX_MARKS = re.compile(r"<\|(?:begin|end)_of_box\|>")


@dataclass(frozen=True, slots=True)
class Reading:
    """Result of reading a response.

    Attributes:
        annotation: Stated annotation (boxes in the declared unit); None if unreadable.
        reason: "ok", or why unreadable: "empty", "no_answer", "no_class_numbers", "unclear_number",
            "not_finite", "truncated", "no_boxes", "no_valid_boxes".
        format_ok: The text is exactly `<think>…</think><answer>…</answer>` (`<answer>…</answer>` for
            answer-only; for caption `<summary>…</summary><caption>…</caption>` before it) and the answer is
            readable: F of eqs. 1 and 9.
        think: Text between the think tags, or "".
        answer: Text of the answer.
    """

    annotation: Annotation | None
    reason: str
    format_ok: bool
    think: str
    answer: str


def read_response(
    text: str, kind: str, classes: tuple[str, ...] = (), *, style: Style = "think_answer"
) -> Reading:
    """Read the annotation of a response; never raises.

    Args:
        text: Raw response.
        kind: Name of the kind of annotation.
        classes: Class names of the benchmark.
        style: Requested format; it decides `format_ok` only.
    """
    if not text.strip():
        return Reading(None, "empty", False, "", "")
    whole = _ANSWER_ONLY.fullmatch(text)
    think, answer, closed = ("", whole["answer"], True) if whole else _split(text)
    if answer is None:
        return Reading(None, "no_answer", False, think, "")
    annotation, reason = KINDS[kind].parse(_BOX_MARKS.sub("  ", answer), classes, closed)
    return Reading(annotation, reason, annotation is not None and _format_ok(text, style), think, answer)


def _format_ok(text: str, style: Style) -> bool:
    if style == "answer_only":
        return _ANSWER_ONLY.fullmatch(text) is not None
    start = 0
    if style == "caption":
        before = _CAPTIONED.match(text)
        if before is None:
            return False
        start = before.end()
    match = _THINK_ANSWER.fullmatch(text, start)
    return match is not None and bool(split_words(match["think"]))


def _split(text: str) -> tuple[str, str | None, bool]:
    """Return think text, answer text (None without one outside think), and whether its end is marked.

    An unclosed think ends at the last opening of an answer. A `</think>` without an opening closes a think of
    the prompt.
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
