"""Sentences of a chain of thought that state the final answer.

What is announced as the answer counts whatever it is ("the answer is B", "total: 7"). The true value counts
where it is the outcome of counting ("there are 7 in all", "I count seven cubes.", "3 + 4 = 7"). Any other
number is a step on the way, without which nothing can be counted ("3 on the left").
"""

import re
from functools import lru_cache

from rise_bench.annotations.value.spelt_numbers import SPELT, spell
from rise_bench.annotations.value.values import Value

_ROMAN = tuple(
    ("", "x", "xx", "xxx")[tens] + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[unit]
    for tens in range(4)
    for unit in range(10)
)
_DIGITS = r"[-+]?+(?:\d++(?:,\d{3})*+(?:\.\d++)?+|\.\d++)(?:\s*+/\s*+\d++)?+\s*+%?+"
_MARK = r"[\s\"'*_`$({\[\\]{0,20}+"
_IS = (
    r"(?:\s++(?:is|are|was|equals?|be|becomes|comes\s+to|amounts\s+to|has\s+to\s+be|(?:must|should|would|will|can"
    r"\s+only)\s+be)\b|\s*+(?:[:=]|->|→))"
)
_FILLER = (
    r"(?:\s++(?:therefore|thus|then|hence|so|simply|just|exactly|only|clearly|about|option|choice"
    r"|of\s+course),?+)*+"
)
_OF = r"(?:\s++(?:of|for)(?:\s++[^\W\d_]++){1,6}?)?"
_ANSWER = (
    r"\b(?:(?:final|correct|right|overall)\s++)?+(?:answer|result|solution|count|tally|total|sum"
    r"|(?:final|correct|right|total)\s++(?:number|amount|value|choice|option))(?:\s++(?:number|count|here))?+"
)
_NOUNS = r"(?:\s++(?!and\b|or\b|but\b|plus\b|on\b|in\b|at\b)[^\W\d_][\w'-]*+){0,4}?"
_IN_ALL = (
    r"(?:in\s+all|in\s+total|altogether|all\s+together|overall|combined|all\s+in\s+all|in\s+the\s+end"
    r"|(?:are\s+)?(?:left|remaining)|remain)\b"
)
_ENDS = r"(?=[\s\"'*_`$)}\]\\]*+(?:[.;!?\n]|\Z))"
_PLAIN_LETTER = r"[\s\"'*_`$({\[\\]*+(?:option\s++|choice\s++)?+[({\[]?+"


