"""Read calls out of an answer: `name(object, value)`, with or without quotes and names of arguments."""

import re
from collections.abc import Iterator
from itertools import islice

from rise_bench.annotations.characters import plain, unescaped
from rise_bench.annotations.steps.values import Call, Steps, folded, folded_call, vocabulary

#: Calls beyond this number are not read.
MAX_CALLS = 100

_CALL = re.compile(r"(?<!\w)([^\W\d]\w{0,60})([\s*`]{0,4})\(([^()\n]{0,200})(\)?)")
#: Words in place of an object and of a value, which describe a function: "change_size(object, small|large)".
_ANY_OBJECT = frozenset(("object", "obj", "the_object", "id", "object_id", "obj_id"))
_ANY_VALUE = frozenset(("value", "new_value", "the_value", "val"))
#: Marks of Markdown and a blank, which end a name in a text: "**change_size** (see above)".
_OF_NAME = re.compile(r"(?=.*\s)[\s*`]*[*`][\s*`]*", re.DOTALL)
_ARGUMENT = re.compile(r"(?:[^\W\d]\w{0,30}\s*+[=:](?!=)\s*+)?+(\"[^\"]*+\"|'[^']*+'|`[^`]*+`|[^\"'`,=:;]*+)")


def read_steps(answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Steps | None, str]:
    """Return the calls that an answer states, or None and the reason.

    A call of a function or value that the vocabulary has not is read, and matches nothing; one of
    placeholders alone, `change_size(object, value)`, is left out. What begins like a call of the vocabulary
    and has not two arguments makes the answer unclear.

    >>> read_steps("change_size(1, 'Large')", ("change_size(small|large)",), True)[0].calls
    (Call(name='change_size', object='1', value='large'),)
    """
    calls = list(islice(_calls(unescaped(plain(answer)), frozenset(vocabulary(classes))), MAX_CALLS))
    if None in calls:
        return None, "unclear_call" if closed else "truncated"
    stated = tuple(call for call in calls if call is not None)
    return (Steps(classes, stated), "ok") if stated else (None, "no_calls")


def _calls(text: str, names: frozenset[str]) -> Iterator[Call | None]:
    """Yield the calls of a text in order, None for one that cannot be read."""
    for match in _CALL.finditer(text):
        name, blank, arguments, close = match.groups()
        is_known = folded(name) in names
        if blank and not is_known:
            continue  # a remark: "the cube (small, red)"
        parts = [part.strip() for part in arguments.split(",")]
        read = [_ARGUMENT.fullmatch(part) for part in parts]
        if close and len(parts) == 2 and all(part and folded(part[1]) for part in read):
            object_, value = (part[1] for part in read if part)
            call = folded_call(name, object_, value)
            if call.object not in _ANY_OBJECT or not (call.value in _ANY_VALUE or "|" in call.value):
                yield call
        elif is_known and not _OF_NAME.fullmatch(blank):
            yield None
