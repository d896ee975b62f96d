"""Documents tell the truth: examples run, names import, files and commands exist."""

import doctest
import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.cot.dataset import cot_features
from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.methods import METHODS

from ..support.command_lines import check_extras, check_line, check_mention, mentions

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DECISIONS = sorted(path for path in ROOT.glob("docs/decisions/*.md") if path.name != "README.md")

#: Inline code and the lines of code blocks: where pages name things that have to exist.
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```(?:bash|console|sh|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
DOTTED = re.compile(r"rise_bench(?:\.\w+)+")
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|md|toml|ya?ml|txt|json|cff))")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")

#: Modules with examples outside the folder rise_bench, which pytest collects itself.
MODULES = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for folder in ("builders", "leaderboards", "tasks", "trainers")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def _resolve(dotted: str) -> object:
    """Import the longest module prefix of a dotted name, then follow its attributes."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        try:
            found: object = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(dotted)


def _code(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join([*FENCED.findall(text), *INDENTED.findall(text)])
    return [*INLINE.findall(text), *blocks.splitlines()]


def _shell_lines(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    shell = _lines(SHELL.findall(text))
    others = _lines([*FENCED.findall(text), *INDENTED.findall(text)])
    return [*shell, *(line for line in others if line.startswith("rise-bench ") and line not in shell)]


def _lines(blocks: list[str]) -> list[str]:
    """Lines of code blocks, joined where they end with a backslash."""
    text = re.sub(r"\\\n\s*", " ", "\n".join(blocks))
    return [line.strip() for line in text.splitlines()]


@every_page
def test_examples_run(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings_run(module: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(f"rise_bench.{module}"))
    assert failed == 0 and attempted > 0


@every_page
def test_dotted_names_import(page: Path) -> None:
    for text in _code(page):
        if DOTTED.fullmatch(text):
            _resolve(text)


@every_page
def test_files_and_links_exist(page: Path) -> None:
    named = {text for text in INLINE.findall(page.read_text(encoding="utf-8")) if FILE.fullmatch(text)}
    tops = {path.name for path in ROOT.iterdir()}
    missing = [name for name in named if name.split("/")[0] in tops and not (ROOT / name).exists()]
    links = LINK.findall(page.read_text(encoding="utf-8"))
    missing += [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for text in _code(page) for target in MAKE.findall(text)}
    assert named <= targets


@every_page
def test_commands_in_sentences_exist(page: Path) -> None:
    for text in INLINE.findall(page.read_text(encoding="utf-8")):
        for mention in mentions(text):
            check_mention(mention)
        check_extras(text)


@every_page
def test_lines_of_shell_blocks_parse(page: Path) -> None:
    """Every line of a shell block, and the `rise-bench` lines of others."""
    for line in _shell_lines(page):
        check_line(line)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.name)
def test_decision_has_its_parts_and_is_listed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for part in ("Question", "Decision", "Why", "Consequence", "Where"):
        assert f"\n**{part}.** " in text
    assert f"]({page.name})" in (page.parent / "README.md").read_text(encoding="utf-8")


def _paper_index() -> list[tuple[str, str, str]]:
    lines = (ROOT / "docs" / "paper_index.md").read_text(encoding="utf-8").splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line[:1] == "|"]
    return [(row[0], row[-2], row[-1]) for row in rows[2:]]


@pytest.mark.parametrize(("where", "code", "tests"), _paper_index())
def test_paper_index_points_at_code_and_tests(where: str, code: str, tests: str) -> None:
    functions, paths = INLINE.findall(code), INLINE.findall(tests)
    assert functions, f"{where} names no code"
    assert paths, f"{where} names no test"
    for name in functions:
        _resolve(name)
    for path in paths:
        assert (ROOT / path).is_file(), path


def test_paper_index_covers_every_equation() -> None:
    numbers = {int(n) for where, _, _ in _paper_index() for n in re.findall(r"eq\. (\d+)", where)}
    assert numbers == set(range(1, 12))


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


def test_the_page_of_sources_links_to_what_the_catalogue_names() -> None:
    """Every benchmark with raw files has the address of its download beside the command that builds it."""
    page = (ROOT / "docs" / "building.md").read_text(encoding="utf-8")
    addresses = {spec.source_url for spec in BENCHMARKS.values() if spec.source_url}
    assert len(addresses) >= 5
    assert {address for address in addresses if f"]({address})" not in page} == set()


@pytest.mark.parametrize("name", ["moods", "scenes", "lisa_polygons", "counting", "transformation"])
def test_the_page_of_columns_lists_every_column(name: str) -> None:
    page = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    table = page.partition("\n### Columns\n")[2].partition("\n## ")[0]
    assert cot_features(BENCHMARKS[name]).keys() - set(INLINE.findall(table)) == set()


def test_the_page_of_the_studys_method_says_what_every_method_and_ablation_is() -> None:
    page = (ROOT / "docs" / "study_method.md").read_text(encoding="utf-8")
    compared = page.partition("\n## What is compared\n")[2].partition("\n## ")[0]
    assert (METHODS | ABLATIONS).keys() - set(INLINE.findall(compared)) == set()


def test_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
