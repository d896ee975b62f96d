r"""Read one number, letter or short word out of an answer.

A number is in digits (with a sign, decimals, marks of thousands, a percent sign, or as a fraction) or in
words; a letter is that of a choice, with or without brackets and dots. Where an answer states several
numbers, the one counts that it calls the result ("3 + 4 = 7", "the answer is 7", "7 in all"); without such a
word it is not read. Nothing is computed but fractions: roots, powers and pi are not read.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from rise_bench.annotations.characters import plain
from rise_bench.annotations.value.chinese import plain_chinese
from rise_bench.annotations.value.spelt_numbers import in_digits, spelt_numbers
from rise_bench.annotations.value.values import DIGITS, Value, number_value

#: Characters of an answer that are read; an answer is one value.
MAX_LENGTH = 4_000

_UNITS = r"(?:mm|cm|dm|km|m|in|ft|mg|kg|g|ml|l|s|h|min|deg)\b"
_NUMBER = re.compile(
    rf"(?<![\w.])(?<!\d,)(?P<sign>[-+]?+)(?P<whole>\d++[ ]++(?=\d++/))?"
    rf"(?P<number>{DIGITS}(?:[eE][-+]?+\d++)?+)"
    rf"(?:\s*+/\s*+(?P<below>{DIGITS}))?+(?P<percent>\s*+(?:%|per\s?cent\b))?+"
)
#: What turns a number into another one, or into a name: "1,5", "8th", "0x1", "3 million", "4 fifths".
_PARTS = (
    r"\s++(?:and\s++(?:an?|one)\s++)?+(?:hundred|thousand|[mb]illion|dozen|point|hal(?:f|ves)|thirds?|quarters?|fourths?|fifths?|sixths?"
    r"|sevenths?|eighths?|ninths?|tenths?|hundredths?)\b"
)
_GOES_ON = re.compile(rf"[,.']?\d|/|(?!{_UNITS})[^\W\d_]|_\w|{_PARTS}", re.IGNORECASE)
_IN_PARTS = re.compile(_PARTS)
_PRODUCT = r"(?:[×÷]|\\(?:times|cdot)\b)"
_PRODUCTS = re.compile(_PRODUCT)
#: Roots, powers and pi, which are not read.
_POWERS = re.compile(
    r"[√π^]|\\(?:sqrt|pi|pm)\b|\bsqrt\b|\b(?:square|cube)\s++roots?\b|\d\s*+pi\b", re.IGNORECASE
)
_IS_FACTOR = re.compile(rf"{_PRODUCT}[\s(\[{{]*+\Z")
#: What follows a number inside an expression: "3 rows × 4", "(3 + 4) = 7".
_IN_EXPRESSION = re.compile(
    rf"[ \t%)\]}}]*+(?:[^\W\d_]++[ \t)\]}}]++){{0,3}}?"
    rf"(?:[-+*/=≈]|{_PRODUCT}|\b(?:plus|minus|times|equals)\b)|\s*+=",
    re.IGNORECASE,
)
#: What ends the clause after a number, so that it is not a part of an expression.
_CLAUSE_ENDS = re.compile(
    r"(?:\s*+%)?+(?:\s++(?!(?:times|plus|minus|pi|and|or|to)\b)[^\W\d_]++){0,6}+"
    rf"(?:\s*+(?:{_UNITS}|degrees))?+[\s)\]}}\"']*+(?:[.!;,](?!\d)|\n|\Z)",
    re.IGNORECASE,
)
_FRACTIONS = dict(
    zip("½⅓⅔¼¾⅛⅜⅝⅞", ["1/2", "1/3", "2/3", "1/4", "3/4", "1/8", "3/8", "5/8", "7/8"], strict=True)
)
_PART = r"(?:\{\s*+(-?+[\d.,]++)\s*+\}|(\d))"
_LATEX = (
    (re.compile(r"(?<=\d)(?=\\[dt]?frac)"), " "),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"(?<![\w)\]%°])(?<![\d)\]%°][ \t])–(?=\.?\d)"), "-"),
    (re.compile(rf"\\[dt]?frac\s*+{_PART}\s*+{_PART}"), r"\1\2/\3\4"),
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf|operatorname)\s*+\{([^{}]{0,200}+)\}"), r"\1"),
    (re.compile(r"\\(?:left|right|,|;|!|quad|displaystyle)"), " "),
    (re.compile(r"\\?+%"), "%"),
    (re.compile(r"(?<==)(\s*+)-\s++(?=[\d.])"), r"\1-"),
    (re.compile(r"\^?+\s*+\{?+\\(?:circ|degree)\b\}?+|°"), " degrees"),
    (re.compile(rf"(?<=\d)(\s*+)({_UNITS[:-2]}|units?)(?:\s*+\^\s*+\{{?+[23]\}}?+|[²³])"), r"\1\2"),
    (re.compile(r"(?<=[\d)])(?:[ \t]++\*[ \t]++|\*)(?=[\d(])"), " × "),
    (re.compile(r"\\[()\[\]]|[$*`#]++(?![\d(])|[$`]++|(?<!\d)\*++"), " "),
    (re.compile(r"(?<=[(\[])[ \t]++|[ \t]++(?=[.,:;!?)\]](?!\d))"), ""),
)
_BOXED = re.compile(r"\\boxed\s*+\{")
_IS = r"(?:\s++(?:is|are|was|equals|would\s+be|should\s+be|must\s+be)\b\s*+:?+|\s*+(?:[:=]|->))"
_NOUN = r"(?:answers?|result|solution|value|choice|option|number|count|total(?:\s++(?:number|count))?+)"
_LEAD = re.compile(
    rf"[\s\"'{{\[(]*+(?:(?:so|thus|hence|therefore|then)\b,?+\s*+)?+(?:(?:the|my|a|final|correct|right)\s++)*+"
    rf"{_NOUN}(?:\s++of\s++(?:[^\W\d_]++\s++){{0,4}}?[^\W\d_]++)?+[\"']?+{_IS}\s*+"
    r"(?:(?:just|exactly|about|option|choice)\s++)*+[\"']?+\s*+",
    re.IGNORECASE,
)
_BEFORE_RESULT = re.compile(
    rf"(?:[=≈]|->|{_NOUN}(?:\s++of\s++(?:[^\W\d_]++\s++){{0,4}}?[^\W\d_]++)?+{_IS}|\btotal\s++of\b)\s*+"
    r"(?:(?:just|exactly|about)\s++)?+\Z",
    re.IGNORECASE,
)
_AFTER_RESULT = re.compile(
    r"\s++(?:[^\W\d_]++\s++){0,3}?(?:in\s++all|in\s++total|altogether|overall)\b", re.IGNORECASE
)
_ANSWER = re.compile(r"answer|result|solution", re.IGNORECASE)
#: What is left in the end; where an answer also states a total, this is the result.
_BEFORE_REST = re.compile(r"\b(?:leaves|leaving)\s++(?:(?:just|exactly|about|only)\s++)?+\Z", re.IGNORECASE)
_AFTER_REST = re.compile(
    r"\s++(?:(?!(?:on|to|at|in|the|and|or|of)\b)[^\W\d_]++\s++){0,3}?"
    r"(?:left(?=\s*+(?:[.!]|over\b|\Z))|remains?\b|remaining(?=\s*+(?:[.!,;]|\Z|(?:in|on|at|over|here|there|now|after|so)\b)))",
    re.IGNORECASE,
)
#: What makes a number a part of what is stated: "= 3 + 4", "the answer is 7 or 8", "3 red and 4 blue in all".
_MORE_AFTER = re.compile(rf"\s*+(?:[-+*/,&]|{_PRODUCT}|or\b|to\b|and\b|plus\b|minus\b|times\b)\s*+[-+]?+\d")
#: What joins two numbers, also equal ones, to a sum that is not stated: "4 + 4", "3 cubes and 3 spheres".
_JOINS = re.compile(
    r"(?![^\n]*+\n\s*+[-*]\s)\s*+(?:[^\W\d_]++\s++){0,3}?(?:[-+*&]|and\b|plus\b|minus\b|times\b)\s*+",
    re.IGNORECASE,
)
_MORE_BEFORE = re.compile(r"(?:[+&]|\b(?:and|or|plus))\s*+\Z")
_ONLY_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s++)?+[(\[]?+([A-Za-z])[)\]]?+[.:,;!]?+", re.IGNORECASE
)
_CORRECT = r"is\s++(?:the\s++)?+(?:correct|right|answer)"
#: A rest without a digit and another letter of a choice in front.
_NO_DIGIT = r"\s++(?![A-H]\b)\D++\Z"
_MARKED_LETTER = re.compile(
    r"(?i:(?:option|choice|answer)\s++)?+(?:[(\[]([A-Ha-h])[)\]]|([a-h])\)"
    rf"|([A-H])(?:[).](?!\d)|:(?!\d|\s*+(?i:(?:(?:the|my|final|correct)\s++)*+answer{_IS}))"
    r"|,?+[ \t]*+\n(?!\s*+[(\[]?+[A-Ha-h][)\]]?+[.:]?+[^\S\n]*+(?:\n|\Z))"
    rf"|,?+\s++(?:{_CORRECT}|because|since|as)\b"
    rf"|,?+\s*+\((?!\s*+[-+]?+[\d.]++\s*+,)[^()]*+\)\s*+"
    rf"(?:[.:\n]|\Z|,?+\s*+(?:{_CORRECT}|because|since|as)\b|,{_NO_DIGIT})"
    rf"|,\s++(?:[^\s,.;:=]++(?:\.\d++)?+[ \t]*+){{1,12}}+"
    rf"(?:[.!]?+(?:\Z|\n|{_NO_DIGIT})|,\s++(?:because|since|as)\b)"
    rf"|[ \t]++(?:[-–—][ \t]++)?+[-+]?+{DIGITS}(?:\s*+(?:%|degrees|{_UNITS}))?+[.!]?+\Z))"
)
#: A letter that an answer in sentences calls its answer, where the clause ends after it.
_CALLED_ANSWER = re.compile(
    rf"\b(?i:(?:answer|option|choice){_IS}\s*+(?:(?:just|exactly|option|choice)\s++)*+)[\"']?+"
    r"(?P<letter>[A-H]|[(\[][A-Ha-h][)\]])(?=[\"']*+\s*+(?:[.:,;!(\n]|\Z|(?:because|since|as)\b))"
)
#: The second of choices that are listed, each on its line.
_NEXT = re.compile(r"\s*+[(\[]?+B[)\]]?+[.:,]")
#: What makes a called answer one that is only thought of.
_SUPPOSED = re.compile(r"\b(?:if|whether|thought|considered)\b[^.,;:!?\n]*+\Z", re.IGNORECASE)
_BUT = re.compile(r"[)\]]?+[\"']*+\s*+,\s*+but\b", re.IGNORECASE)
_CALLED_LETTER = re.compile(r"(?:option|choice)\s++[(\[]?+([A-Ha-h])\b", re.IGNORECASE)
_SEVERAL_LETTERS = re.compile(
    r"[(\[]?+[A-Ha-h][)\]]?+\s*+(?:,|/|&|\bor\b|\band\b|[和与及跟或])\s*+[(\[]?+[A-Ha-h]\b(?!\s++[^\W\d_])",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"(?:there\s++(?:is|are)(?:\s++not|n['’]t)\s++(?:any|an?)\b"
    r"(?!(?:\s++(?!(?:in|on|at|of|within)\b)[^\W\d_]++)*?\s++(?:answer|idea|clue|image|picture|way|information|doubt)s?\b)"
    r"(?:\s++[^\W\d_]++){0,4}+"
    r"|(?:there\s++(?:is|are)\s++)?+(?:none|nothing)"
    r"(?:\s++(?:is|are|was|were))?+(?:\s++(?:left|remain(?:s|ing)?|there|visible|present))?+)"
    r"|(?:there\s++(?:is|are)\s++)?+(?:no\s++(?!(?:answer|idea|clue|image|picture|one|way)\b)"
    r"[^\W\d_]++(?:\s++[^\W\d_]++){0,3}+)"
)
_WORD = r"[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_])){0,30}+"
_SHORT = re.compile(rf"{_WORD}(?:[ \t]++{_WORD}){{0,2}}+")
_PRONOUN = re.compile(
    r"(?:\A|\b(?:is|are|only|exactly|just|about|of|there|minus|negative|:|=))\s*+\Z", re.IGNORECASE
)


def read_value(answer: str) -> tuple[Value | None, str]:
    """Return the value that an answer states, or None and the reason.

    >>> [read_value(text)[0] for text in ("about 1,234 m", "(b)", "3 or 4")]
    [Value(text='1234'), Value(text='B'), None]
    """
    text = _unwrapped(plain(answer[:MAX_LENGTH]))
    text = text if text.isascii() else plain_chinese(text)
    lead = _LEAD.match(text)
    rest = (text[lead.end() :] if lead else text).strip(" \t\n\"'{}")
    letter, reason = _letter(rest, text)
    if letter or reason:
        return (letter, "ok") if letter else (None, reason)
    if any(sign.isdigit() for sign in text):
        return _number(text)
    return _in_words(rest)


def _unwrapped(text: str) -> str:
    """Return a text without LaTeX, Markdown and code fences; the last box alone if there is one."""
    boxes = list(_BOXED.finditer(text))
    if boxes:
        text = text[boxes[-1].end() :]
        depth = 1
        for i, sign in enumerate(text):
            depth += (sign == "{") - (sign == "}")
            if depth == 0:
                text = text[:i]
                break
    for sign, digits in _FRACTIONS.items():
        text = re.sub(rf"(?<=\d){sign}", f" {digits}", text).replace(sign, digits)
    for pattern, written in _LATEX:
        text = pattern.sub(written, text)
    return text.strip()


def _letter(text: str, whole: str) -> tuple[Value | None, str]:
    """Return the letter of a choice, or why there are several; neither if there is none.

    What the whole answer calls its answer comes before the letter at the beginning of the text.
    """
    called = [
        match
        for match in _CALLED_ANSWER.finditer(whole)
        if not _SUPPOSED.search(whole[max(0, match.start() - 120) : match.start()])
        and not _BUT.match(whole, match.end("letter"))
    ]
    letters = {match["letter"].strip("()[]").upper() for match in called}
    if (
        _SEVERAL_LETTERS.match(text)
        or len(letters) > 1
        or any(_SEVERAL_LETTERS.match(whole, match.start("letter")) for match in called)
    ):
        return None, "several_values"
    if letters:
        return Value(letters.pop()), ""
    match = _ONLY_LETTER.fullmatch(text)
    if match is None and (match := _MARKED_LETTER.match(text)) is None:
        match = _CALLED_LETTER.match(text)
    if match is None:
        return None, ""
    letter = next(group for group in match.groups() if group).upper()
    first = letter == "A" and "," in match[0] and match[0].endswith("\n")
    listed = first and _NEXT.match(text, match.end()) is not None
    return (None if listed else Value(letter)), ""


def _number(text: str) -> tuple[Value | None, str]:
    """Return the one number of a text with digits, or the one that it calls its result.

    Beside products only the result of all that is stated is read; beside roots, powers and pi, and where
    another number stands by itself, only what is called the answer.
    """
    stated = list(_numbers(text))
    symbols = 3 if _POWERS.search(text) else 1 if _PRODUCTS.search(text) else 0
    if symbols == 1 and len(set(_alone(text))) > 1:
        symbols = 3
    if symbols:  # a part of an expression is not its result
        stated = [(value, mark) for value, mark in stated if mark >= symbols]
        stated = [(value, mark) for value, mark in stated if mark == max(mark for _, mark in stated)]
    if not stated or (symbols and len({value for value, _ in stated}) > 1):
        return None, "unclear_number"
    if (not symbols and len({value for value, _ in stated}) > 1) or _is_sum(text):
        marked = [mark for _, mark in stated if mark]
        stated = [pair for pair in stated if pair[1] and pair[1] == max(marked)]
    values = {value for value, _ in stated}
    if len(values) != 1:
        return None, "several_values"
    (value,) = values
    return (value, "ok") if isinstance(value, Value) else (None, value)


def _alone(text: str) -> Iterator[Value | str]:
    """Yield the numbers that no other part of an expression follows."""
    for match in _NUMBER.finditer(text):
        if not _IN_EXPRESSION.match(text, match.end()):
            yield _value(match)


def _is_sum(text: str) -> bool:
    """Whether a number is joined to the next one."""
    numbers = list(_NUMBER.finditer(text))
    return any(_JOINS.fullmatch(text[a.end() : b.start()]) for a, b in pairwise(numbers))


def _numbers(text: str) -> Iterator[tuple[Value | str, int]]:
    """Yield each number in digits, or why it cannot be read, and its mark.

    The mark is 3 if the number is called the answer, 2 if it is called what is left, 1 if it stands where
    results stand, and else 0.
    """
    has_symbols = bool(_PRODUCTS.search(text) or _POWERS.search(text))
    for match in _NUMBER.finditer(text):
        before, end = text[max(0, match.start() - 120) : match.start()], match.end()
        alone = not _MORE_BEFORE.search(before)
        mark = 0
        told = _BEFORE_RESULT.search(before)
        ends = not has_symbols or (_CLAUSE_ENDS.match(text, end) and not _IS_FACTOR.search(before))
        if ends and _MORE_AFTER.match(text, end) is None:
            if told and _ANSWER.search(told[0]):
                mark = 3
            elif _BEFORE_REST.search(before) or (alone and _AFTER_REST.match(text, end)):
                mark = 2
            elif told or (alone and _AFTER_RESULT.match(text, end)):
                mark = 1
        yield ("unclear_number" if _GOES_ON.match(text, end) else _value(match)), mark


def _value(match: re.Match[str]) -> Value | str:
    number = float(re.sub(r"[,'’ ]", "", match["number"]))
    if match["below"]:
        below = float(re.sub(r"[,'’ ]", "", match["below"]))
        if not below:
            return "not_finite"
        number = number / below + float(match["whole"] or 0)
    if match["sign"] == "-":
        number = -number
    try:
        return number_value(number, percentage=bool(match["percent"]))
    except ValueError:
        return "not_finite"


def _in_words(text: str) -> tuple[Value | None, str]:
    """Return the number in words, else the short word, of a text without a digit."""
    text = text.strip(" \t\n.!;:,()[]\"'").casefold()
    if not text:
        return None, "no_value"
    if len(text) == 1 and text.isascii() and text.isalpha():
        return Value(text.upper()), "ok"
    if _NONE.fullmatch(text):
        return Value("0"), "ok"
    spelt = [
        (start, None if _IN_PARTS.match(text, end) else number)
        for start, end, number in spelt_numbers(text)
        if text[start:end] != "one" or _PRONOUN.search(text[max(0, start - 20) : start])
    ]
    if spelt:
        numbers = {number for _, number in spelt}
        (start, number), *_ = spelt
        if None in numbers:
            return None, "unclear_number"
        if len(numbers) > 1 or _is_sum(in_digits(text)):
            return _number(in_digits(text))
        negative = re.search(r"\b(?:minus|negative)\s++\Z", text[:start]) is not None
        percentage = re.search(r"\bper\s?cent\b|%", text) is not None
        assert number is not None
        return number_value(float(-number if negative else number), percentage=percentage), "ok"
    return (Value(" ".join(text.split())), "ok") if _SHORT.fullmatch(text) else (None, "no_value")
