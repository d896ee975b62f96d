"""Writing is atomic: a file or folder is whole at its place or not there."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError, DataError
from rise_bench.storage import (
    atomic_directory,
    atomic_write_bytes,
    atomic_write_text,
    sha256_bytes,
    sha256_file,
)


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
        "from rise_bench.storage import atomic_directory\n"
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
