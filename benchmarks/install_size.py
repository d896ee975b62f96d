"""Size of an installation on the disk, by package: `python benchmarks/install_size.py [EXTRA ...]`.

It walks the requirements of rise-bench with these extras ("core" is none) among the packages of the present
environment, so that one full environment tells the size of each smaller one. Packages that are there for
NVIDIA GPUs only are counted apart: wheels of torch for the CPU come without them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

#: Requirements of the wheel of torch on PyPI for Linux that its wheel for the CPU does not have.
_GPU_ONLY = re.compile(r"nvidia-.*|cuda-.*|triton")
_MB = 1e6


@dataclass(frozen=True)
class Size:
    """Size of an installed package, in bytes."""

    name: str
    version: str
    bytes: int

    @property
    def gpu_only(self) -> bool:
        """Whether it is there for NVIDIA GPUs only."""
        return _GPU_ONLY.fullmatch(self.name) is not None


def normal(name: str) -> str:
    """Return the normalized name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(extras: Sequence[str]) -> dict[str, importlib.metadata.Distribution]:
    """Return the packages that rise-bench with extras requires here, by name; missing ones are left out."""
    queue: list[tuple[str, frozenset[str]]] = [("rise-bench", frozenset(extras))]
    packages: dict[str, importlib.metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        name, chosen = queue.pop()
        if (name, chosen) in seen:
            continue
        seen.add((name, chosen))
        try:
            packages[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        queue += [
            (normal(needs.name), frozenset(needs.extras))
            for needs in map(Requirement, packages[name].requires or ())
            if _holds(needs, chosen)
        ]
    return packages


def _holds(needs: Requirement, extras: frozenset[str]) -> bool:
    return needs.marker is None or any(needs.marker.evaluate({"extra": extra}) for extra in extras | {""})


def sizes(extras: Sequence[str]) -> list[Size]:
    """Return the size of every required package, largest first."""
    return sorted(
        (Size(name, dist.version, sum(_files(name, dist))) for name, dist in needed(extras).items()),
        key=lambda size: (-size.bytes, size.name),
    )


def _files(name: str, dist: importlib.metadata.Distribution) -> Iterator[int]:
    if name == "rise-bench":  # in a checkout it is a link
        import rise_bench

        root = Path(rise_bench.__file__).parent
        yield from (path.stat().st_size for path in root.rglob("*") if path.is_file())
        return
    for file in dist.files or ():
        path = Path(str(dist.locate_file(file)))
        if path.is_file():
            yield path.stat().st_size


def main() -> None:
    """Print the packages of an installation, and the sum with and without those for NVIDIA GPUs."""
    parser = argparse.ArgumentParser(description="Size of an installation by package.")
    parser.add_argument("extras", nargs="*", default=["core"], help="extras of rise-bench, or core")
    parser.add_argument("--least", type=float, default=10, help="smallest package to name, in MB")
    given = parser.parse_args()
    extras = [extra for extra in given.extras if extra != "core"]
    known = importlib.metadata.metadata("rise-bench").get_all("Provides-Extra") or []
    if unknown := sorted(set(extras) - set(known)):
        parser.error(f"rise-bench has no extra {unknown[0]!r}; it has {', '.join(known)}")
    packages = sizes(extras)
    for package in packages:
        if package.bytes >= given.least * _MB:
            mark = "  NVIDIA GPUs only" if package.gpu_only else ""
            print(f"{package.bytes / _MB:8.1f} MB  {package.name} {package.version}{mark}")
    rest = [p.bytes for p in packages if p.bytes < given.least * _MB]
    total, gpu = sum(p.bytes for p in packages), sum(p.bytes for p in packages if p.gpu_only)
    print(f"{sum(rest) / _MB:8.1f} MB  {len(rest)} packages under {given.least:g} MB")
    print(f"{total / _MB:8.1f} MB  in all, {(total - gpu) / _MB:.1f} MB without packages for NVIDIA GPUs")


if __name__ == "__main__":
    main()
