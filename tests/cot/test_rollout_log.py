"""The log loses nothing to `kill -9`, and the best of it is what the paper says."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import pytest

from rise_bench.cot.rollout_groups import best_of, complete, covered_ids, groups
from rise_bench.cot.row_log import RowLog, next_attempt, read_at, read_rows
from rise_bench.errors import DataError, PrerequisiteError

from ..support.full_disk import no_file_larger_than


def row(uid, reward, *, step=0, group=0, cot="c"):
    return {"id": uid, "step": step, "group": group, "reward": reward, "cot": cot}


def test_a_torn_line_is_passed_over_and_does_not_swallow_the_next_one(tmp_path):
    log = RowLog(tmp_path, 0, attempt="1")
    log.append([row("a", 0.5)])
    log.close()
    with log.path.open("ab") as file:
        file.write(b'{"id": "torn", "rew')
    again = RowLog(tmp_path, 0, attempt="2")
    again.append([row("b", 0.25, cot="line\u2028separator\nand newline")])
    rows = [located.row for located in read_rows([tmp_path])]
    assert [r["id"] for r in rows] == ["a", "b"]
    assert rows[1]["cot"] == "line\u2028separator\nand newline"


WRITER = """
import sys
from rise_bench.cot.row_log import RowLog
log = RowLog(sys.argv[1], 3, attempt="1", sync_s=float(sys.argv[2]))
for step in range(10**9):
    log.append([{"id": str(i), "step": step, "group": 0, "reward": 0.0, "cot": "x" * 999} for i in "abcd"])
    print(step, flush=True)
