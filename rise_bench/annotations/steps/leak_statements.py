"""Calls that a chain of thought writes out."""

import re
from functools import lru_cache

from rise_bench.annotations.steps.values import Steps, vocabulary

#: Words for an argument, which make a description of a function ("change_size(object, value)"), no call.
_PLACEHOLDER = r"(?:object|obj|the_object|id|object_id|value|new_value)\s*+[,)]"


@lru_cache(maxsize=256)
def leak_statements(steps: Steps) -> tuple[re.Pattern[str], ...]:
    """Return the pattern of a call of any function of the vocabulary, for a text in small letters."""
    names = sorted({*vocabulary(steps.classes), *(call.name for call in steps.calls)})
    if not names:
        return ()
    name = "|".join(re.escape(name).replace("_", r"[\s_-]?") for name in names)
    arguments = rf"(?!\s*+{_PLACEHOLDER})[^(),\n]{{1,80}}+,\s*+(?!{_PLACEHOLDER})[^()\n]{{1,80}}"
    return (re.compile(rf"(?P<call>\b(?:{name})\s{{0,4}}\({arguments}\)?+)"),)
