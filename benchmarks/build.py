"""Time, size and memory of building a dataset, against copying the same files and against the naive way.

    python benchmarks/build.py --coco DIR [--images 100 10000]

DIR is a COCO-2017 folder (`annotations/`, `train2017/`, `val2017/`); a part of it is enough. Prints JSON.
Times are the best of `--repeats` runs in one process, taken in turn, files in the page cache:

- build: `write_dataset` with its decode check, output flushed to the disk, as `rise-bench build` runs it;
- build_undecoded: the same, but images are hashed and not decoded: what the check costs;
- copy_flushed: a byte copy of the same files that gives the same promise (each file flushed to the disk);
- copy_cached: a byte copy that leaves the bytes in the page cache, and may share blocks on some file systems;
- naive: each image decoded, resized to 1000 x 1000 and encoded again, as is often done.

Peak memory is that of a `rise-bench build custom` process over as many real JPEGs, each made unique by a
comment.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from rise_bench.builders import coco_sub
from rise_bench.data.build_plan import SourcePlan
from rise_bench.data.image_facts import ImageFacts
from rise_bench.data.writer import write_dataset
from rise_bench.files.atomic import sha256_bytes
from rise_bench.files.images import decode_rgb, open_image


def build(plan: SourcePlan, out: Path, workers: int) -> None:
    """Build as the command does."""
    write_dataset(plan, out, workers=workers, allow_partial=True)


def undecoded(data: bytes, _name: str) -> ImageFacts:
    """Hash an image and read its header only."""
    with open_image(data, "the image") as image:
        return ImageFacts(sha256_bytes(data), *image.size, look="")


def build_undecoded(plan: SourcePlan, out: Path, workers: int) -> None:
    """Build without the decode check."""
    with mock.patch("rise_bench.data.shards.inspect_image", undecoded):
        build(plan, out, workers)


def copy_cached(plan: SourcePlan, out: Path, _workers: int) -> None:
    """Copy the files."""
    out.mkdir()
    for row in plan.rows:
        shutil.copyfile(row.image, out / row.file_name)


def copy_flushed(plan: SourcePlan, out: Path, _workers: int) -> None:
    """Copy the files and flush each to the disk."""
    out.mkdir()
    for row in plan.rows:
        with Path(row.image).open("rb") as source, (out / row.file_name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())


def naive(plan: SourcePlan, out: Path, _workers: int) -> None:
    """Squash each image to 1000 x 1000 and encode it again."""
    out.mkdir()
    for row in plan.rows:
        decode_rgb(row.image, row.file_name).resize((1000, 1000)).save(out / row.file_name, quality=95)


Way = Callable[[SourcePlan, Path, int], None]
WAYS: tuple[Way, ...] = (build, build_undecoded, copy_flushed, copy_cached)


def measure(plan: SourcePlan, scratch: Path, workers: int, repeats: int) -> dict[str, dict[str, float]]:
    """Return best seconds, best CPU seconds (user and system, all threads) and output bytes of each way."""
    results: dict[str, dict[str, float]] = {}
    for way in (*(WAYS * repeats), naive):
        out = scratch / way.__name__
        shutil.rmtree(out, ignore_errors=True)
        start, start_cpu = time.perf_counter(), time.process_time()
        way(plan, out, workers)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
        files = [path for path in out.rglob("*") if path.suffix in {".parquet", ".jpg"}]
        best = results.setdefault(way.__name__, {"seconds": seconds, "cpu_seconds": cpu_seconds})
        best["seconds"] = min(best["seconds"], seconds)
        best["cpu_seconds"] = min(best["cpu_seconds"], cpu_seconds)
        best["bytes"] = sum(path.stat().st_size for path in files)
    return results


def synthesise(photos: list[Path], count: int, folder: Path) -> None:
    """Write `count` unique JPEGs (a comment segment tells them apart) and a `labels.csv`."""
    folder.mkdir()
    lines = ["file,label"]
    for i in range(count):
        data, comment = photos[i % len(photos)].read_bytes(), f"copy {i}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{i:06d}.jpg").write_bytes(data[:2] + segment + data[2:])
        lines.append(f"{i:06d}.jpg,{'even' if i % 2 == 0 else 'odd'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def peak_mib(photos: list[Path], count: int, scratch: Path, workers: int) -> float:
    """Return the peak resident memory of a build of `count` images, in MiB."""
    source, out = scratch / f"source-{count}", scratch / f"built-{count}"
    synthesise(photos, count, source)
    command = [sys.executable, "-m", "rise_bench", "build", "custom", "--name", "photos", "--source", source]
    command += ["--annotations", "labels.csv", "--out", out, "--workers", str(workers), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the build of {count} images failed; run it by hand: {' '.join(map(str, command))}")
    for folder in (source, out):
        shutil.rmtree(folder)
    units_per_mib = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return usage.ru_maxrss / units_per_mib


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--images", type=int, nargs="*", default=[100, 10_000])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    plan = coco_sub.plan(options.coco, pool="train+val")
    photos = [Path(row.image) for row in plan.rows]
    source_bytes = sum(path.stat().st_size for path in photos)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        results = measure(plan, scratch, options.workers, options.repeats)
        peaks = {str(n): round(peak_mib(photos, n, scratch, options.workers), 1) for n in options.images}
    seconds = {name: result["seconds"] for name, result in results.items()}
    print(
        json.dumps(
            {
                "images": len(photos),
                "source_mib": round(source_bytes / 2**20, 1),
                "workers": options.workers,
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
                "cpu_seconds": {name: round(result["cpu_seconds"], 3) for name, result in results.items()},
                "time_ratio_to": {
                    name: round(seconds["build"] / seconds[name], 2) for name in seconds if name != "build"
                },
                "size_ratio": {
                    name: round(results[name]["bytes"] / source_bytes, 4) for name in ("build", "naive")
                },
                "peak_memory_mib": peaks,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
