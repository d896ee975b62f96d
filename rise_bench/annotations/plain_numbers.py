"""Numbers in text: what is read as a number, and what turns it into part of something else.

Read are a sign, digits of any script, one point, an exponent and a percentage; nothing that follows may turn
them into another number: "0,8", "1/3", "0.7-0.9", "0. 8", "0x1", "8 of 10" and "4 fifths" are not read.
"""

import re

#: Largest number of an answer that is computed with; the squares of larger ones overflow.
LARGEST = 1e12

DIGITS = r"(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?+\d++)?+"
NUMBER = rf"[-+]?+{DIGITS}"
_BLANK = r"[^\S\n]"
_PERCENT = r"(?:\s*+\\?+[%﹪]|[\s-]*+(?:per[\s-]*+cent\b|pct\b\.?+|p\.\s?+c\b\.?+))"
_SMALL = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|hundred)\b"
_PARTS = (
    r"(?:hal(?:f|ves)|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|twentieths?"
    r"|hundredths?|thousandths?|hundred|thousand|[mb]illion|per|permille|promille|percentage|prozent|procent\w*"
    r"|pourcent\w*|percento|pour\s+cent|por\s+cien\w+|basis|bps?)\b"
)
_JOINS = (
    r"(?:to|or|of|in|out\s+of|over|through|till|until|up\s+to|and|plus|minus|times|x|by|vs|versus)"
    r"\s+(?:every\s+)?"
)
#: The same number in another form, or a remark in percent: "0.7(70%)", "70%(0.7)".
_AGAIN = (
    r"\((?:\d[\d.]{0,12}+\s?%|(?(percent)0?\.\d{1,12}+|(?!)))\s?\)"
    r"(?=[^\S\n]*+(?:[;}\])\"'`|\n]|\.(?!\s*+\d)|,(?!\s*+[-+~]?\.?\d[\d.]*+\s*+(?:[%(,;}\])\"'`\n]|\Z))|\Z))"
)
_GOES_ON = rf"""(?:
      \w | (?!{_AGAIN})[^\s,;}}\])|\w"'`]{{1,3}}+\d  # 0x1, 8th, 1_000; 1/3, 0..8, 0.7-0.9, 0·8, 8:2
    | ["'`]\d (?!\w*+["'`]?\s*+[:=])  # 1'000
    | ,\d (?!\w*+["'`]?\s*+[:=] | \w*+[^\W\d])  # 0,8 but not the key of 0.8,7:0.2
    | {_BLANK}*+,\s++[-+]?+\d[\d.]*+\s*+(?:[,;}}\])"'`%]|\Z)  # 0, 8
    | {_BLANK}++[-+.]?+\d  # 1 000, 0. 8
    | {_BLANK}*+(?:/(?![/*])|[÷×^±≈~‰‱‐-―])(?!{_BLANK}++[^\W\d])  # 1 / 3, 0.7 –
    | {_BLANK}*+(?:[-+*:=<>‐-―…]|\.\.++){_BLANK}*+[-+.]?+\d  # 0.7 - 0.9, 0.4 + 0.4, 8 : 2
    | {_BLANK}++{_PARTS}  # 4 fifths, 1 million, 80 Prozent
    | {_BLANK}++{_JOINS}(?:[-+.~≈]?+\d|{_SMALL})  # 0.7 to 0.9, 8 out of ten
    | {_BLANK}++(?:[^\W\d_]++{_BLANK}++){{1,4}}+[-+.]?+\d[\d.]*+%?+{_BLANK}*+  # 0.7 oder 0.9
      (?:[,;}}\])\n"'`]|\Z)
)"""
STATED_NUMBER = re.compile(
    rf"(?P<number>[-+]?+(?:{DIGITS}|nan\b|inf(?:inity)?+\b))(?P<percent>{_PERCENT})?+(?!{_GOES_ON})",
    re.IGNORECASE | re.VERBOSE,
)


def stated_number(match: re.Match[str]) -> float:
    """Return the number of a match of `STATED_NUMBER`; a percentage as a share of 1."""
    number = float(match["number"])
    return number / 100 if match["percent"] else number
