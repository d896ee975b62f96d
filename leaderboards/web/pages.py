"""The pages of the site as HTML: readable without JavaScript, and without any style or script in the page."""

from collections.abc import Sequence

from rise_bench._version import __version__
from rise_bench.leaderboards.ranking.tables import Table
from rise_bench.leaderboards.web.table import SHOTS, table_markup, title_of
from rise_bench.rendering.html import Child, Markup, el, join

#: Sent with every page; a static server cannot set headers, so the page says it itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_COMMANDS = """\
rise-bench eval --tasks rise_emotion6 --model qwen2_vl --model_args pretrained=ORG/NAME --output_path results
rise-bench submit results --model ORG/NAME@COMMIT --shots full --board ORG/rise-results"""
#: Rows of a board on the first page; the board's own page has all.
FIRST_ROWS = 10


def file_of(table: Table) -> str:
    """Return the file of a board's page."""
    return f"{table.spec.name}-{table.shots}.html"


def page(title: str, site: str, body: Child, *, scripts: Sequence[str] = (), tables: Sequence[Table]) -> str:
    """Return a whole page."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title if title == site else f"{title} · {site}"),
        el("link", rel="icon", href="icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="site.css"),
        *(el("script", src=script, defer=True) for script in scripts),
    )
    header = el(
        "header",
        el("a", "Skip to the table", href="#main", class_="skip"),
        el("a", site, href="index.html", class_="site"),
        el(
            "nav",
            *(el("a", title_of(t.spec), href=file_of(t)) for t in _one_each(tables)),
            aria_label="Benchmarks",
        ),
    )
    footer = el(
        "footer",
        el(
            "p",
            "Every score is recomputed from the raw responses; claims are not shown. ",
            el("a", "Rules", href="rules.html"),
            " · ",
            el("a", "CSV", href="leaderboard.csv"),
            " · ",
            el("a", "JSON", href="leaderboard.json"),
            f" · rise-bench {__version__}",
        ),
    )
    html = el("html", head, el("body", header, el("main", body, id="main"), footer), lang="en")
    return f"<!doctype html>\n{html}\n"


def index_page(site: str, tables: Sequence[Table]) -> str:
    """Return the first page: the best rows of one board of each benchmark, and how to take part."""
    intro = el(
        "div",
        el("h1", site),
        el(
            "p",
            "Small vision-language models that look, explain and annotate. Each row opens to every image, "
            "chain of thought and answer behind its score.",
            class_="lead",
        ),
        class_="intro",
    )
    sections = [_section(table) for table in _one_each(tables)]
    submit = el(
        "section",
        el("h2", "Take part"),
        el(
            "p",
            "Run a benchmark, then send its output folder. The command checks it and shows what goes out.",
        ),
        el("pre", el("code", _COMMANDS)),
        class_="submit",
    )
    return page(site, site, join(intro, *sections, submit), scripts=("site.js",), tables=tables)


def _one_each(tables: Sequence[Table]) -> list[Table]:
    """One board of each benchmark: the one with the most rows, of equals the one with most shots."""
    best: dict[str, Table] = {}
    for table in tables:
        chosen = best.get(table.spec.name)
        if chosen is None or len(table.all_rows) >= len(chosen.all_rows):
            best[table.spec.name] = table
    return list(best.values())


def _section(table: Table) -> Markup:
    more = len(table.all_rows) - FIRST_ROWS
    link = f"All {len(table.all_rows)} rows" if more > 0 else "Open this board"
    return el(
        "section",
        el("h2", el("a", title_of(table.spec), href=file_of(table)), el("small", SHOTS[table.shots])),
        _about(table),
        table_markup(table, limit=FIRST_ROWS),
        el("p", el("a", link, href=file_of(table)), class_="more"),
        id=table.spec.name,
    )


def board_page(site: str, table: Table, tables: Sequence[Table]) -> str:
    """Return the page of one board, with every row."""
    settings = [t for t in tables if t.spec.name == table.spec.name]
    shots = el(
        "nav",
        *(
            el(
                "a",
                SHOTS[t.shots],
                el("span", str(len(t.all_rows)), class_="count"),
                href=file_of(t),
                aria_current="page" if t.shots == table.shots else None,
            )
            for t in settings
        ),
        class_="tabs",
        aria_label="Training samples",
    )
    heading = f"{title_of(table.spec)}, {SHOTS[table.shots]}"
    body = join(
        el("h1", title_of(table.spec)),
        _about(table),
        shots,
        el("div", class_="controls", id="controls", hidden=True),
        table_markup(table),
        el("p", _note(table), class_="note"),
    )
    return page(heading, site, body, scripts=("site.js",), tables=tables)


def _about(table: Table) -> Markup:
    metric = table.spec.ranking
    question = table.spec.question.replace("{question} ", "").replace("{category}", "…")
    return el(
        "p",
        el("em", question),
        f" {table.samples} test images. {metric.description}; {metric.direction}.",
        class_="about",
    )


def _note(table: Table) -> str:
    reference = table.reference.replace("_", " ")
    against = f" Win-rate is against {reference}, ties beside it." if reference else ""
    rise = " and to the pinned RISE submission" if table.rise else ""
    return (
        "Lines show 95% bootstrap intervals; the dashed line is the best floor, a constant that looks at no "
        f"image. Differences are to the row above{rise}, with the p of a paired bootstrap test on the same "
        f"resamples.{against} Ranked are rows that are reproduced (maintainers ran a random part again) or "
        "hidden-split (the truth of the test split is not public). Recomputed rows are scored again from the "
        "raw responses, but nothing shows that the model wrote them: public truth with some noise, or a copy "
        "with new words, would pass. They are shown apart; with JavaScript, “Rank” ranks everything. Keys: "
        "/ searches, j and k move, Enter opens."
    )


def samples_page(site: str, tables: Sequence[Table]) -> str:
    """Return the page that shows the samples of a run, and of two side by side."""
    body = join(
        el("div", id="run", aria_live="polite"),
        el("div", class_="controls", id="controls", hidden=True),
        el(
            "p",
            "This page draws images, boxes and texts with JavaScript, from files that a browser reads only "
            "from a server: run “python -m http.server” in the folder of the site. The tables work without.",
            id="plain",
        ),
        el("div", id="samples"),
    )
    return page("Samples", site, body, scripts=("samples.js",), tables=tables)


def rules_page(site: str, rules: str, tables: Sequence[Table]) -> str:
    """Return the rules; their Markdown is shown as it is written, headings and lists aside."""
    blocks: list[Markup] = []
    for block in rules.strip().split("\n\n"):
        lines = block.strip().splitlines()
        if lines[0].startswith("#"):
            level = min(3, len(lines[0]) - len(lines[0].lstrip("#")))
            blocks.append(el(f"h{level}", lines[0].lstrip("# ")))
        elif lines[0].startswith("- "):
            items = " ".join(line.strip() if not line.startswith("- ") else "\n" + line for line in lines)
            blocks.append(
                el("ul", *(el("li", i.strip().removeprefix("- ")) for i in items.strip().split("\n")))
            )
        else:
            blocks.append(el("p", " ".join(line.strip() for line in lines)))
    return page("Rules", site, el("div", *blocks, class_="text"), tables=tables)
