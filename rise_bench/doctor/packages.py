"""Extras of rise-bench, and versions of their packages beside those that the tests pass with."""

import functools
from importlib import metadata, resources

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from rise_bench.catalog.extras import extras, packages_of, requirements_of
from rise_bench.doctor.line import Line

#: What an extra is for, in the words of the line.
PURPOSES = {
    "eval": "evaluate models by lmms-eval",
    "train": "train and sample models",
    "deepspeed": "share a training between GPUs (ZeRO)",
    "review": "look at labels in a browser",
    "endpoint": "ask an API model",
    "cvat": "exchange labels with CVAT",
    "vllm": "sample faster, on GPUs",
    "flash-attn": "attend faster, on GPUs",
    "audit": "find wrong labels",
    "scale": "annotate and run a study on a cluster",
}

#: Extras that consist of others, or serve the development of rise-bench.
_NOT_FOR_USERS = {"all", "demo", "dev", "docs"}

#: Packages that are listed before "and N more".
_LISTED = 6


@functools.cache
def pinned_versions() -> dict[str, Version]:
    """Return the versions of constraints.txt by package: those that the tests pass with."""
    lines = resources.files("rise_bench.catalog").joinpath("constraints.txt").read_text("utf-8").splitlines()
    pins = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, _, version in pins}


def constraints_file() -> str:
    """Return the path of constraints.txt in the installed package."""
    return str(resources.files("rise_bench.catalog").joinpath("constraints.txt"))


def package_lines() -> list[Line]:
    """Return a line for each extra, and one for the versions of what is installed."""
    names = [name for name in extras() if name not in _NOT_FOR_USERS]
    return [*(_extra(name) for name in names), _versions()]


def missing_packages(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed."""
    return [name for name in packages_of(extra) if _version(name) is None]


def _extra(extra: str) -> Line:
    purpose = PURPOSES.get(extra, "")
    command = f'pip install "rise-bench[{extra}]"'
    wanted = requirements_of(extra)
    if not wanted:
        return Line("packages", extra, "missing", f"{purpose}: not for this system", "use a Linux machine")
    if missing := missing_packages(extra):
        return Line("packages", extra, "missing", f"{purpose}: no {', '.join(missing)}", command)
    outside = [text for requirement in wanted if (text := _outside(requirement))]
    if outside:
        return Line("packages", extra, "problem", f"{purpose}: {', '.join(outside)}", f"{command} --upgrade")
    return Line("packages", extra, "ok", purpose)


def _outside(requirement: Requirement) -> str:
    """Return the installed version and the range that it is outside of; empty inside."""
    version = _version(requirement.name)
    if version is None or requirement.specifier.contains(version.public, prereleases=True):
        return ""
    return f"{requirement.name} {version} is not {requirement.specifier}"


def _versions() -> Line:
    tested = pinned_versions()
    wanted = {canonicalize_name(name) for extra in ("", *extras()) for name in packages_of(extra)}
    installed = {name: version for name in sorted(wanted) if (version := _version(name)) is not None}
    differing = [
        f"{name} {version} (tested: {tested[name]})"
        for name, version in installed.items()
        if name in tested and Version(version.public) != tested[name]
    ]
    if not differing:
        return Line("packages", "versions", "ok", f"{len(installed)} packages, all in the tested versions")
    more = f" and {len(differing) - _LISTED} more" if len(differing) > _LISTED else ""
    value = f"{len(differing)} of {len(installed)} differ: {', '.join(differing[:_LISTED])}{more}"
    fix = f'only if something fails: pip install -c {constraints_file()} "rise-bench[EXTRA]"'
    return Line("packages", "versions", "ok", value, fix)


def _version(name: str) -> Version | None:
    try:
        return Version(metadata.version(name))
    except metadata.PackageNotFoundError:
        return None
