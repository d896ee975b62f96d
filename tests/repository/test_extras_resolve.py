"""The extras can be installed together; nothing is installed here.

`make install` resolves the extras of `all` and `dev` with the pins. The others are asked of the package index
without their dependencies: of packages that several of them want, a version has to suit all.
`RISE_BENCH_RESOLVE=1` runs the whole resolver of pip, which takes minutes.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from rise_bench.catalog.extras import requirements_of

EXTRAS = ("train", "eval", "endpoint", "scale", "audit", "review", "vllm", "cvat")

ASKS_THE_INDEX = pytest.mark.skipif(
    not os.environ.get("RISE_BENCH_RESOLVE"), reason="RISE_BENCH_RESOLVE is not set"
)


def dry_run(report: Path, *options: object, timeout_s: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--dry-run"]
    command += ["--ignore-installed", "--quiet", "--retries", "1", "--timeout", "10"]
    command += ["--report", str(report), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)


def packages(report: Path) -> list[dict[str, Any]]:
    return [item["metadata"] for item in json.loads(report.read_text())["install"]]


@pytest.fixture(scope="module")
def wanted() -> list[Requirement]:
    if not requirements_of("vllm"):
        pytest.skip("vLLM does not exist for this system")
    return [requirement for extra in EXTRAS for requirement in requirements_of(extra)]


def bare(requirements: list[Requirement]) -> list[str]:
    named = ((f"{r.name}[{','.join(sorted(r.extras))}]" if r.extras else r.name, r) for r in requirements)
    return sorted({f"{name}{requirement.specifier}" for name, requirement in named})


def unsuitable(wanted: list[Requirement], listed: list[dict[str, Any]]) -> dict[str, dict[str, SpecifierSet]]:
    """Return the packages of which no version suits us and some package that we want, with both ranges.

    Two others may exclude each other at their newest versions, and the resolver then takes an older one; what
    we ask for is nothing that it can give up. Versions that are tried are the newest and the limits.
    """
    ours: dict[str, SpecifierSet] = {}
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        ours[name] = requirement.specifier & ours.get(name, SpecifierSet())
    newest = {canonicalize_name(package["name"]): package["version"] for package in listed}
    bad: defaultdict[str, dict[str, SpecifierSet]] = defaultdict(dict)
    for package in listed:
        for requirement in map(Requirement, package.get("requires_dist", ())):
            name = canonicalize_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if name not in ours or not applies:
                continue
            ranges = (ours[name], requirement.specifier)
            tried = {spec.version.removesuffix(".*") for specifiers in ranges for spec in specifiers}
            tried |= {newest[name]} if name in newest else set()
            if tried and not any(all(s.contains(v, prereleases=True) for s in ranges) for v in tried):
                bad[name] |= {"rise-bench": ours[name], package["name"]: requirement.specifier}
    return dict(bad)


def test_ranges_that_exclude_each_other_are_found() -> None:
    ours = [Requirement("torch>=2.6"), Requirement("trl<2,>=1.16")]
    engine = {
        "name": "engine",
        "version": "1.0",
        "requires_dist": ["torch==2.13.0", "trl<1.16; python_version > '3'"],
    }
    assert unsuitable(ours[:1], [engine]) == {}
    assert unsuitable([Requirement("einops")], [engine | {"requires_dist": ["einops"]}]) == {}
    assert list(unsuitable(ours, [engine])) == ["trl"]


@pytest.mark.slow
@ASKS_THE_INDEX
def test_packages_of_all_extras_want_versions_that_suit_all(
    wanted: list[Requirement], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    done = dry_run(report, "--no-deps", *bare(wanted), timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert unsuitable(wanted, packages(report)) == {}


@pytest.mark.slow
@ASKS_THE_INDEX
def test_the_resolver_finds_versions_for_all_extras(wanted: list[Requirement], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = dry_run(report, *bare(wanted), timeout_s=580)
    assert done.returncode == 0, done.stderr
    resolved = {canonicalize_name(p["name"]): Version(p["version"]) for p in packages(report)}
    for requirement in wanted:
        version = resolved[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement
