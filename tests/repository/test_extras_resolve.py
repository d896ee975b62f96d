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

EXTRAS = ("train", "eval", "endpoint", "vllm", "cvat")


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
    return sorted({f"{requirement.name}{requirement.specifier}" for requirement in requirements})


def unsuitable(wanted: list[Requirement], listed: list[dict[str, Any]]) -> dict[str, dict[str, SpecifierSet]]:
    """Return the packages of which no version suits all that want them, with the range of each.

    Versions that are tried are the newest and the limits of the ranges.
    """
    ranges: defaultdict[str, dict[str, SpecifierSet]] = defaultdict(dict)
    newest = {canonicalize_name(package["name"]): package["version"] for package in listed}
    for requirement in wanted:
        of = ranges[canonicalize_name(requirement.name)]
        of["rise-bench"] = requirement.specifier & of.get("rise-bench", SpecifierSet())
    for package in listed:
        for requirement in map(Requirement, package.get("requires_dist", ())):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                ranges[canonicalize_name(requirement.name)][package["name"]] = requirement.specifier
    bad = {}
    for name, of in ranges.items():
        if len(of) == 1:
            continue
        limits = {spec.version.removesuffix(".*") for specifiers in of.values() for spec in specifiers}
        if not limits:
            continue
        tried = [*limits, *filter(None, [newest.get(name)])]
        if not any(all(s.contains(v, prereleases=True) for s in of.values()) for v in tried):
            bad[name] = dict(of)
    return bad


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
def test_packages_of_all_extras_want_versions_that_suit_all(
    wanted: list[Requirement], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    try:
        done = dry_run(report, "--no-deps", *bare(wanted), timeout_s=40)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer within 40 s")
    if done.returncode and "No matching distribution" not in done.stderr:
        pytest.skip(f"no package index answers: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    assert unsuitable(wanted, packages(report)) == {}


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("RISE_BENCH_RESOLVE"), reason="RISE_BENCH_RESOLVE is not set")
def test_the_resolver_finds_versions_for_all_extras(wanted: list[Requirement], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = dry_run(report, *bare(wanted), timeout_s=580)
    assert done.returncode == 0, done.stderr
    resolved = {canonicalize_name(p["name"]): Version(p["version"]) for p in packages(report)}
    for requirement in wanted:
        version = resolved[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement
