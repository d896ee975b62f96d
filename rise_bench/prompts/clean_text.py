"""Text of a chain of thought without special tokens and tags, as it may enter a prompt."""

import itertools
import re

_SPECIAL_TOKEN = re.compile(
    r"<\|[^|<>]{1,64}+\|>|</?(?:think|answer|image|video)>"
    r"|</?(?:img|IMG_CONTEXT|quad|ref|box)>"  # InternVL
    r"|<(?:end_of_utterance|fake_token_around_image|global-img|row_\d{1,3}_col_\d{1,3})>",  # SmolVLM
    re.IGNORECASE,
)
_ANGLE = re.compile("([<>])")


def clean_cot(cot: str) -> str:
    """Remove special tokens (a sampled image token corrupts a prompt) and tags, also those made by a removal.

    Time is linear in the length.
    """
    if "<" not in cot:
        return cot.strip()
    kept: list[str] = []
    opened: list[list[str]] = []  # pieces from each "<" on that has met no ">" yet
    for piece in _ANGLE.split(cot):
        if piece == "<":
            opened.append([piece])
            continue
        (opened[-1] if opened else kept).append(piece)
        if piece == ">" and opened:
            if _SPECIAL_TOKEN.fullmatch("".join(opened[-1])):
                opened.pop()  # the text before and after it may together be a token
            else:
                kept += itertools.chain(*opened)
                opened.clear()
    return "".join(itertools.chain(kept, *opened)).strip()
