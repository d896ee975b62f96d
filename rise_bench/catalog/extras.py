"""Extras that commands need, read from the package's own metadata, so pyproject.toml is the only list.

Presence is checked, not versions: a cluster's own torch carries a version that no specifier foresees.
"""

import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rise_bench.errors import PrerequisiteError

_NAME = "rise-bench"


def extras() -> tuple[str, ...]:
    """Return the names of the extras of the installed rise-bench, such as "eval" and "train"."""
    return tuple(metadata.metadata(_NAME).get_all("Provides-Extra") or ())


def packages_of(extra: str) -> tuple[str, ...]:
    """Return the distributions of an extra on this platform, sorted, with those of its extras."""
    return tuple(sorted({requirement.name for requirement in requirements_of(extra)}))


def requirements_of(extra: str) -> tuple[Requirement, ...]:
    """Return the requirements of an extra on this platform, with those of its extras.

    Args:
        extra: Name of the extra; empty for the packages of every command.
    """
    if extra and extra not in extras():
        raise ValueError(f"rise-bench has no extra {extra!r}; it has {', '.join(extras())}")
    wanted: list[Requirement] = []
    for requirement in map(Requirement, metadata.requires(_NAME) or ()):
        marker = requirement.marker
        always = marker is None or marker.evaluate({"extra": ""})
        if always == bool(extra) or (marker and not marker.evaluate({"extra": extra})):
            continue
        if canonicalize_name(requirement.name) == _NAME:
            wanted += [inner for part in requirement.extras for inner in requirements_of(part)]
        else:
            wanted.append(requirement)
    return tuple(wanted)


def require_extra(extra: str) -> None:
    """Raise `PrerequisiteError` with the command that installs the extra if a package of it is missing."""
    wanted = packages_of(extra)
    if not wanted:
        raise PrerequisiteError(f"the extra {extra!r} does not exist for {sys.platform}: use a Linux machine")
    missing = [name for name in wanted if not _installed(name)]
    if missing:
        raise PrerequisiteError(
            f'{", ".join(missing)} must be installed for this; do it with: pip install "{_NAME}[{extra}]"'
        )


def extra_with(package: str) -> str:
    """Return the extra of a package, or ""."""
    name = canonicalize_name(package)
    return next((extra for extra in extras() if name in map(canonicalize_name, packages_of(extra))), "")


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
