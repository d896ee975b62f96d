"""Forms of a class name: plurals, inflections, adjective and noun."""

from functools import lru_cache

from rise_bench.annotations.characters import look, split_words

_FAMILIES = [
    family.split()
    for family in (
        "person people persons",
        "man men",
        "woman women",
        "child children",
        "mouse mice",
        "goose geese",
        "foot feet",
        "tooth teeth",
        "ox oxen",
        "fear fearsome",
        "joy overjoyed",
        "awe awesome awestruck",
        "pride proud",
        "anxiety anxious",
        "grief grieve grieving grieved",
        "hatred hate",
        "terror terrified terrifying",
        "horror horrified horrifying",
        "envy envious",
        "shame ashamed",
        "fury furious",
        "tension tense",
        "jealousy jealous",
    )
]
_ADJECTIVES = frozenset(
    ("sad", "mad", "glad", "calm", "warm", "cold", "dark", "bright", "proud", "tense", "serene")
)
_VOWELS = frozenset("aeiou")
_SIBILANTS = ("s", "x", "z", "ch", "sh", "o")
_ENDINGS = (  # ending of a name, and its replacement
    ("iness", "y"), ("ness", ""), ("ful", ""), ("ous", ""), ("ement", "e"), ("ment", ""), ("osity", "ous"),
    ("ity", "e"), ("ity", ""), ("ed", "e"),
    ("ed", ""), ("ing", "e"), ("ing", ""), ("dom", ""), ("ion", "e"), ("ion", ""),
)  # fmt: skip


@lru_cache(maxsize=4096)
def forms(word: str) -> frozenset[str]:
    """Return the forms of a word, in lower case without accents.

    >>> {"sad", "sadder", "sadly"} <= forms("sadness"), "busy" in forms("bus"), "angry" in forms("anger")
    (True, False, True)
    """
    roots = {word}
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            roots.add(word[: -len(ending)] + instead)
    if (word.endswith("s") and len(word) > 3 and word[-2] not in "suia") or word.endswith("skis"):
        roots.add(word[:-1])
    if word.endswith("er") and len(word) > 4:
        roots.add(word[:-2] + "ry")
    if word.endswith("ry") and len(word) > 4 and word[-3] not in _VOWELS:
        roots.add(word[:-2] + "er")
    for family in _FAMILIES:
        if roots & set(family):
            roots.update(family)
    made = set().union(*map(_inflected, roots))
    negated = {f"un{form}" for form in made if form.endswith(("ed", "ing", "ingly", "edly"))}
    return frozenset(made | negated)


def _inflected(root: str) -> set[str]:
    if not root.isascii() or not root.isalpha() or len(root) > 40:
        return {root, root + "s"}
    made = {
        root + ending
        for ending in ("", "s", "ful", "fully", "fulness", "less", "lessly", "ly", "ness", "like")
    }
    if root.endswith(_SIBILANTS):
        made |= {root + "es", root + root[-1] + "es"}
    if root.endswith(("f", "fe")):
        made.add(root.rstrip("e")[:-1] + "ves")
    stem = _before_a_vowel(root)
    endings = ["ed", "edly", "ing", "ings", "ingly"]
    if root in _ADJECTIVES:
        endings += ["er", "est", "en", "ens", "ened", "ening"]
    if root.endswith("y") and root[-2:-1] in _VOWELS:
        endings += ["ous", "ously", "ousness"]
    elif root.endswith("y"):
        made |= {
            root[:-1] + ending for ending in ("ies", "ied", "ier", "iest", "ily", "iness", "ious", "iously")
        }
    elif len(root) > 3:
        endings += ["y"]
        made |= {root + ending for ending in ("ity", "ize", "ized", "ise", "ised", "ish") if len(root) > 4}
    return made | {stem + ending for ending in endings}


def _before_a_vowel(root: str) -> str:
    """Return the stem before "ed" and "ing": star(r)ed, surpris(e)d."""
    if root.endswith("e"):
        return root[:-1]
    syllables = sum(a not in _VOWELS and b in _VOWELS for a, b in zip("." + root, root, strict=False))
    closed = len(root) > 2 and root[-1] not in "aeiouwxy" and root[-2] in _VOWELS and root[-3] not in _VOWELS
    return root + root[-1] if closed and syllables == 1 else root


@lru_cache(maxsize=256)
def class_forms(classes: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return, for each form that can end a class name, the word sequences that may precede it."""
    before: dict[str, set[tuple[str, ...]]] = {}
    for name in classes:
        parts = [part.casefold() for part in split_words(look(name)[0])]
        if not parts:
            continue
        for form in forms(parts[-1]):
            before.setdefault(form, set()).add(tuple(parts[:-1]))
            before.setdefault("".join((*parts[:-1], form)), set()).add(())
    return {form: tuple(sequences) for form, sequences in before.items()}


@lru_cache(maxsize=256)
def split_forms(classes: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return `class_forms`, and one-word names written in two parts: "tooth brush" for toothbrush."""
    split: dict[str, tuple[tuple[str, ...], ...]] = dict(class_forms(classes))
    for form, sequences in class_forms(classes).items():
        if () in sequences and len(form) < 24:
            for cut in range(3, len(form) - 2):
                split[form[cut:]] = (*split.get(form[cut:], ()), (form[:cut],))
    return split
