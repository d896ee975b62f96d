"""The template environment of pages and cards: a value is text, unless it is markup already.

Templates are package data, in the folder `templates` of a package. The end of a template's name says how its
values are escaped: `.html.j2` and `.svg.j2` as HTML, `.md.j2` by `markdown.inline`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from rise_bench.errors.redaction import redact
from rise_bench.rendering import markdown

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "rise_bench.rendering"


def render(template: str, /, *, package: str = PACKAGE, **values: Any) -> str:
    """Render a template without secrets; the result is markup, which other templates do not escape again.

    In Markdown a text in the template's own braces is a value too: it loses its outer blanks.

    Args:
        template: File name, e.g. "run_report.html.j2".
        package: Package of the template; templates of `rendering` are available in each.
        values: Variables of the template; a missing variable is an error.

    >>> str(render("legend.html.j2", lines=[("<b>", 0, 0.25, 1.0)])).count("&lt;b&gt;")
    1
    """
    from markupsafe import Markup

    text = redact(_environment(package).get_template(template).render(values))
    return markdown.Markdown(text) if template.endswith(".md.j2") else Markup(text)


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_eval_context

    @pass_eval_context
    def escaped(context: Any, value: Any) -> Any:
        return value if context.autoescape else markdown.escape(value)

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, PACKAGE))]),
        autoescape=lambda name: not (name or "").endswith(".md.j2"),
        undefined=StrictUndefined,
        finalize=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (markdown.code, markdown.fenced, markdown.number, markdown.verbatim)
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    return environment
