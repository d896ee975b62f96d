"""Writing is atomic: a file or folder is whole at its place or not there."""

import contextlib
import hashlib
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.files.atomic import (
    atomic_directory,
    atomic_text_file,
    atomic_write_bytes,
    atomic_write_text,
    sha256_bytes,
    sha256_file,
)
from rise_bench.files.locks import scratch_folder


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than one chunk
    (tmp_path / "file").write_bytes(data)
    assert sha256_file(tmp_path / "file") == sha256_bytes(data) == hashlib.sha256(data).hexdigest()


def test_write_replaces_the_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "note.txt"
    atomic_write_text(target, "first")
    atomic_write_text(target, "zweite Fassung, größer")
    assert target.read_text(encoding="utf-8") == "zweite Fassung, größer"
    assert [path.name for path in target.parent.iterdir()] == ["note.txt"]


def test_written_file_has_the_permissions_of_any_other_new_file(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "note.txt"
    atomic_write_text(target, "old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        atomic_write_text(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_text_written_in_parts_appears_when_its_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "lines.txt"
    with atomic_text_file(target) as file:
        file.write("größer\r\n")
        assert not target.exists()
    with pytest.raises(KeyboardInterrupt), atomic_text_file(target) as file:
        file.write("half")
        raise KeyboardInterrupt
    assert target.read_bytes() == "größer\r\n".encode()
    assert [path.name for path in target.parent.iterdir()] == ["lines.txt"]


def test_directory_appears_only_when_its_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data"
    with atomic_directory(target) as work:
        (work / "part").write_text("x")
        assert not target.exists()
    assert (target / "part").read_text() == "x"
    assert [path.name for path in target.parent.iterdir()] == ["data"]


@pytest.mark.parametrize("resume", [False, True])
def test_our_own_error_leaves_nothing(tmp_path: Path, resume: bool) -> None:
    with pytest.raises(DataError), atomic_directory(tmp_path / "data", resume=resume) as work:
        (work / "part").write_text("x")
        raise DataError("a bad row")
    assert list(tmp_path.iterdir()) == []


def test_interruption_is_gone_on_from_only_if_asked(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_directory(tmp_path / "data", resume=True) as work:
        (work / "part").write_text("half")
        raise KeyboardInterrupt
    assert not (tmp_path / "data").exists()
    with atomic_directory(tmp_path / "data", resume=True) as work:
        assert (work / "part").read_text() == "half"
    with atomic_directory(tmp_path / "other") as work:
        pass
    (tmp_path / ".other2.partial").mkdir()
    (tmp_path / ".other2.partial" / "stale").write_text("x")
    with atomic_directory(tmp_path / "other2") as work:
        assert list(work.iterdir()) == []


def test_folder_with_content_is_kept_unless_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    (target / "mine").write_text("precious")
    with pytest.raises(ConfigError, match="--overwrite"), atomic_directory(target):
        pytest.fail("the block ran")
    assert (target / "mine").read_text() == "precious"
    with atomic_directory(target, overwrite=True) as work:
        (work / "new").write_text("x")
        assert (target / "mine").exists()  # the old one stays until the new one is whole
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_empty_folder_needs_no_overwrite_and_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_directory(tmp_path / "empty") as work:
        (work / "new").write_text("x")
    assert (tmp_path / "empty" / "new").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is a file"), atomic_directory(tmp_path / "file", overwrite=True):
        pytest.fail("the block ran")


def test_replacement_cut_between_its_renames_is_undone(tmp_path: Path) -> None:
    (tmp_path / ".data.replaced").mkdir()
    (tmp_path / ".data.replaced" / "old").write_text("x")
    with pytest.raises(ConfigError, match="not empty"), atomic_directory(tmp_path / "data"):
        pytest.fail("the block ran")
    assert (tmp_path / "data" / "old").read_text() == "x"


def test_second_writer_is_refused_and_a_dead_one_does_not_block(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from rise_bench.files.atomic import atomic_directory\n"
        "with atomic_directory(Path(sys.argv[1]), resume=True) as work:\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with (
            pytest.raises(ConfigError, match="another process is writing"),
            atomic_directory(tmp_path / "data"),
        ):
            pytest.fail("the block ran")
        process.kill()
    with atomic_directory(tmp_path / "data") as work:
        (work / "part").write_text("x")
    assert (tmp_path / "data" / "part").exists()


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("there", ["full", "empty", "absent"])
def test_a_link_is_written_through(tmp_path: Path, there: str) -> None:
    real, link = tmp_path / "disk" / "real", tmp_path / "link"
    real.parent.mkdir()
    if there != "absent":
        real.mkdir()
    if there == "full":
        (real / "old").write_text("x")
        with (
            pytest.raises(ConfigError, match="is not empty"),
            atomic_directory(link if link.exists() else real),
        ):
            pytest.fail("the block ran")
    link.symlink_to(real)
    with atomic_directory(link, overwrite=True) as work:
        (work / "new").write_text("x")
    assert link.is_symlink()
    assert contents(real) == {"new"}
    assert contents(tmp_path) >= {"disk", "disk/real", "disk/real/new", "link"}
    assert not [name for name in contents(tmp_path) if "partial" in name or "replaced" in name]


def test_links_that_lead_nowhere_or_to_a_file_are_refused(tmp_path: Path) -> None:
    loop, file = tmp_path / "loop", tmp_path / "file"
    loop.symlink_to(loop)
    (tmp_path / "real").write_text("x")
    file.symlink_to(tmp_path / "real")
    for target in (loop, file):
        with pytest.raises((ConfigError, PrerequisiteError)), atomic_directory(target, overwrite=True):
            pytest.fail("the block ran")
    assert (tmp_path / "real").read_text() == "x"
    assert contents(tmp_path) == {"loop", "file", "real"}


def test_the_folder_that_one_is_in_and_one_that_is_read_from_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "photos" / "inner"
    inner.mkdir(parents=True)
    (inner / "precious.jpg").write_text("x")
    for target in (tmp_path, tmp_path / "photos", inner):
        with (
            pytest.raises(ConfigError, match="which is read from"),
            atomic_directory(target, overwrite=True, sources=[inner]),
        ):
            pytest.fail("the block ran")
    monkeypatch.chdir(inner)
    for target in (Path(), Path(".."), tmp_path):
        with pytest.raises(ConfigError, match="you are in"), atomic_directory(target, overwrite=True):
            pytest.fail("the block ran")
    assert (inner / "precious.jpg").exists()
    assert contents(tmp_path) == {"photos", "photos/inner", "photos/inner/precious.jpg"}


MOUNTED = """
import subprocess, sys
from pathlib import Path
from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_directory
root = Path(sys.argv[1])
mounts = {"memory": ["-t", "tmpfs", "none"], "bound folder": ["--bind", str(root / "other")]}
for name, arguments in mounts.items():
    target = root / name
    target.mkdir()
    subprocess.run(["mount", *arguments, str(target)], check=True)
    for overwrite in (False, True):
        try:
            with atomic_directory(target, overwrite=overwrite):
                sys.exit("the block ran")
        except ConfigError as error:
            assert "mount point" in str(error) and str(target / "out") in str(error), error
    with atomic_directory(target / "out") as work:
        (work / "new").write_text("x")
    assert (target / "out" / "new").exists()
"""


def test_a_mount_point_is_refused_before_any_work(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    (tmp_path / "other").mkdir()
    command = ["unshare", "-rm", sys.executable, "-c", MOUNTED, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path) == {"other", "other/out", "other/out/new", "memory", "bound folder"}


def test_a_refused_run_leaves_no_working_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "old").write_text("x")
    with pytest.raises(ConfigError), atomic_directory(tmp_path / "data"):
        pytest.fail("the block ran")
    assert contents(tmp_path) == {"data", "data/old"}


@pytest.mark.parametrize("resume", [False, True])
def test_what_the_system_refuses_is_an_error_that_names_the_folder(tmp_path: Path, resume: bool) -> None:
    with (
        pytest.raises(PrerequisiteError, match=r"cannot write .*data \(File too large\)") as caught,
        written_at_most(1000),
        atomic_directory(tmp_path / "data", resume=resume) as work,
    ):
        (work / "large").write_bytes(b"x" * 4000)
    assert ("goes on where it stopped" in str(caught.value)) is resume
    assert not (tmp_path / "data").exists()
    assert (tmp_path / ".data.partial").exists() is resume


@contextlib.contextmanager
def written_at_most(size: int) -> Iterator[None]:
    """Let the system refuse longer files, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_parent_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(PrerequisiteError, match="file"), atomic_directory(tmp_path / "file" / "data"):
        pytest.fail("the block ran")


def test_a_connection_that_breaks_is_none_of_the_disks_errors(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), atomic_directory(tmp_path / "data"):
        raise ConnectionResetError(104, "Connection reset by peer")


def test_files_are_written_through_links_and_into_devices(tmp_path: Path) -> None:
    link, real = tmp_path / "link", tmp_path / "real"
    link.symlink_to(real)
    atomic_write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        atomic_write_text(pipe, "through")
        assert reader.communicate()[0] == "through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert contents(tmp_path) == {"link", "real", "pipe"}


KILLED = """
import os, signal, sys
from pathlib import Path
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.locks import scratch_folder
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "file":
    atomic_write_text(Path(sys.argv[1]) / "note.txt", "half" * 1000)
with scratch_folder("test") as work:
    (work / "large").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["file", "scratch folder"])
def test_what_a_killed_run_leaves_is_gone_after_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), what]
    for _ in range(2):
        assert subprocess.run(command, env=environment, check=False).returncode == -9
        assert len(list(tmp_path.iterdir())) == 1
    if what == "file":
        atomic_write_text(tmp_path / "note.txt", "whole")
        assert (tmp_path / "note.txt").read_text() == "whole"
        assert contents(tmp_path) == {"note.txt"}
    else:
        with scratch_folder("test") as work, scratch_folder("test") as other:
            assert {work, other} == set(tmp_path.iterdir())
        assert contents(tmp_path) == set()


def test_two_writers_of_one_file_take_turns(tmp_path: Path) -> None:
    texts = [str(n) * 200_000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: atomic_write_text(tmp_path / "note.txt", text), texts))
    assert (tmp_path / "note.txt").read_text() in texts
    assert contents(tmp_path) == {"note.txt"}
