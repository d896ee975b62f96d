"""Normal form of a model's text: encodable, and empty for None."""

import re

#: Text for "no response" in rollout logs, samples and scores.
NO_RESPONSE = ""

_SURROGATE = re.compile("[\ud800-\udfff]")


def response_text(text: str | None) -> str:
    r"""Return the text with lone surrogates, which cannot be encoded, replaced; `NO_RESPONSE` for None.

    >>> response_text("half \ud83d pair"), response_text("\ud83d\ude00"), response_text(None)
    ('half � pair', '😀', '')
    """
    if text is None:
        return NO_RESPONSE
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
