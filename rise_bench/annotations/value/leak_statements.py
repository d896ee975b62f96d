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
    r"\s+only)\s+be)\b|\s*+(?:[:=]|[-=]>|→))"
)
_FILLER = (
    r"(?:\s++(?:therefore|thus|then|hence|so|simply|just|exactly|only|clearly|about|option|choice|that"
    r"|of\s+course),?+)*+"
)
_OF = r"(?:\s++(?:of|for)(?:\s++[^\W\d_]++){1,6}?)?"
_ANSWER = (
    r"\b(?:(?:final|correct|right|overall)\s++)?+(?:answer|result|solution|count|tally|total|sum"
    r"|(?:final|correct|right|total)\s++(?:number|amount|value|choice|option))(?:\s++(?:number|count|here))?+"
)
_NOUNS = r"(?:\s++(?!and\b|or\b|but\b|plus\b|on\b|in\b|at\b)[^\W\d_][\w'-]*+){0,4}?"
_IN_ALL = (
    r"(?:in\s+all|in\s+total|altogether|all\s+together|overall|combined|all\s+in\s+all|in\s+the\s+end|all\s+told|together"
    r"|(?:are\s+)?(?:left|remaining)|remain)\b"
)
_PICTURE = r"(?:picture|image|scene|photo|photograph|figure)"
_ENDS = rf"(?:\s++in\s+(?:the|this)\s+{_PICTURE})?+(?=[\s\"'*_`$)}}\]\\]*+(?:[.;!?\n]|\Z))"
_TO_THE_END = r"[\s\"'*_`$)}\]\\.!]*+\Z"
_SO = r"(?:so|thus|hence|therefore|then|consequently)"
_START = r"(?:\A|[.!?:;\n])\s{0,20}+"
_PLAIN_LETTER = r"[\s\"'*_`$({\[\\]*+(?:option\s++|choice\s++)?+[({\[]?+"

#: Words before a number that make it the outcome of counting, where its sentence ends behind it.
_OUTCOME = (
    r"(?:\bthere\s+(?:are|is|were|remain|exist|must\s+be|would\s+be)|\bthere's"
    r"|\b(?:i|we)\s+(?:can\s+|therefore\s+|thus\s+|then\s+|now\s+)?(?:count|counted|get|see|find|have|obtain|reach"
    r"|conclude|arrive\s+at|end(?:\s+up)?\s+with|are\s+left\s+with)"
    r"|\b(?:that|which|this|it)\s+(?:is|makes|leaves|gives)|\b(?:making|leaving|giving|leaves|makes|gives|yields)(?:\s+(?:it|us|me))?+"
    rf"|\b{_PICTURE}\s+(?:contains|shows|has)|\b(?:ends?|comes?)\s+(?:up|out)\s+(?:being|with|at|as)|\bturns\s+out\s+to\s+be"
    r"|\b(?:and|plus|[+])\s+\w+\s+(?:is|are|equals)|\w+s\s+number|\banswer"
    r"|(?:[=→]|[-=]>)|\bequals|\b(?:adds?|adding|sums?|comes|amounts)\s+(?:up\s+)?to"
    r"|\bbrings\s+(?:\w+\s+){1,3}?to|\b(?:in\s+(?:all|total|sum)|altogether|overall|totall?ing)[,:]?+)"
)


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
        rf"{_OUTCOME}{_FILLER}{_MARK}{true}{_NOUNS}{_ENDS}",
        rf"\b(?:total|sum|number|final\s+(?:count|value|result|answer))\s++of\s++(?:exactly\s++)?+{true}",
        rf"\b(?:number\s++of(?:\s++[^\W\d_]++){{1,6}}?|(?:number|value)(?:\s++asked\s++for|\s++we\s++want)?+){_IS}{_FILLER}{_MARK}{true}",
        rf"\ball\s++(?:of\s+the\s++|the\s++)?{true}",
        rf"{true}\s++(?:is|as|for|must\s+be)\s++(?:the\s++|my\s++|our\s++)?(?:(?:final|correct|right|true)\s++)?"
        r"(?:answer|result|total|count|number|solution)\b",
        rf"{true}(?:\s++it\s++is\b|{_NOUNS},?+\s++{_SO}{_ENDS})",
        rf"(?:{_START}{_SO}|,\s{{1,5}}(?!then\b){_SO}),?+\s*+{_MARK}{true}{_NOUNS}{_ENDS}",
        rf"{_START}{_MARK}{true}{_TO_THE_END}",
    ]


