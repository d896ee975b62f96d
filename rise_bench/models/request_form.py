"""Forms of a chat-completion request: what a server refuses of the usual one is said in another way."""

import json
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

#: Parameters of `Sampling.shaping`, which some servers do not know.
SHAPING = frozenset(("top_k", "min_p", "repetition_penalty"))
#: Parameters whose default, 1, need not be sent.
_DEFAULT_ONE = ("temperature", "top_p")
_PARAMETERS = {"max_tokens", "n", *_DEFAULT_ONE}
_KNOWN = {"model", "messages", *_PARAMETERS}
_SHAPING_WORDS = re.compile(rf"\b(?:{'|'.join(sorted(SHAPING))})\b")
_QUOTED = re.compile(r"[\"'`](\w{1,30})[\"'`]")

#: Signs that a parameter is refused, not its value, which may be too large for one sample.
_REFUSED = re.compile(
    r"unsupported|not (?:be )?supported|not support|unrecognized|unknown|deprecated|not permitted"
    r"|only the default|at most 1\b|must be (?:exactly )?1\b|can only be 1\b",
    re.IGNORECASE,
)


def refused_parameters(reply: bytes, doubted: Set[str] = frozenset()) -> frozenset[str]:
    """Return the parameters that an error reply refuses, among those that can be said otherwise.

    Args:
        reply: Body of the reply.
        doubted: Parameters that are taken for refused if the reply names none at all.

    >>> sorted(refused_parameters(b"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."))
    ['max_tokens']
    >>> sorted(refused_parameters(b'{"error": {"message": "must be at most 1", "param": "n"}}'))
    ['n']
    >>> sorted(refused_parameters(b"'max_tokens' is too large: 5000"))
    []
    >>> sorted(refused_parameters(b"Unrecognized request arguments supplied: min_p, top_k"))
    ['min_p', 'top_k']
    >>> sorted(refused_parameters(b"Bad Request", {"top_k"}))
    ['top_k']
    """
    text = reply.decode(errors="replace")
    try:
        named = set(_named(json.loads(text)))
    except (ValueError, RecursionError):
        named = set(_named_in(text))
    if not named:
        return frozenset(doubted)
    # whatever is wrong with `n`, one text per request is right; the values of SHAPING have no other
    return frozenset(named & (SHAPING | (_PARAMETERS if _REFUSED.search(text) else {"n"})))


def _named(reply: Any) -> Iterator[str]:
    """Yield the parameters that a reply in JSON is about: by its field, or else by its message."""
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    problems = error.get("detail") if isinstance(error, dict) else None
    if isinstance(problems, list):  # of FastAPI, which quotes the whole request too
        for problem in problems:
            place = problem.get("loc") if isinstance(problem, dict) else None
            yield from map(str, place) if isinstance(place, list) else ()
    elif isinstance(error, dict) and error.get("param") not in (None, "", "None"):
        yield str(error["param"])
    else:
        for text in _texts_in(error):
            yield from _named_in(text)


def _texts_in(reply: Any) -> Iterator[str]:
    """Yield the texts in a reply in JSON, without the names of its fields."""
    if isinstance(reply, str):
        yield reply
    elif isinstance(reply, dict | list):
        for part in reply.values() if isinstance(reply, dict) else reply:
            yield from _texts_in(part)


def _named_in(text: str) -> Iterator[str]:
    """Yield the parameters that a text names."""
    yield from (name for name in _QUOTED.findall(text) if name in _KNOWN)
    yield from _SHAPING_WORDS.findall(text)


def in_form(body: Mapping[str, Any], refused: Set[str]) -> dict[str, Any]:
    """Return a request without refused parameters, as far as the same can be asked without them.

    Args:
        body: The request in the usual form.
        refused: `max_tokens` becomes `max_completion_tokens`, as OpenAI's reasoning models want it; one text
            is asked for instead of `n`; a temperature or `top_p` of 1, and those of `SHAPING`, are left out.
    """
    form = dict(body)
    if "max_tokens" in refused:
        form["max_completion_tokens"] = form.pop("max_tokens")
    if "n" in refused:
        del form["n"]
    for name in refused & set(_DEFAULT_ONE):
        if form[name] == 1:
            del form[name]
    return {name: value for name, value in form.items() if name not in refused & SHAPING}
