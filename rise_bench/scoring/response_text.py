"""Normal form of a model's text: encodable, and empty for None."""

import re

#: Text for "no response" in rollout logs, samples and scores.
NO_RESPONSE = ""

_SURROGATE = re.compile("[\ud800-\udfff]")


def without_thinking(text: str) -> str:
    r"""Return a reply without the thinking before it, which a chat template may have opened in the prompt.

    A text that is nothing but thinking, or that thinks later on, stays as it is.

    >>> without_thinking("<think>A hint.</think>\nThe sky is low."), without_thinking("<think>…</think>")
    ('The sky is low.', '<think>…</think>')
    """
    left = text
    while True:
        thinking, _, reply = left.partition("</think>")
        reply = reply.strip()
        if not reply or "<think>" in thinking.lstrip().removeprefix("<think>"):
            return left
        if not reply.startswith("<think>"):
            return reply
        left = reply


def opens_thinking(prompt: str) -> bool:
    r"""Whether a prompt, as a chat template renders it, ends in thinking that it opens and the reply closes.

    >>> opens_thinking("assistant\n<think>\n"), opens_thinking("assistant\n<think>\n\n</think>\n\n")
    (True, False)
    """
    return prompt.rstrip().endswith("<think>")


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
