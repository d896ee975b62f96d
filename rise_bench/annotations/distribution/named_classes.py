"""Names of classes, found in what an answer writes before a number."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rise_bench.annotations.characters import fold, fold_word, plain, split_words

_NEGATIONS = frozenset(("not", "no", "non", "without", "never"))
#: Words of no content before a name or behind it, and those only before it.
_FILLERS_BEHIND = ("p", "pr", "prob", "probability", "likelihood", "score", "class", "emotion", "label")
_FILLERS = frozenset((*_FILLERS_BEHIND, "of", "the", "for"))
_BEHIND = re.compile(rf"(?<=[^\W_])[ _-](?:{'|'.join(_FILLERS_BEHIND)})\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """Class names for lookups.

    Attributes:
        index: Folded name to position.
        exact: Name to position, without names that fold as a later one.
        endings: The last word of each name, the last two, and so on.
        most_words: Number of words of the longest name.
        reach: Characters before a separator that can contain a name.
        behind: Whether a word of no content or a remark may stand behind a name.
    """

    index: dict[str, int]
    exact: dict[str, int]
    endings: frozenset[str]
    most_words: int
    reach: int
    behind: bool = False


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
    """Whether a word is the last of a name, or may stand behind one."""
    if len(word) > names.reach:
        return False
    last = fold_word(word.strip("_").rpartition("_")[2])
    return last in names.endings or (names.behind and last in _FILLERS_BEHIND)


def class_of(text: str, match: re.Match[str], names: Names) -> tuple[int | None, bool]:
    """Return the class whose name ends with the word of a match, or None, and whether it is the word itself.

    Else a word of no content or a remark stands behind the name: "joy score", "joy (low)".
    """
    end, close = match.end("last"), match["close"]
    begin = max(0, match.start("last") + len(match["last"]) - names.reach)
    if match["behind"] and ("'" in match["behind"] or '"' in match["behind"]):
        end, close = match.start("behind"), match["behind"]  # the remark is a part of the key
    place = max(close.rfind('"'), close.rfind("'"))
    if place >= 0:
        opened = _opening_of(text[begin:end], close[place], close[place - 1 : place] == "\\")
        if opened is not None:
            key = text[begin + opened : end]
            itself = _named_whole(key, names.index, ()) is not None
            return class_of_key(key, names), itself
        if begin:
            return None, True
    window = text[begin : match.end("last")]
    index = _named_at_end(window, names)
    if index is None and names.behind and (behind := _BEHIND.search(window)):
        return _named_at_end(window[: behind.start()], names), False
    return index, True


def _named_at_end(window: str, names: Names) -> int | None:
    """Return the class whose name ends a text, but for one that is denied."""
    before = split_words(window)
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
    """Return the class that a quoted key names: the whole of it, but for numbers and words of no content.

    Where words may stand behind a name, a remark in brackets is left out too, unless it holds a digit.
    """
    index = _named_whole(key, names.index, ())
    if index is not None or not names.behind:
        return index
    index = _named_whole(key, names.index, _FILLERS_BEHIND)
    name, bracket, remark = key.rstrip().rpartition("(")
    if index is None and bracket and remark.endswith(")") and not any(c.isnumeric() for c in remark):
        index = _named_whole(name, names.index, _FILLERS_BEHIND)
    return index


def _named_whole(key: str, index: Mapping[str, int], behind: Collection[str]) -> int | None:
    """Return the class of a key without the words before it that say nothing, and those of `behind`."""
    parts = [fold_word(word) for word in split_words(key)]
    while parts and "".join(parts) not in index:
        if parts[0] in _FILLERS or parts[0].isdigit():
            del parts[0]
        elif parts[-1] in behind:
            del parts[-1]
        else:
            return None
    return index.get("".join(parts))
