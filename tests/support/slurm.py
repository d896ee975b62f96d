"""A real Slurm on this machine: munged, slurmctld and two slurmd on loopback, without systemd or root.

A test asks for the fixture `slurm` of `tests/conftest.py`; the session has one cluster, started in less than
1 s and ended with it. Nothing is installed: the test is skipped where Debian's `slurm-wlm` and `munge` are
absent (`apt-get install -y --no-install-recommends slurm-wlm munge`, done by `.ci/run`).

    def test_a_job(slurm, tmp_path):
        slurm.run("sbatch", "--array=0-3", "--output", tmp_path / "%a.out", "--wrap", "hostname")
        slurm.wait()                    # until no job is pending or running
        assert set(slurm.states().values()) == {"COMPLETED"}

What runs inside the test process (submitit, datatrove's executor) finds the cluster by the environment:
`slurm.use(monkeypatch)`. Programs get `env=slurm.environment`.

The nodes are `n1` and `n2`, each with 8 CPUs whatever the machine has and memory that nobody counts; the only
partition, `tests`, is the default; there are no GPUs. There is no accounting: `sacct` prints an error, so a
state comes from `scontrol show job` or `squeue --states=all`, which keep ended jobs for five minutes, and
`--qos` is ignored. All folders are shared by the nodes, as they are one machine. A node that dies:
`slurm.kill("n2")`, which ends its jobs like a power cut; jobs that may be requeued run again after
`slurm.bring_back("n2")`, or on the other node after `slurm.start_requeued()`.
"""

import ctypes
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

