"""A confined process sees no secret, no network, is bounded, and imports no class of a model repository."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rise_bench.evaluation.confined import Confinement, ended_in_time

PROBE = """
import json, mmap, os, resource, socket, sys
seen = {"environment": dict(os.environ), "home": os.path.expanduser("~"), "arguments": sys.argv[1:]}
seen["memory"] = resource.getrlimit(resource.RLIMIT_DATA)[0]
listener = int(sys.argv[1])
try:
    socket.create_connection(("127.0.0.1", listener), timeout=5)
    seen["reached"] = True
except OSError as error:
    seen["reached"] = False
try:
    mmap.mmap(-1, 3 * 2**30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # asked for, and not touched
    seen["allocated"] = True
except (MemoryError, OSError):
    seen["allocated"] = False
if "transformers" in sys.modules:
    from transformers import AutoConfig
    try:
        AutoConfig.from_pretrained(sys.argv[2], trust_remote_code=True)
    except ValueError as error:
        seen["error"] = str(error)
print(json.dumps(seen))
"""


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Folder of a model whose configuration class leaves a file behind when it is imported."""
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoConfig": "evil.EvilConfig"}}'
    )
    (folder / "evil.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n"
        "from transformers import PreTrainedConfig\n"
        "class EvilConfig(PreTrainedConfig):\n    model_type = 'evil'\n"
    )
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="the network is taken away on Linux only")
def test_a_confined_process_has_no_secret_no_network_little_memory_and_imports_no_code_of_a_model(
    tmp_path: Path, evil: Path, monkeypatch: pytest.MonkeyPatch
):
    import socket

    secrets = (
        *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"),
        *("CUDA_AUTH_TOKEN", "RISE_BENCH_API_KEY", "SSH_AUTH_SOCK", "HTTPS_PROXY", "ANYTHING"),
    )
    for name in secrets:
        monkeypatch.setenv(name, "secret-value")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "probe.py").write_text(PROBE)
    confinement = Confinement(tmp_path / "confined", 120, 2 * 2**30)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = [str(listener.getsockname()[1]), str(evil)]
        plain, confined = (
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
            for command, environment in (
                ([sys.executable, "-m", "probe", *arguments], os.environ.copy()),
                (confinement.command("probe", arguments), confinement.environment()),
            )
        )
    open_, closed = json.loads(plain.stdout), json.loads(confined.stdout)
    assert (open_["reached"], open_["allocated"]) == (True, True), "the probe sees what is open"
    assert (closed["reached"], closed["allocated"]) == (False, False)
    assert "never run here" in closed["error"] and not (tmp_path / "ran").exists()
    assert "secret-value" not in closed["environment"].values()
    assert closed["environment"]["CUDA_VISIBLE_DEVICES"] == "3"
    assert closed["environment"]["HF_HUB_OFFLINE"] == "1"
    assert closed["home"] == str(tmp_path / "confined" / "home")
    assert closed["arguments"] == arguments
    assert confinement.outcome() == {"network": "closed", "memory_bytes": 2 * 2**30, "time_s": 120}


def test_a_process_that_never_reported_counts_as_open(tmp_path: Path):
    assert Confinement(tmp_path, 1, 1).outcome()["network"] == "open"


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_process_is_killed_with_all_that_it_started(tmp_path: Path):
    start = time.monotonic()
    command = ["sh", "-c", "sleep 300 & echo $!; wait"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process,
        ended_in_time(process.pid, Confinement(tmp_path, 0.5, 2**30)) as expired,
    ):
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.stdout.read()
    assert expired.is_set() and process.returncode == -9 and time.monotonic() - start < 60
    while _alive(child) and time.monotonic() - start < 60:  # the kernel takes its time to end it
        time.sleep(0.05)
    assert not _alive(child)


def test_a_process_that_ends_in_time_or_is_not_confined_is_left_alone(tmp_path: Path):
    for confinement in (Confinement(tmp_path, 300, 2**30), None):
        with (
            subprocess.Popen(["true"], start_new_session=True) as process,
            ended_in_time(process.pid, confinement) as expired,
        ):
            process.wait()
        assert not expired.is_set() and process.returncode == 0