def _letter_rules(letter: str) -> list[str]:
    ends = r"(?=[\s\"'*_`$)}\]\\]*+(?:[.,;:!?)\n]|\Z|\b(?:because|since|as|for)\b))"
    any_letter = rf"{_PLAIN_LETTER}[a-h]\b{ends}"
    true = rf"(?:(?:option|choice|answer)\s++[({{\[]?+{letter}\b[)}}\]]?|[(\[]{letter}[)\]])"
    bare = rf"(?:{true}|(?<![\w'])(?:only\s++)?{letter}\b)" if letter not in "ai" else true
    return [
        rf"{_ANSWER}{_OF}{_IS}{_FILLER}{any_letter}",
        rf"\b(?:(?:correct|right|best|matching)\s++)?(?:option|choice|letter|(?<=right\s)one|(?<=correct\s)one){_OF}{_IS}"
        rf"{_FILLER}{any_letter}",
        rf"\b(?:choose|chose|pick|select|conclude|answer|go\s+(?:for|with))\s++(?:option\s++|choice\s++|answer\s++)?+"
        rf"[({{\[]?+[a-h]\b{ends}",
        rf"{true}\s++(?:is|must\s+be|has\s+to\s+be)\s++(?:therefore\s++|thus\s++|clearly\s++|the\s++)*"
        rf"(?:correct|right|true|answer|best|one|only|match|solution)\b",
        rf"{bare}\s++(?:it\s++is\b|fits\b|is\s++correct{ends}|(?:is|must\s++be)\s++the\s++(?:correct|right|answer)\b|remains\b)",
        rf"(?<!\bat\s)(?<!\bangle\s){bare}\s++is\s++right{ends}",
        rf"\b(?:match(?:es)?|corresponds?\s+to|leads?\s+to|points?\s+to|leaves|which\s+is)\s++{true}{_ENDS}",
        rf"\b(?:leaves|it\s+must\s+be)\s++(?:only\s++)?+{letter}{_ENDS}",
        rf"{_START}(?:{_SO},?+\s*+)?+(?:{true}|[\"'*({{\[]*+{letter}){_TO_THE_END}",
    ]


def _word_rules(word: str) -> list[str]:
    true = rf"\b{re.escape(word)}\b"
    return [
        rf"{_ANSWER}{_OF}{_IS}{_FILLER}{_MARK}{true}",
        rf"{true}[\"'*]*+\s++(?:is|as|must\s+be)\s++(?:the\s++|my\s++)?(?:(?:final|correct|right)\s++)?"
        r"(?:answer|result|solution|choice)\b",
        rf"{true}[\"'*]*+\s++(?:is\s++(?:correct|right)|it\s++is){_ENDS}",
        rf"\b(?:it|that|this)\s++must\s++be\s++{_MARK}{true}{_ENDS}",
        rf"{_START}(?:{_SO},?+\s*+)?+{_MARK}{true}{_TO_THE_END}",
    ]


def _written(value: Value) -> str:
    """Return how the number of a value may be written, as the inside of a group."""
    number = value.number
    assert number is not None
    text = value.text.removesuffix("%")
    digits = re.escape(text)
    if re.fullmatch(r"[-+]?\d+\.\d*[1-9]0*", text):
        digits = re.escape(text.rstrip("0")) + "0*+"
    elif digits[-3:-2] != "." and number.is_integer():
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