PARTITION = "tests"
NODES = ("n1", "n2")
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
_RUNNING = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED"}
_TAKES_JOBS = {"idle", "mixed", "allocated"}
_CPUS = 8
#: Variable of the daemons, which the steps of their jobs inherit.
_MARK = "RISE_SLURM_DAEMON"
_PATIENCE_S = 30
_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1
ReturnToService=2
SlurmdTimeout=300
KillWait=1
MailProg=/bin/true
NodeName=DEFAULT CPUs={cpus} RealMemory=1000000
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]},{ports[2]}
PartitionName={partition} Nodes=ALL Default=YES MaxTime=60 State=UP
"""


class Slurm:
    """A running cluster.

    Attributes:
        environment: Environment in which the commands of Slurm find the cluster.
        folder: Configuration, state and logs of the daemons.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        outer = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        self.environment = outer | {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the test process itself submit to this cluster."""
        monkeypatch.setenv("SLURM_CONF", self.environment["SLURM_CONF"])

    def run(self, *command: Any, **options: Any) -> str:
        """Run a command of Slurm, or any other, and return what it printed."""
        settings = {"env": self.environment, "capture_output": True, "text": True, "timeout": 120} | options
        done = subprocess.run([str(part) for part in command], check=False, **settings)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def states(self) -> dict[str, str]:
        """Return the state of each job by its id, of an array's task by e.g. `3_0`."""
        listed = self.run("squeue", "--states=all", "--noheader", "--array", "--format=%i %T")
        return dict(line.split() for line in listed.splitlines())

    def wait(self, seconds: float = 120) -> None:
        """Wait until no job is pending or running."""
        end = time.monotonic() + seconds
        while busy := {job: state for job, state in self.states().items() if state in _RUNNING}:
            assert time.monotonic() < end, f"{busy}\n{self.run('scontrol', 'show', 'job')}"
            time.sleep(0.2)

    def start(self, name: str) -> None:
        """Start a daemon: `munged`, `slurmctld`, or a node by its name."""
        command = {
            "munged": ["munged", "--foreground", "--force", *self._munge()],
            "slurmctld": ["slurmctld", "-D", "-i"],
        }.get(name, ["slurmd", "-D", "-N", name])
        marked = self.environment | {_MARK: f"{self.folder}/{name}"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=marked, stdout=log, stderr=log, preexec_fn=_end_with_starter
            )

    def kill(self, node: str) -> None:
        """Kill a node with all that runs on it, and let Slurm know at once instead of after a minute."""
        self._kill(node)
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed")

    def _kill(self, node: str) -> None:
        self._stop(node, signal.SIGKILL)
        of_job = {f"SLURMD_NODENAME={node}", f"SLURM_CONF={self.folder}/slurm.conf"}
        for marks in ({f"{_MARK}={self.folder}/{node}"}, of_job):  # first what would tell of the jobs' end
            for pid in _processes_with(marks):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def bring_back(self, node: str) -> None:
        """Start a killed node. Call it in the main thread: a daemon ends with the thread that started it."""
        self.start(node)
        _until(lambda: self._state(node) not in ("", "down", "down*"), self._last_words)
        self.start_requeued()

    def start_requeued(self) -> None:
        """Let what was requeued start at once instead of after two minutes."""
        for job in self.run("squeue", "--noheader", "--states=PENDING", "--format=%A").split():
            self.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def both_up(self) -> None:
        """Wait until both nodes take jobs; one that is dead, or that found its port taken, starts again."""

        def up() -> bool:
            for node in NODES:
                process = self._daemons.get(node)
                if process is None or process.poll() is not None:
                    self.start(node)
            return {self._state(node) for node in NODES} <= _TAKES_JOBS

        _until(up, self._last_words)

    def _state(self, node: str) -> str:
        """Return e.g. `idle` or `down*`, nothing as long as the controller does not answer."""
        command = ["sinfo", "--noheader", f"--nodes={node}", "--format=%T"]
        shown = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return shown.stdout.strip()

    def up(self) -> None:
        """Start everything, and wait until both nodes are idle."""
        self.start("munged")
        _until((self.folder / "munge.sock").exists, self._last_words)
        self.start("slurmctld")
        self.both_up()

    def down(self) -> None:
        """End all jobs and daemons."""
        self._stop("slurmctld", signal.SIGKILL)
        for node in NODES:
            self._kill(node)
        self._stop("munged", signal.SIGTERM)

    def _stop(self, name: str, how: signal.Signals) -> None:
        process = self._daemons.pop(name, None)
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _munge(self) -> list[str]:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        named = {
            "key-file": "key",
            "socket": "sock",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        return [f"--{option}={self.folder}/munge.{ending}" for option, ending in named.items()]

    def _last_words(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-500:]}" for path in logs)


def missing() -> str:
    """Return the programs that are not installed, by commas."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return ", ".join(name for name in _PROGRAMS if shutil.which(name, path=path) is None)


@contextmanager
def cluster() -> Iterator[Slurm]:
    """Run a cluster; the test is skipped where Slurm is not installed or does not start."""
    if absent := missing():
        pytest.skip(f"no Slurm: {absent} not installed; apt-get install slurm-wlm munge")
    with tempfile.TemporaryDirectory(prefix="rise-slurm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "state").mkdir()
        with _free_ports(1 + len(NODES)) as ports:
            text = _CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                folder=folder,
                ports=ports,
                nodes="n[1-2]",
                cpus=_CPUS,
                partition=PARTITION,
            )
        (folder / "slurm.conf").write_text(text)
        slurm = Slurm(folder)
        slurm.environment["PATH"] = os.pathsep.join((slurm.environment.get("PATH", ""), "/usr/sbin", "/sbin"))
        try:
            try:
                slurm.up()
            except (OSError, TimeoutError) as error:
                pytest.skip(f"Slurm does not start here: {error}")
            yield slurm
        finally:
            slurm.down()


@contextmanager
def _free_ports(number: int) -> Iterator[list[int]]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        yield [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()


def _until(holds: Any, last_words: Any) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(last_words())
        time.sleep(0.1)


def _processes_with(variables: set[str]) -> Iterator[int]:
    """Yield the processes that have all variables in their environment."""
    wanted = {variable.encode() for variable in variables}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            held = wanted <= set(path.read_bytes().split(b"\0"))
        except OSError:
            continue
        if held:
            yield int(path.parent.name)


def _end_with_starter() -> None:
    """Let the kernel end a daemon whose starter is gone, even by `kill -9`."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
