"""Check of names, ids and texts of a stranger's dataset before they become paths or pages."""

import re
import unicodedata

#: Names of benchmarks, which become part of file names.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

#: Names of devices on Windows, with any suffix.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")

_LONGEST_ID, _LONGEST_TEXT = 1_024, 20_000

#: Characters that change the direction of text.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def name_problem(name: str) -> str:
    """Return why a text cannot name a benchmark, or "".

    >>> name_problem("coco_sub"), name_problem("../x")
    ('', "name '../x' must be 1 to 64 of a-z, 0-9 and _, a letter first")
    """
    if not _NAME.fullmatch(name):
        return f"name {name[:80]!r} must be 1 to 64 of a-z, 0-9 and _, a letter first"
    return f"name {name!r} is a device of Windows" if name in _DEVICES else ""


def text_problem(text: str) -> str:
    """Return why a text may not be shown (control characters, its length), or ""."""
    if len(text) > _LONGEST_TEXT:
        return f"a text has {len(text)} characters, at most {_LONGEST_TEXT} are read"
    for character in text:
        hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\n\r\t"
        if hidden or character in _TURNING:
            return f"{text[:80]!r} holds the control character U+{ord(character):04X}"
    return ""


def id_problem(uid: str) -> str:
    """Return why a text cannot be the id of a row, or ""; slashes are allowed, paths out of a folder are not.

    >>> id_problem("emotion6/joy/111"), id_problem("a/../../b")
    ('', "id 'a/../../b' is empty or absolute, or leads through '.' or '..'")
    """
    if len(uid) > _LONGEST_ID:
        return f"id {uid[:80]!r} has {len(uid)} characters, at most {_LONGEST_ID} are read"
    if not uid or _ABSOLUTE.match(uid) or {".", ".."} & set(re.split(r"[/\\]", uid)):
        return f"id {uid!r} is empty or absolute, or leads through '.' or '..'"
    if any(character in uid for character in "\n\r\t"):
        return f"id {uid!r} holds a line break or a tab"
    return text_problem(uid)
