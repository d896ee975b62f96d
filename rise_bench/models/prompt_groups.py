"""Groups of prompts with the same start, which can be read once, as lists of token ids."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenizedPrompt:
    """Prompt of one row, without padding.

    Attributes:
        ids: Token ids, placeholders of pictures expanded.
        pictures: Number of each of its pictures; equal pictures have equal numbers.
        picture_end: Position behind the last token of a picture; 0 without pictures.
    """

    ids: tuple[int, ...]
    pictures: tuple[int, ...] = ()
    picture_end: int = 0


@dataclass(frozen=True, slots=True)
class PromptGroup:
    """Distinct prompts with a shared start, which holds all their pictures.

    Attributes:
        members: Positions of the prompts.
        length: Tokens of the shared start.
    """

    members: tuple[int, ...]
    length: int


def distinct_prompts(prompts: Iterable[TokenizedPrompt]) -> tuple[list[TokenizedPrompt], list[int]]:
    """Return the distinct prompts in the order of their first rows, and each row's position among them."""
    places: dict[TokenizedPrompt, int] = {}
    rows = [places.setdefault(prompt, len(places)) for prompt in prompts]
    return list(places), rows


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the number of leading tokens that two sequences share.

    >>> common_length([1, 2, 3], [1, 2, 4])
    2
    """
    pairs = zip(left, right, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def group_prompts(prompts: Sequence[TokenizedPrompt]) -> list[PromptGroup]:
    """Group distinct prompts by their pictures, as far as they share everything up to the last picture.

    The last token of a prompt belongs to no shared start: sampling reads it to draw the first token.
    """
    by_pictures: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, prompt in enumerate(prompts):
        by_pictures[prompt.pictures].append(position)
    groups = []
    for members in by_pictures.values():
        first = prompts[members[0]]
        length = min(common_length(first.ids, prompts[i].ids) for i in members)
        length = min(length, *(len(prompts[i].ids) - 1 for i in members))
        if length >= max(prompts[i].picture_end for i in members) and length:
            groups.append(PromptGroup(tuple(members), length))
        else:
            groups += [PromptGroup((i,), len(prompts[i].ids) - 1) for i in members]
    return groups
