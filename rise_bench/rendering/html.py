"""Elements of HTML and SVG as values: text is always escaped, so a stranger's text can only ever be text."""

from html import escape


class Markup(str):
    """Text that is markup already; only `el` and `join` make it."""

    __slots__ = ()


Child = str | Markup | None

_VOID = frozenset({"meta", "link"})
_DRAWN = frozenset({"line", "circle"})  # of SVG, where an element without content has to be closed


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Return an element.

    Args:
        tag: Its name.
        children: Text (escaped), markup (kept) or None (left out).
        attributes: By name; `class_` is `class`, an underscore is a hyphen. None and False are left out, True
            is an attribute without a value.

    >>> el("a", "<b>", href="x?a&b", class_="name", hidden=True, title=None)
    '<a href="x?a&amp;b" class="name" hidden>&lt;b&gt;</a>'
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        label = name.rstrip("_").replace("_", "-")
        parts.append(f" {label}" if value is True else f' {label}="{escape(_plain(value))}"')
    parts.append("/>" if tag in _DRAWN else ">")
    if tag in _VOID or tag in _DRAWN:
        return Markup("".join(parts))
    return Markup("".join(parts) + join(*children) + f"</{tag}>")


def join(*children: Child) -> Markup:
    """Put children one after the other; text is escaped."""
    return Markup(
        "".join(c if isinstance(c, Markup) else escape(c, quote=False) for c in children if c is not None)
    )


def _plain(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
