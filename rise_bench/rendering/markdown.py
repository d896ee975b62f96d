"""Texts of unknown origin on a Markdown page: they stay text, whatever markup they hold."""

import re

from rise_bench.errors.redaction import redact


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


_LONGEST = 1_200
_MARKUP = re.compile(
    r"[\\`*{}\[\]<>|#&~!$@]|(?<![a-z0-9])_|_(?![a-z0-9])|:(?=//)|(?<=www)\.", re.ASCII | re.IGNORECASE
)
_OPENING = re.compile(r"[-+=]|\d+(?=[.)])")
_URL = re.compile(r"https?://[\w.~:/?#@!$&'()*+,;=%-]+", re.ASCII)


def escape(value: object) -> Markdown:
    """Return Markdown as it is, and anything else as text in a line."""
    return value if isinstance(value, Markdown) else inline(str(value))


def number(value: float, form: str) -> Markdown:
    """Write a number, e.g. in the form ".4f"."""
    return Markdown(format(value, form))


def inline(text: str) -> Markdown:
    r"""Escape a text for a paragraph, heading or cell: no HTML, link, picture, list or line break is left.

    >>> print(inline("[x](javascript:alert(1)) | <b>\n# y"))
    \[x\](javascript:alert(1)) \| \<b\> \# y
    >>> print(inline("1. at https://example.org"))
    1\. at https\://example.org
    """
    flat = re.sub(r"\s+", " ", redact(text)).strip()[:_LONGEST]  # before escapes change a secret
    escaped = _MARKUP.sub(r"\\\g<0>", flat)
    opening = _OPENING.match(escaped)
    if opening is None:
        return Markdown(escaped)
    at = opening.end() if opening[0].isdigit() else 0
    return Markdown(f"{escaped[:at]}\\{escaped[at:]}")


def code(text: str) -> Markdown:
    """Show a text as code in a line; the fence is longer than any run of backticks in it.

    >>> print(code("a`b"), code("`"))
    ``a`b`` `` ` ``
    """
    flat = re.sub(r"\s+", " ", text)[:_LONGEST]
    ticks = "`" * (1 + _longest_run(flat))
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat.strip() else ""
    return Markdown(f"{ticks}{pad}{flat}{pad}{ticks}")


def fenced(text: str, language: str = "") -> Markdown:
    """Show lines as code, between fences that are longer than any run of backticks in them."""
    fence = "`" * max(3, 1 + _longest_run(text))
    return Markdown(f"{fence}{language}\n{text.rstrip()}\n{fence}")


def verbatim(text: str) -> Markdown:
    """Show a text as an indented block, in which nothing is markup."""
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
    return Markdown("\n".join("    " + line for line in cut.splitlines() or [""]))


def web_address(url: str) -> str:
    """Return an address of the web as it is, and nothing of any other kind (`javascript:`, `data:`)."""
    return url if _URL.fullmatch(url) else ""


def link(url: str) -> Markdown:
    """Return an address of the web as a link, anything else as text."""
    return Markdown(f"<{url}>") if web_address(url) else inline(url)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
