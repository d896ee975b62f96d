"""Kill a build before each step that changes the disk; run by test_dataset_writer.py in a process of its own.

Usage: kill_at_every_step.py FOLDER. Each build is a forked child that sends itself SIGKILL before its n-th
mkdir, rename, removal or opening for writing (heard of through Python's audit events), or after its n-th
image. After every kill the target is absent or complete; after a rerun it equals a build that was never
killed. Flushing is left out: a kill does not lose what the kernel holds. Prints the number of kills.
"""

import functools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import datasets  # noqa: F401 - once here, so that no child spends a second on it
from kills import in_child, kill_at_step
from made_sources import distribution_plan

from rise_bench.data.build_plan import SourcePlan
from rise_bench.data.check import check_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.files.images import load_decoders
from rise_bench.rendering.render import PACKAGE, _environment


def kill_at_image(n: int) -> Callable[[int, int], None]:
    """Return a progress callback that kills this process after its n-th image."""

    def progress(done: int, total: int) -> None:
        if done == n:
            os.kill(os.getpid(), signal.SIGKILL)

    return progress


def must_equal(folder: Path, like: Path) -> None:
    """Fail unless the folder holds the same files as a build that was never killed."""
    files = {path.relative_to(like) for path in like.rglob("*") if path.is_file()}
    if files != {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}:
        raise SystemExit("other files than a build that was not killed")
    for name in files:
        if (folder / name).read_bytes() != (like / name).read_bytes():
            raise SystemExit(f"{name} differs from a build that was not killed")


def kill_everywhere(root: Path, plan: SourcePlan, references: dict[int, Path], overwrite: bool) -> int:
    """Kill at step 1, 2, 3, … until a build ends by itself; return the number of kills."""
    out = root / "out"

    def build(step: int | None) -> None:
        if step is not None:
            kill_at_step(step)
        write_dataset(plan, out, seed=1, workers=2, overwrite=overwrite)

    for n in range(1, 1000):
        for leftover in (out, root / ".out.partial", root / ".out.replaced"):
            shutil.rmtree(leftover, ignore_errors=True)
        if overwrite:
            shutil.copytree(references[0], out)
        if not in_child(functools.partial(build, n)):
            return n - 1
        if out.exists():  # it is the old dataset, or the new one
            manifest = (out / "manifest.json").read_bytes()
            old = manifest == (references[0] / "manifest.json").read_bytes()
            must_equal(out, references[0 if old else 1])
        if overwrite or not out.exists():
            in_child(functools.partial(build, None))
        must_equal(out, references[1])
    raise SystemExit("the build never ended")


def kill_within_files(root: Path, plan: SourcePlan, references: dict[int, Path]) -> int:
    """Kill after some images, which is in the middle of a parquet file; return the number of kills."""
    kills = (1, 13, len(plan.train), len(plan.rows) - 1)
    for n in kills:
        out = root / f"image{n}"
        build = functools.partial(write_dataset, plan, out, seed=1, workers=2)
        if not in_child(functools.partial(build, progress=kill_at_image(n))):
            raise SystemExit(f"image {n} was never reached")
        if out.exists():
            raise SystemExit("a killed build left its folder")
        in_child(build)
        must_equal(out, references[1])
    return len(kills)


def main() -> None:
    """Kill fresh builds, builds over an older dataset, and builds in the middle of a file."""
    os.fsync = lambda _: None
    load_decoders()  # these two once here as well: they took half of the time of a child
    _environment(PACKAGE).get_template("dataset_card.md.j2")
    root = Path(sys.argv[1])
    plan = distribution_plan(root / "source", train=15, test=3)
    references = {seed: root / f"reference{seed}" for seed in (0, 1)}
    for seed, folder in references.items():
        in_child(functools.partial(write_dataset, plan, folder, seed=seed, workers=1))
    kills = sum(kill_everywhere(root, plan, references, overwrite) for overwrite in (False, True))
    kills += kill_within_files(root, plan, references)
    for folder in references.values():
        if findings := check_dataset(folder):
            raise SystemExit(f"findings: {findings}")
    sys.stdout.write(f"{kills}\n")


if __name__ == "__main__":
    main()
