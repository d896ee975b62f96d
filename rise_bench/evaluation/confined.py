"""Run a module that loads an untrusted model in a confined process: no tokens, no network, limits.

    python -m rise_bench.evaluation.confined REPORT MEMORY_BYTES MODULE ARGUMENT...

The process leaves the network (Linux), limits its memory, refuses to import classes of model repositories,
records the limits in force in the file REPORT, and runs the module.
"""

import contextlib
import ctypes
import json
import os
import re
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Variables that a confined process keeps; any other may hold a secret.
_KEPT = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|VIRTUAL_ENV|PYTHONPATH|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH"
    r"|(?:RISE_BENCH|CUDA|NVIDIA|HIP|ROCR|OMP|MKL|OPENBLAS|PYTORCH)_\w+"
)
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # <sched.h>


@dataclass(frozen=True, slots=True)
class Confinement:
    """Limits of a process that loads an untrusted model.

    Attributes:
        folder: Folder of its home, temporary files and report; created if needed.
        time_s: Time limit of it and its children.
        memory_bytes: Data limit of each of its processes.
    """

    folder: Path
    time_s: float
    memory_bytes: int

    @property
    def _report(self) -> Path:
        return self.folder / "confinement.json"

    def command(self, module: str, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs a module confined."""
        own = [sys.executable, "-P", "-m", __name__, str(self._report), str(self.memory_bytes)]
        return [*own, module, *arguments]

    def environment(self) -> dict[str, str]:
        """Return the environment: an allow-list without tokens, with its own home and temporary folder."""
        kept = {k: v for k, v in os.environ.items() if _KEPT.fullmatch(k) and not _SECRET.search(k)}
        folders = {"HOME": self.folder / "home", "TMPDIR": self.folder / "tmp"}
        for path in folders.values():
            path.mkdir(parents=True, exist_ok=True)
        own = {name: str(path) for name, path in folders.items()}
        return kept | own | {"HF_HOME": f"{own['HOME']}/hf"} | dict.fromkeys(_OFFLINE, "1")

    def outcome(self) -> Mapping[str, Any]:
        """Return `network` ("closed" or "open") and the limits in force."""
        try:
            held: dict[str, Any] = json.loads(self._report.read_bytes())
        except (OSError, ValueError):
            held = {"network": "open"}
        return held | {"time_s": self.time_s}


def kill_all(leader: int) -> None:
    """Kill the leader of a session and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


@contextlib.contextmanager
def ended_in_time(leader: int, confinement: Confinement | None) -> Iterator[threading.Event]:
    """Kill a confined process and its children at its time limit; the event is set then."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        kill_all(leader)

    timer = threading.Timer(confinement.time_s if confinement else 0, expire)
    timer.daemon = True
    if confinement:
        timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def memory_of_machine() -> int:
    """Return the memory of this machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def leave_network() -> bool:
    """Move this process into a network with only a loopback interface; False if refused."""
    user, group = os.getuid(), os.getgid()
    for flags in (_NEW_USER | _NEW_NETWORK, _NEW_NETWORK):
        if _libc("unshare", flags):
            if flags & _NEW_USER:
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
                Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
            return {name for _, name in socket.if_nameindex()} <= {"lo"}
    return False


def _libc(function: str, *arguments: int) -> bool:
    try:
        return int(getattr(ctypes.CDLL(None), function)(*arguments)) == 0
    except (AttributeError, OSError):  # not Linux
        return False


def _bound_memory(limit: int) -> None:
    import resource

    for what, bound in ((resource.RLIMIT_DATA, limit), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(what, (bound, bound))


def _refuse_code() -> None:
    """Refuse to import classes of a model repository, also with trust_remote_code."""
    from transformers import dynamic_module_utils

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise ValueError("this model brings code of its own, which is never run here")

    dynamic_module_utils.get_class_in_module = refuse


def main(report: str, memory_bytes: str, module: str, *arguments: str) -> None:
    """Confine this process, then run the module in it."""
    network = "closed" if leave_network() else "open"
    _bound_memory(int(memory_bytes))
    held = {"network": network, "memory_bytes": int(memory_bytes)}
    Path(report).write_text(json.dumps(held), encoding="utf-8")
    _refuse_code()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
