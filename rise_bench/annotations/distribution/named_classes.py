"""Names of classes, found in what an answer writes before a number."""

import re
from dataclasses import dataclass
from functools import lru_cache

from rise_bench.annotations.characters import fold, fold_word, plain, split_words

_NEGATIONS = frozenset(("not", "no", "non", "without", "never"))
_FILLERS = frozenset(
    ("p", "pr", "prob", "probability", "likelihood", "score", "of", "the", "class", "emotion", "label", "for")
)


@dataclass(frozen=True, slots=True)
class Names:
    """Class names for lookups.

    Attributes:
        index: Folded name to position.
        exact: Name to position, without names that fold as a later one.
        endings: The last word of each name, the last two, and so on.
        most_words: Number of words of the longest name.
        reach: Characters before a separator that can contain a name.
    """

    index: dict[str, int]
    exact: dict[str, int]
    endings: frozenset[str]
    most_words: int
    reach: int


@lru_cache(maxsize=64)
def names_of(classes: tuple[str, ...]) -> Names:
    """Return the names for lookups; of names that fold alike the last."""
    split = [split_words(plain(name)) for name in classes]
    index = {fold(name): i for i, name in enumerate(classes)}
    return Names(
        index=index,
        exact={name: i for i, name in enumerate(classes) if index[fold(name)] == i},
        endings=frozenset("".join(map(fold_word, parts[i:])) for parts in split for i in range(len(parts))),
        most_words=max(map(len, split), default=1),
        reach=3 * max(map(len, classes), default=0) + 24,
    )


def ends_a_name(word: str, names: Names) -> bool:
    """Whether a word is the last of a name."""
    return len(word) <= names.reach and fold_word(word.strip("_").rpartition("_")[2]) in names.endings


def class_of(text: str, match: re.Match[str], names: Names) -> int | None:
    """Return the class whose name ends with the word of a match, or None."""
    end, close = match.end("last"), match["close"]
    begin = max(0, match.start("last") + len(match["last"]) - names.reach)
    place = max(close.rfind('"'), close.rfind("'"))
    if place >= 0:
        opened = _opening_of(text[begin:end], close[place], close[place - 1 : place] == "\\")
        if opened is not None:
            return class_of_key(text[begin + opened : end], names)
        if begin:
            return None
    before = split_words(text[begin:end])
    for count in range(min(names.most_words, len(before)), 0, -1):
        index = names.index.get("".join(map(fold_word, before[-count:])))
        if index is not None:
            return None if before[-count - 1 : -count] and before[-count - 1].lower() in _NEGATIONS else index
    return None


def _opening_of(window: str, quote: str, escaped: bool) -> int | None:
    place = window.rfind(quote)
    while place >= 0:
        if (window[place - 1 : place] == "\\") == escaped:
            return place + 1
        place = window.rfind(quote, 0, place)
    return None


def class_of_key(key: str, names: Names) -> int | None:
    """Return the class that a quoted key names: the whole of it, but for a number or a word of no content."""
    parts = [fold_word(word) for word in split_words(key)]
    while parts and "".join(parts) not in names.index and (parts[0] in _FILLERS or parts[0].isdigit()):
        del parts[0]
    return names.index.get("".join(parts))
