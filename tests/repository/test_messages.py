"""Messages that send a user on name commands, options, extras and make targets that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.command_lines import UnknownCommandError, check_extras, check_line, check_mention, mentions

FOLDERS = ("rise_bench", "builders", "tasks", "trainers", "leaderboards")
TEXTS = (".j2", ".js", ".md", ".yaml", ".yml")


def messages(path: Path) -> Iterator[str]:
    """Yield the texts of a file: strings of code, docstrings included, or the whole of what is not code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text
        return
    tree = ast.parse(text)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                yield "".join(str(v.value) if isinstance(v, ast.Constant) else "{…}" for v in values)
            case ast.Constant(value=str(string)) if id(node) not in parts:
                yield string


@pytest.fixture(scope="module")
def texts(root: Path) -> list[tuple[Path, str]]:
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*"))]
    return [
        (path.relative_to(root), text)
        for path in paths
        if path.suffix in {".py", *TEXTS} and path.name != "annotorious.js"
        for text in messages(path)
    ]


def test_commands_and_options_of_messages_exist(texts: list[tuple[Path, str]]) -> None:
    bad, count = [], 0
    for path, text in texts:
        for mention in mentions(text):
            count += 1
            try:
                check_mention(mention)
            except UnknownCommandError as error:
                bad.append(f"{path}: {error}")
    assert not bad, "\n".join(bad)
    assert count > 100


def test_extras_and_make_targets_of_messages_exist(root: Path, texts: list[tuple[Path, str]]) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(), re.MULTILINE))
    for path, text in texts:
        check_extras(text)
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets, path


@pytest.mark.parametrize(
    "text",
    [
        "Run `rise-bench chek FOLDER`.",
        "rise-bench leaderboard verfy FOLDER",
        "next: rise-bench collect {…} --sample 4",
        "`rise-bench train --recipes NAME`, or",
    ],
)
def test_a_mention_of_what_does_not_exist_counts(text: str) -> None:
    with pytest.raises(UnknownCommandError):
        for mention in mentions(text):
            check_mention(mention)


@pytest.mark.parametrize(
    "text", ["rise-bench has no extra", "`rise-bench run {…} --stage {…}`, or --nothing"]
)
def test_other_mentions_do_not_count(text: str) -> None:
    for mention in mentions(text):
        check_mention(mention)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rise-bench run", "recipe is missing"),
        ("rise-bench run a b", "too much"),
        ("rise-bench run a --stage bake", "stage is one of"),
        ("rise-bench build moods --nope 1", "No such option"),
        ("rise-bench study --out", "requires an argument"),
        ("rise-bench build custom --source DIR", "name is missing"),
        ('pip install "rise-bench[evil]"', "no extra evil"),
        ("python benchmarks/nothing.py", "there is no benchmarks/nothing.py"),
        ("curl https://HOST", "does not know the program"),
    ],
)
def test_a_line_that_would_be_refused_counts(line: str, reason: str) -> None:
    with pytest.raises(UnknownCommandError, match=reason):
        check_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "# a comment",
        "RISE_BENCH_CUSTOM=mine rise-bench eval --tasks rise_custom --any flag  # of lmms-eval",
        "rise-bench build custom --source DIR --name mine [--format NAME]",
        "rise-bench train rise_cot data.benchmark=emotion6 grpo.learning_rate=1e-5",
    ],
)
def test_a_line_that_works_does_not_count(line: str) -> None:
    check_line(line)