@lru_cache(maxsize=256)
def leak_statements(value: Value) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of what states a value, for a text in small letters."""
    if value.number is not None:
        rules = _number_rules(value)
    elif value.is_letter:
        rules = _letter_rules(value.text.lower())
    else:
        rules = _word_rules(value.text)
    return (re.compile(rf"(?P<final_answer>\\boxed\s*+\{{|{'|'.join(rules)})"),)


def _number_rules(value: Value) -> list[str]:
    true = rf"(?:{_written(value)})"
    any_number = rf"(?:{_DIGITS}|{SPELT})"
    return [
        rf"{_ANSWER}{_OF}{_IS}{_FILLER}{_MARK}{any_number}(?!\s*+[-+*/×]\s*+\d|\w)",
        rf"{true}{_NOUNS}\s++(?:(?:is|are|make|makes)\s+)?{_IN_ALL}",
        rf"\b(?:there\s+(?:are|is|were|remain|must\s+be|would\s+be)|there's|(?:i|we)\s+(?:can\s+)?(?:count|counted|get|see"
        rf"|find|have|end\s+up\s+with|arrive\s+at)|that\s+(?:is|makes|leaves|gives)|(?:which|this|it)\s+(?:makes|leaves|gives"
        rf"|is)|making|leaving|giving|leaves|makes|gives){_FILLER}{_MARK}{true}{_NOUNS}{_ENDS}",
        rf"(?:[=→]|->|\bequals|\b(?:adds?|adding|sums?|comes|amounts)\s+(?:up\s+)?to){_FILLER}{_MARK}{true}{_NOUNS}{_ENDS}",
        rf"\b(?:total|sum|number)\s++of\s++(?:exactly\s++)?+{true}",
        rf"\bnumber\s++of(?:\s++[^\W\d_]++){{1,6}}?{_IS}{_FILLER}{_MARK}{true}",
        rf"{true}\s++(?:is|as|for|must\s+be)\s++(?:the\s++|my\s++|our\s++)?(?:(?:final|correct|right|true)\s++)?(?:answer|result|total"
        rf"|count|number|solution)\b",
        rf"(?:\A|[.!?:\n])\s{{0,20}}+(?:(?:so|thus|hence|therefore),?+\s*+)?+{_MARK}{true}[\s\"'*_`$)}}\]\\.!]*+\Z",
    ]


def _letter_rules(letter: str) -> list[str]:
    ends = r"(?=[\s\"'*_`$)}\]\\]*+(?:[.,;:!?)\n]|\Z|\b(?:because|since|as|for)\b))"
    any_letter = rf"{_PLAIN_LETTER}[a-h]\b{ends}"
    true = rf"(?:(?:option|choice|answer)\s++[({{\[]?+{letter}\b[)}}\]]?|[(\[]{letter}[)\]])"
    return [
        rf"{_ANSWER}{_OF}{_IS}{_FILLER}{any_letter}",
        rf"\b(?:correct|right|best|matching)\s++(?:option|choice|one){_OF}{_IS}{_FILLER}{any_letter}",
        rf"\b(?:choose|chose|pick|select|go\s+(?:for|with))\s++(?:option\s++|choice\s++|answer\s++)?+[({{\[]?+[a-h]\b{ends}",
        rf"{true}\s++(?:is|must\s+be|has\s+to\s+be)\s++(?:therefore\s++|thus\s++|clearly\s++|the\s++)*"
        rf"(?:correct|right|true|answer|best|one|only|match|solution)\b",
        rf"\b(?:match(?:es)?|corresponds?\s+to|leads?\s+to|points?\s+to|leaves)\s++{true}{_ENDS}",
        rf"(?:\A|[.!?:\n])\s{{0,20}}+(?:(?:so|thus|hence|therefore),?+\s*+)?+(?:{true}|[\"'*({{\[]*+{letter})[\s\"'*)}}\]\\.!]*+\Z",
    ]


def _word_rules(word: str) -> list[str]:
    true = rf"\b{re.escape(word)}\b"
    return [
        rf"{_ANSWER}{_OF}{_IS}{_FILLER}{_MARK}{true}",
        rf"{true}[\"'*]*+\s++(?:is|as|must\s+be)\s++(?:the\s++|my\s++)?(?:(?:final|correct|right)\s++)?(?:answer|result|solution|choice)\b",
        rf"{true}[\"'*]*+\s++is\s++(?:correct|right)\b",
        rf"(?:\A|[.!?:\n])\s{{0,20}}+(?:(?:so|thus|hence|therefore),?+\s*+)?+{_MARK}{true}[\s\"'*)}}\]\\.!]*+\Z",
    ]


def _written(value: Value) -> str:
    """Return how the number of a value may be written, as the inside of a group."""
    number = value.number
    assert number is not None
    digits = re.escape(value.text.removesuffix("%"))
    if digits[-3:-2] != "." and number.is_integer():
        grouped = f"{int(number):,}" if abs(number) < 1e15 else digits
        digits = rf"(?:{digits}|{grouped})(?:\.0++)?"
    percent = r"\s*+(?:%|per\s?cent\b)" if value.is_percentage else ""
    forms = [rf"(?<![\w.,/]){digits}(?![.,]?\d|/\d|\w){percent}"]
    if value.is_whole and 0 <= number < 1000:
        whole = int(number)
        forms.append(
            rf"\b{spell(whole).replace('-', '[ -]').replace('hundred ', 'hundred (?:and )?')}\b{percent}"
        )
        if whole == 0:
            forms.append(r"\b(?:no|none)\b")
        if 2 <= whole < len(_ROMAN):
            forms.append(rf"\b{_ROMAN[whole]}\b")
    return "|".join(forms)
