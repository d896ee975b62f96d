"""Files and models of the Hugging Face Hub, from its local cache or downloaded.

Requests raise `PrerequisiteError` if the Hub cannot be reached or refuses them.
"""

import contextlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rise_bench.data.hub_client import endpoint, hub_api, hub_errors, is_offline, transport_errors
from rise_bench.errors import ConfigError, PrerequisiteError

RepoType = Literal["dataset", "model"]

#: Timeout of requests that only check that the Hub or a model is there.
_REQUEST_SECONDS = 5

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """File of a commit, with its git blob id; large files also have a sha256."""

    path: str
    size_bytes: int
    git_oid: str
    sha256: str | None


def check_repo_id(repo_id: str) -> str:
    """Return a valid "ORG/NAME".

    Raises:
        ConfigError: If it is not of that form.
    """
    if not _REPO_ID.fullmatch(repo_id) or ".." in repo_id or len(repo_id) > 96:
        raise ConfigError(f"{repo_id!r} is not a repository name of the Hub; write it as ORG/NAME")
    return repo_id


def commit_of(repo_id: str, revision: str | None = None, *, repo_type: RepoType = "dataset") -> str:
    """Return the commit (40 hex digits) of a revision; the head of main if None."""
    with hub_errors(repo_id):
        info = hub_api().repo_info(check_repo_id(repo_id), repo_type=repo_type, revision=revision)
    return str(info.sha)


def list_files(repo_id: str, commit: str, *, repo_type: RepoType = "dataset") -> dict[str, RemoteFile]:
    """Return the files of a commit by path."""
    from huggingface_hub.hf_api import RepoFile

    with hub_errors(repo_id):
        entries = hub_api().list_repo_tree(repo_id, recursive=True, revision=commit, repo_type=repo_type)
        return {
            entry.path: RemoteFile(
                entry.path, entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None
            )
            for entry in entries
            if isinstance(entry, RepoFile)
        }


def fetch_file(repo_id: str, path: str, commit: str) -> Path:
    """Return the local path of a file of a dataset's commit, from the Hub cache or downloaded."""
    with hub_errors(repo_id):
        return Path(hub_api().hf_hub_download(repo_id, path, repo_type="dataset", revision=commit))


def fetch_files(repo_id: str, paths: Sequence[str], commit: str, *, repo_type: RepoType = "dataset") -> Path:
    """Return the local folder of a commit with these files, from the Hub cache or downloaded."""
    with hub_errors(repo_id):
        return Path(
            hub_api().snapshot_download(
                repo_id, repo_type=repo_type, revision=commit, allow_patterns=[_literal(p) for p in paths]
            )
        )


def cached_snapshot(repo_id: str, revision: str = "") -> Path:
    """Return the folder of a model in the local Hub cache, without a request."""
    with hub_errors(repo_id):
        return Path(hub_api().snapshot_download(repo_id, revision=revision or None, local_files_only=True))


def model_file(repo_id: str, path: str, revision: str = "", *, local_only: bool = False) -> Path | None:
    """Return a file of a model from the local Hub cache or the Hub; None if it does not exist."""
    from huggingface_hub import errors, try_to_load_from_cache

    cached = try_to_load_from_cache(repo_id, path, revision=revision or None)
    if isinstance(cached, str):
        return Path(cached)
    if local_only or is_offline() or cached is not None:
        return None
    try:
        with hub_errors(repo_id):
            return Path(hub_api().hf_hub_download(repo_id, path, revision=revision or None))
    except PrerequisiteError as error:
        if isinstance(error.__context__, errors.EntryNotFoundError):
            return None
        raise


def require_model(repo_id: str, revision: str = "") -> None:
    """Check by one request that a model can be loaded from the local Hub cache or the Hub."""
    if model_file(check_repo_id(repo_id), "config.json", revision, local_only=True):
        return
    try:
        with hub_errors(repo_id):
            hub_api().model_info(repo_id, revision=revision or None, timeout=_REQUEST_SECONDS)
    except PrerequisiteError as error:
        raise PrerequisiteError(f"no model {repo_id} in the local Hub cache, and {error}") from error


def hub_answers(timeout_s: float = _REQUEST_SECONDS) -> bool:
    """Whether the Hub responds within a few seconds; False offline."""
    from huggingface_hub import get_session

    if is_offline():
        return False
    answered: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(*transport_errors()):
            get_session().head(endpoint(), timeout=timeout_s)
            answered.append(True)

    # In a thread: the lookup of the host name has no timeout.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    return bool(answered)


def eval_results_yaml(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return `.eval_results/*.yaml` of entries whose keys are the fields of `EvalResultEntry`."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    listed = eval_result_entries_to_yaml([EvalResultEntry(**entry) for entry in entries])
    return yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)


def _literal(path: str) -> str:
    """Escape the fnmatch wildcards of a path."""
    return re.sub(r"([*?[])", r"[\1]", path)
