"""Text of a model in the one form that everything else relies on: encodable, empty where there is none."""

import re

#: What stands for "the model gave no response" in rollout logs, samples and scores.
NO_RESPONSE = ""

_SURROGATE = re.compile("[\ud800-\udfff]")


def response_text(text: str | None) -> str:
    r"""The text with half surrogate pairs, which no file can hold, replaced; `NO_RESPONSE` for None.

    >>> response_text("half \ud83d pair"), response_text("\ud83d\ude00"), response_text(None)
    ('half � pair', '😀', '')
    """
    if text is None:
        return NO_RESPONSE
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