"""


@pytest.mark.parametrize("sync_s", [0, 60])
def test_every_appended_row_survives_kill_9(tmp_path, sync_s):
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(sync_s)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        child.stdout.readline()
    time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    said, _ = child.communicate()
    appended = 20 + len(said.split())
    counts = {}
    for located in read_rows([tmp_path]):
        counts[located.row["step"]] = counts.get(located.row["step"], 0) + 1
    assert all(counts[step] == 4 for step in range(appended))
    assert max(counts) <= appended  # at most the step in flight


def test_the_disk_is_waited_for_as_often_as_asked_and_at_the_end(tmp_path, monkeypatch):
    synced, clock = [], [0.0]
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    every = RowLog(tmp_path, 0, attempt="1")
    for seconds in (0, 1, 2, 3, 4):
        clock[0] = seconds
        every.append([row("a", 0.5)])
        assert len(synced) == seconds + 1
    synced.clear()
    clock[0] = 0.0
    seldom = RowLog(tmp_path, 1, attempt="1", sync_s=2)
    for seconds, times in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)):
        clock[0] = seconds
        seldom.append([row("a", 0.5)])
        assert len(synced) == times
    seldom.close()
    seldom.close()
    assert len(synced) == 3


def test_reading_long_logs_takes_little_memory(tmp_path):
    """The ids of what is done take 8 bytes each; the groups are on the disk."""
    count = 20_000
    with (tmp_path / "rank00000.jsonl").open("w") as file:
        for number in range(count):
            file.write(json.dumps(row(f"sample-{number:09d}", 0.5) | {"attempt": "1"}) + "\n")
    covered_ids(tmp_path, 1)  # imports
    tracemalloc.start()
    best, done = best_of(groups([tmp_path])), covered_ids(tmp_path, 1)
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 12 * count and most < 40 * count
    assert len(best) == len(done) == count
    assert "sample-000019999" in done and "sample-000020000" not in done
    assert "sample-000020000" not in best and best["sample-000000007"].read().id == "sample-000000007"


@pytest.mark.parametrize("broken", [{"step": 10**30}, {"id": "half \ud83d"}])
def test_a_row_that_no_program_of_ours_writes_is_named(tmp_path, broken):
    RowLog(tmp_path, 0, attempt="1").append([row("a", 0.1), row("b", 0.1) | broken])
    with pytest.raises(DataError, match="rank00000.jsonl, byte .* Delete that line"):
        groups([tmp_path])


def test_groups_of_some_ids(tmp_path):
    RowLog(tmp_path, 0, attempt="1").append([row(uid, 0.5) for uid in "abcb"])
    some = groups([tmp_path], only=iter("bcx"))
    assert {uid: len(group.rewards) for uid, (group,) in some.items()} == {"b": 2, "c": 1}
    assert len(some) == 2 and "a" not in some and some.get("x") is None
    assert [group.rewards for (group,) in some.values()] == [[0.5, 0.5], [0.5]]


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([("1", row("a", 0.2)), ("1", row("a", 0.9, cot="best"))], "best"),
        ([("1", row("a", 0.9, cot="best")), ("1", row("a", 0.2))], "best"),
        ([("1", row("a", 0.9, cot="best")), ("1", row("a", 0.9, cot="later line"))], "best"),
        ([("1", row("a", 0.9)), ("1", row("a", 0.9, step=1, cot="later policy"))], "later policy"),
        ([("1", row("a", 0.9, cot="replaced")), ("2", row("a", 0.1, cot="resumed"))], "resumed"),
        ([("2", row("a", 0.1, cot="resumed")), ("1", row("a", 0.9, cot="replaced"))], "resumed"),
        ([("1", row("a", 0.9, cot="kept")), ("2", row("a", 0.1, step=1))], "kept"),
    ],
    ids=[
        "max",
        "order",
        "tie-in-group",
        "tie-of-steps",
        "replayed",
        "replayed-other-file",
        "stale-step-kept",
    ],
)
def test_which_rollout_is_best(tmp_path, rows, best):
    for rank, (attempt, logged) in enumerate(rows):
        RowLog(tmp_path, rank, attempt=attempt).append([logged])
    group = best_of(groups([tmp_path]))["a"]
    assert group.read().cot == best
    assert read_at(group.path, group.offset)["reward"] == group.read().reward


def test_a_group_may_be_spread_over_ranks_and_keeps_all_rewards(tmp_path):
    for rank in range(2):
        RowLog(tmp_path, rank, attempt="1").append([row("a", rank / 2), row("a", 0.1)])
    by_id = groups([tmp_path])
    assert sorted(best_of(by_id)["a"].rewards) == [0.0, 0.1, 0.1, 0.5]
    assert set(complete(by_id, 4)) == {"a"}
    assert not set(complete(by_id, 5))


def test_memory_holds_no_text(tmp_path):
    RowLog(tmp_path, 0, attempt="1").append([row("a", 0.1, cot="secret" * 1000)])
    assert "secret" not in json.dumps([g.rewards for g in groups([tmp_path])["a"]])
    assert not hasattr(groups([tmp_path])["a"][0], "cot")


@pytest.mark.parametrize("now", [0, 5, 10**18, 2 * 10**18], ids=["1970", "back", "same", "later"])
@pytest.mark.parametrize("last", [None, f"{10**18:020d}", "9", "zz", f"{10**18:020d}00"])
def test_a_later_attempt_sorts_after_the_others_whatever_the_clock_says(tmp_path, monkeypatch, now, last):
    monkeypatch.setattr("time.time_ns", lambda: now)
    attempts = [last] if last else []
    for _ in range(3):
        for rank, attempt in enumerate(attempts):
            RowLog(tmp_path, rank, attempt=attempt).append([row("a", 0.1)])
        attempts.append(next_attempt(tmp_path, tmp_path / "none"))
    assert attempts == sorted(set(attempts))


def test_a_group_that_a_kill_cut_is_whole_after_it_was_sampled_again_though_the_clock_went_back(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("time.time_ns", lambda: 2000)
    RowLog(tmp_path, 0, attempt=next_attempt(tmp_path)).append([row("a", 0.1)])
    monkeypatch.setattr("time.time_ns", lambda: 1000)
    RowLog(tmp_path, 0, attempt=next_attempt(tmp_path)).append([row("a", 0.2)] * 3)
    assert set(complete(groups([tmp_path]), 3)) == {"a"}


@pytest.mark.parametrize(
    ("text", "read"),
    [("half \ud83d", "half �"), ("\udc00 half", "� half"), ("\ud83d\ude00", "😀"), (None, ""), ("é", "é")],
)
@pytest.mark.parametrize("field", ["cot", "reconstruction", "response"])
def test_a_text_of_a_log_can_be_encoded_and_is_empty_where_there_is_none(tmp_path, field, text, read):
    RowLog(tmp_path, 0, attempt="1").append([row("a", 0.1) | {field: text}])
    (located,) = read_rows([tmp_path])
    assert located.row[field] == read_at(located.path, located.offset)[field] == read
    read.encode()


@pytest.mark.parametrize("line", ["[]", "7", "{", '{"id": "x"' + "[" * 100_000, "\udcff", ""])
def test_a_line_that_is_no_row_is_skipped(tmp_path, line):
    log = RowLog(tmp_path, 0, attempt="1")
    log.append([row("a", 0.1)])
    log.close()
    with log.path.open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")
    log.append([row("b", 0.2)])
    assert [located.row["id"] for located in read_rows([tmp_path])] == ["a", "b"]


@pytest.mark.parametrize(
    "broken", [{"id": 7}, {"attempt": None}, {"reward": "high"}, {"step": None}, {"group": []}]
)
def test_a_row_of_another_shape_is_named(tmp_path, broken):
    RowLog(tmp_path, 0, attempt="1").append([row("a", 0.1) | broken])
    with pytest.raises(DataError, match=r"rank00000\.jsonl, byte 0"):
        groups([tmp_path])


def test_a_line_that_the_disk_has_half_room_for_does_not_swallow_the_next_one(tmp_path):
    log = RowLog(tmp_path, 0, attempt="1")
    log.append([row("a", 0.1)])
    with (
        no_file_larger_than(log.path.stat().st_size + 20),
        pytest.raises(PrerequisiteError, match="rank00000"),
    ):
        log.append([row("b", 0.1)])
    log.append([row("c", 0.1)])
    log.close()
    assert [located.row["id"] for located in read_rows([tmp_path])] == ["a", "c"]


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "rank00000.jsonl").symlink_to("/dev/full")
    with pytest.raises(PrerequisiteError, match=r"rank00000\.jsonl: No space left on device. Free"):
        RowLog(tmp_path, 0, attempt="1").append([row("a", 0.1)])
