r"""The number that math-verify 0.3.3 finds in a text, without sympy, as far as Reason-RFT's script needs it.

The script compares `verify(parse(answer), parse(solution))`. For a solution that is a number this is: the
number in the last `\boxed`, else behind "answer", else the last number or sum of the text, compared exactly.
Roots and other LaTeX than fractions are not evaluated here.
"""

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

_GROUPED_DIGITS = r"-?\d{1,3}(?:[ ,]\d{3})+(?:\.\d+)?"
_PREFIX = r"(?:^|[\s=]|\\\(|[\[$])(?:\*\*)?[$€£¥]?"
_NUMBER = (
    rf"(?P<number>{_GROUPED_DIGITS}|-?\d+[.,]\d+|\.\d+|-?\d+)"
    r"(?P<percent>\s*\\?(?:%|[Pp]ercent|[Pp]ercentage|[Pp]ct))?"
)
_SUM = (
    r"(?P<sum>-?\(?-?\d[\d.\s+\-*/^()×÷]{0,60}[+\-*/^()×÷][\d.\s+\-*/^()×÷]{1,60}\)?)"
    r"(?:\*\*)?(?=[.,:\s)$\]]|\\\)|$)"
)
_PLAIN = tuple(re.compile(_PREFIX + inside, re.MULTILINE) for inside in (_SUM, _NUMBER))
_BEHIND_ANSWER = tuple(
    re.compile(rf"(?i:answer)(?:.{{0,100}}=\s*|.{{0,50}}?){_PREFIX}{inside}(?!\s*=)")
    for inside in (_SUM, _NUMBER)
)
_GROUPED = re.compile(_GROUPED_DIGITS)
_BOXED = re.compile(r"\\boxed\{([^{}]{1,200})\}")
_FRACTION = re.compile(r"(-?)\\frac\{(-?\d+(?:\.\d+)?)\}\{(\d+(?:\.\d+)?)\}")
_OPERATORS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
#: Bits of a number; powers of powers grow without an end.
_MAX_BITS = 4_096

#: Characters of a text that are read, from its end: the last number counts.
_REACH = 4_000


def finds_number(text: str, number: Fraction) -> bool:
    """Whether the number that a text states is the given one; a percentage may be its share of 1.

    >>> [finds_number(text, Fraction(7)) for text in ("8 or 7", "7 or 8", "3 + 4", "700%")]
    [True, False, True, True]
    """
    text = _FRACTION.sub(r" \1\2/\3 ", text[-_REACH:])
    if boxed := _BOXED.findall(text):
        text = boxed[-1]
    for patterns in (_BEHIND_ANSWER, _PLAIN):
        matches = sorted(
            (match for pattern in patterns for match in pattern.finditer(text)),
            key=lambda match: (-match.end(), match.start()),
        )
        for match in matches:
            if values := _values(match.groupdict()):
                return number in values
    return False


def _values(groups: dict[str, str | None]) -> tuple[Fraction, ...]:
    """Return the number of a match, for a percentage also its share of 1; nothing if it is none."""
    if groups.get("sum"):
        number = _evaluated(str(groups["sum"]))
        return () if number is None else (number,)
    written = str(groups["number"])
    decimal_mark = "" if _GROUPED.fullmatch(written) else "."
    number = Fraction(written.replace(" ", "").replace(",", decimal_mark))
    return (number, number / 100) if groups["percent"] else (number,)


def _evaluated(text: str) -> Fraction | None:
    """Return the value of a sum of numbers, or None if it is none."""
    written = " ".join(text.replace("^", "**").replace("×", "*").replace("÷", "/").split())
    try:
        return _value(ast.parse(written, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as exponent)) if (
            exponent <= 12
        ):
            base = _value(left)
            if exponent * _bits(base) > _MAX_BITS:
                raise ValueError("too large")
            return base**exponent
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            result = _OPERATORS[type(op)](_value(left), _value(right))
            if _bits(result) > _MAX_BITS:
                raise ValueError("too large")
            return result
    raise ValueError("no sum of numbers")


def _bits(number: Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())
