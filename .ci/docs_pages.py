"""Pages of the documentation site that are not in docs/: the README, other pages of the tree, commands, API.

MkDocs loads this file as a hook (mkdocs.yml). Links between pages are written as they work in the repository
and are turned into links of the site here, so that every page has one source.
"""

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "build" / "tree" / "rise_bench"

#: Page of the site -> its source, where that is not in docs/.
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "rules.md": "leaderboards/rules.md",
    "base_model.md": "rise_bench/models/base_model/README.md",
    **{f"examples/{path.name}": f"examples/{path.name}" for path in (ROOT / "examples").glob("*.*")},
}

#: Packages that are documented by the commands and not by their functions.
WITHOUT_API = {"cli", "tasks"}

LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)")

#: An example in a docstring: from a prompt to the next empty line.
EXAMPLE = re.compile(r"^>>> .*(?:\n.*\S.*)*", re.MULTILINE)


class Examples(griffe.Extension):
    """Shows the examples of docstrings as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Put a fence around each example of a docstring."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", obj.docstring.value)


def packages() -> list[str]:
    """Return the top-level packages that have an API page, in alphabetical order."""
    names = {path.parent.name for path in TREE.glob("*/__init__.py")}
    return sorted(names - WITHOUT_API)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add to the navigation what mkdocs.yml does not list: API pages, decisions, and new pages as guides."""
    docs = ROOT / "docs"
    decisions = sorted(path.name for path in (docs / "decisions").glob("*.md"))
    sections: dict[str, list[str]] = {
        "Guides": sorted(path.name for path in docs.glob("*.md")),
        "Reference": [f"api/{name}.md" for name in packages()],
        "Decisions": [f"decisions/{name}" for name in ("README.md", *decisions)],
    }
    entries = (entry for section in config.nav or [] for pages in section.values() for entry in pages)
    listed = {page for entry in entries for page in ([entry] if isinstance(entry, str) else entry.values())}
    for section in config.nav or []:
        for title, pages in section.items():
            pages.extend(page for page in dict.fromkeys(sections.get(title, [])) if page not in listed)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for uri, source in ELSEWHERE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, "command_reference.md", content=commands()))
    for name in packages():
        files.append(File.generated(config, f"api/{name}.md", content=api_page(name)))
    return files


def commands() -> str:
    """Return the page of all commands with their options, as the commands themselves print them."""
    from rise_bench.cli import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="rise-bench")
    text = get_docs_for_click(obj=command, ctx=context, name="rise-bench", title="Every command and option")
    return str(text)


def api_page(package: str) -> str:
    """Return the page of a package: the docstrings of its modules."""
    tree = ast.parse((TREE / package / "__init__.py").read_text(encoding="utf-8"))
    own = [f"rise_bench.{package}"] if len(tree.body) > 1 else []
    modules = [*own, *sorted(modules_of(package))]
    blocks = [f"::: {name}\n    options:\n      show_submodules: false" for name in modules]
    return "\n\n".join([f"# rise_bench.{package}", ast.get_docstring(tree) or "", *blocks]) + "\n"


def modules_of(package: str) -> list[str]:
    """Return the dotted names of the public modules of a package and of the packages in it."""
    folder = (TREE / package).resolve()
    paths = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py"))
    public = (path.parts for path in paths if not any(part.startswith("_") for part in path.parts))
    return [".".join(("rise_bench", package, *parts)) for parts in public]


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    uri = page.file.src_uri
    source = ELSEWHERE.get(uri, f"docs/{uri}")
    sites = {origin: site for site, origin in ELSEWHERE.items()}

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        site = sites.get(path) or path.removeprefix("docs/")
        return match[1] + posixpath.relpath(site, posixpath.dirname(uri) or ".")

    return LINK.sub(target, markdown)
