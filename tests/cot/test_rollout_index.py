"""What runs over many samples keeps outside memory: full disks, kills and ids with equal hashes."""

from contextlib import suppress
from pathlib import Path

import pytest

from rise_bench.cot import id_set
from rise_bench.cot.id_set import IdSet
from rise_bench.cot.rollout_index import RolloutIndex
from rise_bench.errors import PrerequisiteError

from ..support.full_disk import no_file_larger_than

LOG = Path("rank00000.jsonl")


def index(samples):
    rows = ((f"{number:040d}", (0, 0, "1", 0.5, None, LOG, number)) for number in range(samples))
    return RolloutIndex(rows, len)


def test_a_full_disk_is_an_error_that_says_where_to_go():
    with no_file_larger_than(1 << 20), pytest.raises(PrerequisiteError, match=r"temporary index.*TMPDIR"):
        index(40_000)


def test_a_disk_that_is_full_when_the_index_is_read_is_the_same_error():
    built = index(40_000)
    with no_file_larger_than(1 << 20), pytest.raises(PrerequisiteError, match=r"temporary index.*TMPDIR"):
        list(built.pairs())
    assert sum(1 for _ in built.pairs()) == len(built) == 40_000


def test_the_index_has_no_file_that_a_kill_would_leave():
    def opened():
        names = set()
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                names.add(str(link.readlink()))
        return {name for name in names if "etilqs" in name}

    before = opened()
    built = index(40_000)
    new = opened() - before
    assert len(built) == 40_000 and new and all(name.endswith(" (deleted)") for name in new)


def test_an_id_that_one_set_takes_for_another_is_missed_by_the_next_set(monkeypatch):
    monkeypatch.setattr(id_set, "_BYTES", 1)
    others = [f"other {number}" for number in range(50)]
    taken = [{uid for uid in others if uid in IdSet(f"id {i}" for i in range(100))} for _ in range(40)]
    assert all(taken) and not set.intersection(*taken)


def test_a_set_holds_its_ids_and_no_others():
    ids = [f"sample {number}" for number in range(5_000)] + ["\ud800"]
    held = IdSet(ids)
    assert all(uid in held for uid in ids) and "sample 5000" not in held and len(held) == len(ids)
