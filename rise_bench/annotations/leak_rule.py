"""Secrets of an annotation, which a chain of thought may not reveal."""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Secrets(NamedTuple):
    """Texts that reveal an annotation; the fields are the arguments of `scoring.leaks.find_leaks`.

    Attributes:
        classes: Names that count under the strict rule, in any inflection.
        texts: Texts that count under either rule, with any white space in them.
        statements: Patterns that count under either rule, for a text as `characters.look` returns it; the
            reason is the name of the group that ends the match, or "annotation".
        numbers: Whether any number counts under either rule.
    """

    classes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    statements: tuple[re.Pattern[str], ...] = ()
    numbers: bool = True


def stated(seen: str, statements: tuple[re.Pattern[str], ...]) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and reason of what `Secrets.statements` find."""
    for pattern in statements:
        for match in pattern.finditer(seen):
            yield match.start(), match.end(), match.lastgroup or "annotation"
