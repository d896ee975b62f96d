"""Python, torch, GPUs, memory and disk."""

import os
import platform
import shutil
import sys
from pathlib import Path

from rise_bench.doctor.line import Line
from rise_bench.files.paths import cache_folder
from rise_bench.models.devices import TorchInstall

GIB = 2**30

#: Python versions that the fast tests pass on.
TESTED_PYTHON = ("3.11", "3.13")

#: Below these, memory for two small trainings at once and disk for their runs may not do.
_MEMORY_GIB, _DISK_GIB = 4, 5

#: File of the kernel module of NVIDIA; there if the machine has a GPU with a driver.
_NVIDIA = Path("/proc/driver/nvidia/version")

#: Memory limit of a container (cgroup v2).
_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_lines(torch: TorchInstall) -> list[Line]:
    """Return the lines of the machine."""
    return [_python(), _torch(torch), _gpu(torch), _memory(), _disk()]


def available_bytes() -> int:
    """Return the memory that programs can still have, in bytes; the total where the system does not say."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (limit := _number(_LIMIT)) is not None:
        total = min(total, limit)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        (available,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError):
        return total
    return min(total, available)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" is no limit
        return None


def _python() -> Line:
    short = f"{sys.version_info.major}.{sys.version_info.minor}"
    value = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if short in TESTED_PYTHON:
        return Line("machine", "Python", "ok", value)
    tested = " and ".join(TESTED_PYTHON)
    return Line("machine", "Python", "ok", value, f"tested on {tested}; take one of them if a package fails")


def _torch(torch: TorchInstall) -> Line:
    if torch.version:
        build = f"for CUDA {torch.cuda}" if torch.cuda else "without CUDA"
        return Line("machine", "torch", "ok", f"{torch.version}, {build}")
    if "No module named" in torch.error:
        return Line("machine", "torch", "missing", "not installed", 'pip install "rise-bench[train,eval]"')
    fix = "pip install --force-reinstall torch torchvision"
    return Line("machine", "torch", "problem", f"cannot be imported: {torch.error}", fix)


def _gpu(torch: TorchInstall) -> Line:
    if torch.gpus:
        listed = ", ".join(f"{gpu.name} {gpu.memory_bytes / GIB:.0f} GiB" for gpu in torch.gpus)
        old = [gpu.name for gpu in torch.gpus if not gpu.has_bf16]
        fix = "bf16 needs compute capability 8.0: compute.bf16=false model.attn_implementation=sdpa"
        return Line("machine", "GPU", "ok", listed, fix if old else "")
    if _NVIDIA.exists() and torch.version:
        reason = torch.error or ("no device answers" if torch.cuda else "torch is a build without CUDA")
        fix = "install torch for the driver that nvidia-smi shows: https://pytorch.org/get-started/locally"
        return Line("machine", "GPU", "problem", f"there is a driver, but {reason}", fix)
    fix = "the drawn benchmarks and API models need no GPU; a 2B model does"
    return Line("machine", "GPU", "missing", "none", fix)


def _memory() -> Line:
    available = available_bytes()
    value = f"{available / GIB:.1f} GiB available, {os.cpu_count()} CPU cores"
    if available >= _MEMORY_GIB * GIB:
        return Line("machine", "memory", "ok", value)
    fix = "close other programs, or run one job at a time: rise-bench demo --jobs 1"
    return Line("machine", "memory", "problem", value, fix)


def _disk() -> Line:
    folder = cache_folder("")
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    value = f"{free:.0f} GiB free for {cache_folder('')}"
    if free >= _DISK_GIB:
        return Line("machine", "disk", "ok", value)
    return Line("machine", "disk", "problem", value, "free some space, or set XDG_CACHE_HOME to another disk")
