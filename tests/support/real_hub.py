"""Usage: real_hub.py PUBLIC_DATASET [REPO_TO_OVERWRITE]. What the smoke tests run in a process of its own."""

import sys
import tempfile
from pathlib import Path

import rise_bench
from rise_bench.builders import synthetic
from rise_bench.data.hub_files import commit_of, list_files
from rise_bench.data.writer import write_dataset
from rise_bench.errors import PrerequisiteError
from rise_bench.hub.publish import publish


def read(public: str) -> None:
    commit = commit_of(public)
    assert len(commit) == 40
    assert "README.md" in list_files(public, commit)
    try:
        commit_of("rise-bench/no-such-dataset-here")
    except PrerequisiteError as error:
        assert "\n" not in str(error)
    else:
        raise AssertionError("a missing dataset was found")


def publish_and_load(repo: str) -> None:
    plan = synthetic.plan("moods", train=8, test=4)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "moods"
        write_dataset(plan, out)
        first = publish(out, repo, private=True)
        again = publish(out, repo, private=True)
    assert again.commit == first.commit
    assert again.sent == ()
    assert len(rise_bench.load(repo, revision=first.commit)["test"]) == 4
    row = next(iter(rise_bench.load(repo, split="test", revision=first.commit, streaming=True)))
    assert row["image"].size == (row["width"], row["height"])


if __name__ == "__main__":
    read(sys.argv[1])
    if len(sys.argv) > 2:
        publish_and_load(sys.argv[2])
