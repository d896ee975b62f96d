"""The direction of imports: what import-linter and ruff are set up to refuse is really refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(sys.executable).parent
CATALOGUE = ("builders", "tasks", "trainers", "leaderboards")

#: File to add to the installed tree -> what it imports, each of them forbidden there.
FORBIDDEN = {
    "builders/zzz.py": "rise_bench.tasks",
    "tasks/zzz.py": "rise_bench.trainers",
    "trainers/zzz.py": "rise_bench.leaderboards",
    "leaderboards/zzz.py": "rise_bench.builders",
    "annotations/base.py": "rise_bench.scoring.rewards",
    "errors/redaction.py": "rise_bench.cli",
    "annotations/kinds.py": "torch",
    "prompts/templates.py": "lmms_eval",
    "scoring/scores.py": "huggingface_hub",
}


def _lint_imports(root: Path, tree: Path) -> subprocess.CompletedProcess[str]:
    command = [SCRIPTS / "lint-imports", "--no-cache", "--config", root / "pyproject.toml"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def _installed_tree(root: Path, destination: Path) -> Path:
    subprocess.run([root / ".ci" / "tree", destination], check=True)
    return destination


def test_the_layers_hold(root: Path, tmp_path: Path) -> None:
    done = _lint_imports(root, _installed_tree(root, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_forbidden_import_is_found(root: Path, tmp_path: Path) -> None:
    """Without this a contract that matches nothing would pass for ever."""
    linked = _installed_tree(root, tmp_path / "linked")
    broken = tmp_path / "broken"
    shutil.copytree(linked, broken)  # follows the links: the checkout stays as it is
    for file, imported in FORBIDDEN.items():
        with (broken / "rise_bench" / file).open("a") as stream:
            stream.write(f"\nimport {imported}\n")
    done = _lint_imports(root, broken)
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    for file, imported in FORBIDDEN.items():
        importer = "rise_bench." + file.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {imported}" in said, f"{importer} -> {imported} passed:\n{done.stdout}"


@pytest.mark.parametrize("statement", ["import {}", "from {} import something", "import {}.inner"])
@pytest.mark.parametrize("folder", CATALOGUE)
def test_bare_import_of_a_catalogue_folder_is_refused(root: Path, folder: str, statement: str) -> None:
    """It works in the checkout, where the folder lies in the current directory, and nowhere else."""
    assert "TID251" in _ruff(root, statement.format(folder))
    assert "TID251" not in _ruff(root, statement.format(f"rise_bench.{folder}"))


def _ruff(root: Path, source: str) -> str:
    command = [SCRIPTS / "ruff", "check", "--no-cache", "--stdin-filename", "rise_bench/zzz.py", "-"]
    done = subprocess.run(command, cwd=root, input=source, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize("module", ["rise_bench", "rise_bench.cli"])
def test_import_stays_light(module: str) -> None:
    """`rise-bench --help` must be instant, and a job on a cluster must not load torch to read a manifest."""
    heavy = {"torch", "transformers", "trl", "datasets", "lmms_eval", "huggingface_hub", "pyarrow", "scipy"}
    code = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_import_takes_less_than_100_ms() -> None:
    """Timed inside the process, so that Python's own start does not count; least of several runs."""
    code = "import time; t = time.perf_counter(); import rise_bench; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    assert min(float(run.stdout) for run in runs) < 0.1
