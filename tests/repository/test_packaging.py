"""What pip gives a user is what the checkout holds: packages, data files, pins; the wheel runs elsewhere."""

import os
import re
import shutil
import site
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

#: The folders that make the package, and what is not source in them.
SOURCES = ("rise_bench", "builders", "tasks", "trainers", "leaderboards")
DEBRIS = ("__pycache__", "*.pyc", ".*")


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


def _package_name(folder: PurePosixPath) -> str:
    name = ".".join(folder.parts)
    return name if folder.parts[0] == "rise_bench" else f"rise_bench.{name}"


def _tree(root: Path, pattern: str) -> set[PurePosixPath]:
    files = (path for source in SOURCES for path in (root / source).rglob(pattern) if path.is_file())
    found = {PurePosixPath(path.relative_to(root)) for path in files}
    return {path for path in found if not any(fnmatch(part, bad) for part in path.parts for bad in DEBRIS)}


def test_package_list_is_the_tree(root: Path, pyproject: dict[str, Any]) -> None:
    """A package left out works in the checkout and is missing from the wheel."""
    in_tree = {_package_name(path.parent) for path in _tree(root, "__init__.py")}
    assert set(pyproject["tool"]["setuptools"]["packages"]) == in_tree


def test_every_module_lies_in_a_package(root: Path) -> None:
    packages = {path.parent for path in _tree(root, "__init__.py")}
    assert {path for path in _tree(root, "*.py") if path.parent not in packages} == set()


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built offline from a copy of the sources (building leaves files beside them)."""
    copy = tmp_path_factory.mktemp("source")
    for source in SOURCES:
        shutil.copytree(root / source, copy / source, ignore=shutil.ignore_patterns(*DEBRIS))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / file, copy)
    out = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, copy)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_every_file_of_the_tree_and_nothing_else(root: Path, wheel: Path) -> None:
    """Recipes and task YAML are package data: a pattern that misses one breaks only installed copies."""
    expected = {
        str(path if path.parts[0] == "rise_bench" else PurePosixPath("rise_bench", path))
        for path in _tree(root, "*")
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment far from the checkout with the wheel; dependencies are borrowed from this one."""
    venv = tmp_path_factory.mktemp("elsewhere") / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel)
    (packages,) = venv.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path and Path(path).name == "site-packages"]
    (packages / "borrowed.pth").write_text("\n".join([*borrowed, *site.getsitepackages()]))
    return venv


def test_installed_wheel_runs_elsewhere(installed: Path, tmp_path: Path, pyproject: dict[str, Any]) -> None:
    packages = pyproject["tool"]["setuptools"]["packages"]
    code = "import importlib, sys; [print(importlib.import_module(name).__file__) for name in sys.argv[1:]]"
    files = _run(installed / "bin" / "python", "-c", code, *packages, cwd=tmp_path).splitlines()
    assert len(files) == len(packages)
    assert all(Path(file).is_relative_to(installed) for file in files), files


def test_installed_command_runs_elsewhere(installed: Path, tmp_path: Path, pyproject: dict[str, Any]) -> None:
    command = installed / "bin" / "rise-bench"
    assert _run(command, "--version", cwd=tmp_path).strip() == f"rise-bench {pyproject['project']['version']}"
    assert "Usage: rise-bench" in _run(command, "--help", cwd=tmp_path)


def _run(*command: object, cwd: Path | None = None) -> str:
    """The standard output of a command that has to succeed, free of this process's import path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_version_is_one(pyproject: dict[str, Any]) -> None:
    from rise_bench import __version__

    assert pyproject["project"]["version"] == __version__


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Version]:
    lines = (root / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): Version(str(r.specifier).removeprefix("==")) for r in requirements}


def test_constraints_are_plain_pins(root: Path) -> None:
    """No address of a registry, no +local version: either would tie everyone to one machine's mirror."""
    lines = (root / "constraints.txt").read_text().splitlines()
    odd = [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]
    assert odd == []


@pytest.mark.parametrize("extra", ["", "eval", "train", "deepspeed", "review", "dev", "docs"])
def test_pins_satisfy_the_requirements(
    pyproject: dict[str, Any], pins: dict[str, Version], extra: str
) -> None:
    project = pyproject["project"]
    stated = project["optional-dependencies"][extra] if extra else project["dependencies"]
    for requirement in map(Requirement, stated):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} has no pin in constraints.txt"
        assert pin in requirement.specifier, f"constraints.txt pins {requirement.name} {pin}"


def test_core_needs_no_deep_learning(pyproject: dict[str, Any]) -> None:
    """The core installs beside a cluster's own torch and beside lmms-eval's hard pins."""
    core = {canonicalize_name(Requirement(text).name) for text in pyproject["project"]["dependencies"]}
    assert core.isdisjoint({"torch", "torchvision", "transformers", "trl", "accelerate", "peft", "lmms-eval"})


def _installed_by(root: Path, target: str) -> str:
    """What a target of the Makefile asks pip for in a new environment."""
    told = ["make", "--dry-run", "--no-print-directory", "-C", root, "VENV=nowhere/venv", target]
    lines = subprocess.run(told, capture_output=True, text=True, check=True).stdout.splitlines()
    return " ".join(re.findall(r'-e "\.\[(.*)\]"', "\n".join(lines)))


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_demo_installs_no_more_than_it_uses(root: Path, pyproject: dict[str, Any]) -> None:
    assert {target: _installed_by(root, target) for target in ("demo", "test", "test-fast", "install")} == {
        "demo": "demo",
        **dict.fromkeys(("test", "test-fast", "install"), "all,dev"),
    }
    extras = pyproject["project"]["optional-dependencies"]
    (parts,) = (Requirement(line).extras for line in extras["demo"])
    assert not {"deepspeed", "review", "audit", "dev", "demo"} & parts
    assert {"eval", "train"} <= parts


def test_ci_runs_the_tests_on_every_python_that_is_promised(root: Path, pyproject: dict[str, Any]) -> None:
    import yaml

    workflow = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    firm = {row["python"] for row in matrix if not row.get("may-fail")}
    promised = {
        line.rpartition(" :: ")[2]
        for line in pyproject["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", line)
    }
    assert firm == promised
