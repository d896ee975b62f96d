"""Datasets that repositories of the Hub hold already: none is replaced by another."""

from collections.abc import Mapping
from typing import Any

from rise_bench.data.hub_files import RemoteFile, fetch_file
from rise_bench.data.manifest import MANIFEST_NAME, Manifest
from rise_bench.errors import ConfigError
from rise_bench.files import strict_json
from rise_bench.hub.push import Guard

#: Files of a repository that is as new: what the Hub's own pages write.
_NEW = frozenset({".gitattributes", ".gitignore", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"})


def guard_of(repo_id: str, manifest: Manifest) -> Guard:
    """Return what refuses a push of a dataset into a repository that holds another one.

    The same dataset has the same name and kind: a benchmark, or chains of thought for it.
    """
    own = _described(manifest.benchmark.name, cots=manifest.holds_cots)

    def guard(head: str, remote: Mapping[str, RemoteFile]) -> None:
        held = _held(repo_id, head, remote)
        if held not in ("", own):
            raise ConfigError(
                f"{repo_id} holds {held}, and {own} would take its place; give another repository, or delete "
                "its files on the Hub first"
            )

    return guard


def _described(name: str, *, cots: bool) -> str:
    return f"chains of thought for {name}" if cots else f"the benchmark {name}"


def _held(repo_id: str, head: str, remote: Mapping[str, RemoteFile]) -> str:
    """Return what a commit holds; empty for no dataset."""
    if MANIFEST_NAME not in remote:
        return "" if remote.keys() <= _NEW else "a dataset of another form"
    try:
        # another version of rise-bench may have written it, so only what is needed is read
        tree: Any = strict_json.loads(fetch_file(repo_id, MANIFEST_NAME, head).read_bytes())
        shards = {entry["shard"] for entry in tree["files"].values()}
        return _described(str(tree["spec"]["name"])[:100], cots=shards <= {"high", "low"})
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"a {MANIFEST_NAME} of something else"
