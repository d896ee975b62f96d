"""Texts and token counts of the body of a chat completion, with an error for anything else."""

import json
from typing import Any

from rise_bench.errors.redaction import safe_text
from rise_bench.models.sampler import TokenCount
from rise_bench.scoring.response_text import NO_RESPONSE, response_text

_SHOWN = 200


class OddReplyError(Exception):
    """The body is not a chat completion; the message says what it is."""


def read_reply(body: bytes, tokens: TokenCount) -> list[str]:
    """Return the text of every choice; `NO_RESPONSE` where content is null, missing or without text.

    Args:
        body: Body of the reply.
        tokens: Counter to which the reply's token counts are added.

    Raises:
        OddReplyError: The body is not a chat completion.
    """
    if not body.strip():
        raise OddReplyError("an empty body")
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OddReplyError(f"no JSON: {shortened(body)}") from error
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices:
        raise OddReplyError(f"JSON without choices: {shortened(body)}")
    texts = [_text_of(choice) for choice in choices]
    _count(reply.get("usage"), tokens)
    return texts


def _count(usage: Any, tokens: TokenCount) -> None:
    stated = usage if isinstance(usage, dict) else {}
    prompt, completion = stated.get("prompt_tokens"), stated.get("completion_tokens")
    if type(prompt) is int and type(completion) is int and prompt >= 0 and completion >= 0:
        tokens.prompt += prompt
        tokens.completion += completion
    else:
        tokens.uncounted += 1


def shortened(told: bytes | str) -> str:
    """Return the beginning of what a server tells on one line, redacted and printable."""
    told = told.decode(errors="replace") if isinstance(told, bytes) else told
    text = " ".join(safe_text(told).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text_of(choice: Any) -> str:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise OddReplyError("a choice without a message")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return response_text(content)
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise OddReplyError(f"a message whose content is {type(content).__name__}, expected text")
    texts = [part.get("text") for part in content if part.get("type", "text") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise OddReplyError("a message with a part whose text is not text")
    return response_text("".join(texts)) if texts else NO_RESPONSE
