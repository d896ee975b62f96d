"""Plain words: names that say what they hold, and the field's terms in docstrings, messages and documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("rise_bench", "builders", "tasks", "trainers", "leaderboards", "benchmarks")

#: Code in a text, which is no prose.
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)

NAMES = frozenset({"one", "some", "found", "said", "mine", "words"})

#: What is counted, and what it is counted by: "20 images per second".
COUNTED = (
    "ms|seconds|KiB|MiB|GiB|GB|steps|text|file|tokens|images|pictures|rows|samples|answers|rollouts|requests|labels|boxes|"
    "chains of thought"
)
UNITS = (
    "second|minute|row|label|picture|image|sample|step|token|batch|class|prompt|process|cpu|model|group|"
    "command|gpu|job|method|phase|request|source|stage"
)

#: Pattern of prose -> what to write instead.
TERMS = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\btorn\b": "truncated",
    r"\b(stands?|comes?) twice\b": "appears twice",
    rf"(?<!how many )\b(nats|bits|{COUNTED}) an? ({UNITS})\b": "per",
    r"\bfloors?\b": "baseline, or threshold",
    r"(?<!there\s)\b(is|are|was|were) no (?!longer|more|fewer|less|matter|one\b)\w": "is not a",
    r"\banew\b": "again",
    r"\b(hence|thence|whence|hitherto|henceforth|thereof|therein|thereby|whereby|lest)\b": "so, from it, ...",
    r"\b(whilst|amongst|betwixt|naught|shall)\b": "while, among, between, nothing, must",
}


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that code gives a name, without leading underscores."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case _:
                continue
        yield getattr(node, "lineno", 0), name.lstrip("_")


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring and message: strings of more than one word, but no patterns."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if " " in text.strip() and "(?" not in text:
                yield node.lineno, text


def docstrings(tree: ast.AST) -> Iterator[str]:
    """Yield the docstrings of a module, its classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def questions(docstring: str) -> list[str]:
    """Return the first line and the lines of arguments that start with a question word."""
    asking = r"(what|where|which|how|who|whose|told)\b"
    argument = re.compile(rf"^ +\*{{0,2}}\w+: {asking}.*", re.IGNORECASE | re.MULTILINE)
    first = docstring.partition("\n")[0]
    asked = [first] if re.match(asking, first, re.IGNORECASE) else []
    return asked + [match[0].strip() for match in argument.finditer(docstring)]


def terms(text: str) -> list[str]:
    """Return the terms to write instead of what a text says."""
    prose = CODE.sub("", text)
    return [term for pattern, term in TERMS.items() if re.search(pattern, prose, re.IGNORECASE)]


@pytest.fixture(scope="module")
def trees(root: Path) -> dict[Path, ast.AST]:
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    return {path.relative_to(root): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def test_names_say_what_they_hold(trees: dict[Path, ast.AST]) -> None:
    bad = [
        f"{path}:{line} {name}" for path, tree in trees.items() for line, name in names(tree) if name in NAMES
    ]
    assert not bad, "\n".join(bad)


def test_docstrings_and_messages_use_the_terms_of_the_field(trees: dict[Path, ast.AST]) -> None:
    lexicon = Path("rise_bench/scoring/number_words.py")
    bad = [
        f"{path}:{line}: write {term}"
        for path, tree in trees.items()
        if path != lexicon
        for line, text in texts(tree)
        for term in terms(text)
    ]
    assert not bad, "\n".join(bad)


def test_docstrings_say_what_a_thing_is(trees: dict[Path, ast.AST]) -> None:
    """First lines and arguments have no question word: "Settings of a study", not "What is asked for"."""
    bad = [
        f"{path}: {line}"
        for path, tree in trees.items()
        for docstring in docstrings(tree)
        for line in questions(docstring)
    ]
    assert not bad, "\n".join(bad)


def test_documents_templates_and_scripts_use_the_terms_of_the_field(root: Path) -> None:
    documents = {*root.glob("docs/*.md"), *root.glob("docs/decisions/*.md")}
    shown = {
        path
        for folder in FOLDERS
        for end in ("j2", "js", "yaml")
        for path in (root / folder).rglob(f"*.{end}")
    }
    bad = [
        f"{path.relative_to(root)}: write {term}"
        for path in sorted(documents | {path for path in shown if path.name != "annotorious.js"})
        for term in terms(path.read_text(encoding="utf-8"))
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "for one in x: pass",
        "[said for said in x]",
        "def f(mine): pass",
        "def _some(): pass",
        "x.words = 1",
        "import a as found",
        "with x as one: pass",
        "if (found := x): pass",
    ],
)
def test_a_name_counts(code: str) -> None:
    assert NAMES & {name for _, name in names(ast.parse(code))}


@pytest.mark.parametrize(
    "text",
    [
        "an id stands twice",
        "0.3 nats a token",
        "20 images a second",
        "one file a source",
        "below the floor",
        "mend it",
        "This is no JSON.",
        "written anew",
        "hence",
    ],
)
def test_a_term_counts(text: str) -> None:
    assert terms(text)


@pytest.mark.parametrize("text", ["What is asked for.", "A.\n\nArgs:\n    progress: Told how far it is."])
def test_a_question_counts(text: str) -> None:
    assert questions(text)


@pytest.mark.parametrize(
    "text",
    [
        "the command `rise-bench floors`",
        "needs a token",
        "recommend",
        "there is no image",
        "is no longer there",
    ],
)
def test_other_text_does_not_count(text: str) -> None:
    assert not terms(text)
