"""Reading from the Hugging Face Hub, and its errors in one clear line each.

Only this file and `hub_push` import `huggingface_hub`. The token is the one that `hf auth login` stored or
`HF_TOKEN` names; it is never an argument of ours, and `redact` keeps it out of every message.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.errors import ConfigError, DataError, PrerequisiteError, RiseError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

RepoType = Literal["dataset", "model"]

#: Benchmark -> commit of its dataset on the Hub; one without an entry is not published.
#: `RISE_BENCH_REVISION` overrides it.
PINNED_REVISIONS: Mapping[str, str] = {}

#: Statuses after which the same request may succeed a little later.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

#: Longest wait for the Hub where only its presence or that of a model is asked for.
_REQUEST_SECONDS = 5

_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}")
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a commit: its git blob id, and its sha256 where the Hub knows it (large files)."""

    path: str
    size_bytes: int
    git_oid: str
    sha256: str | None


def hub_api() -> "HfApi":
    """Return the client; the endpoint is `HF_ENDPOINT`, the token is found by `huggingface_hub`."""
    from huggingface_hub import HfApi

    return HfApi(library_name="rise-bench")


def endpoint() -> str:
    """Return the address of the Hub."""
    return str(hub_api().endpoint)


def check_repo_id(repo_id: str) -> str:
    """Return a valid "ORG/NAME".

    Raises:
        ConfigError: If it is not of that form.
    """
    if not _REPO_ID.fullmatch(repo_id) or ".." in repo_id or len(repo_id) > 96:
        raise ConfigError(f"{repo_id!r} is no repository of the Hub; write it as ORG/NAME")
    return repo_id


def commit_of(repo_id: str, revision: str | None = None, *, repo_type: RepoType = "dataset") -> str:
    """Return the commit (40 hex digits) that a revision stands for; the head of main if None.

    Raises:
        PrerequisiteError: If the Hub does not say.
    """
    with hub_errors(repo_id):
        info = hub_api().repo_info(check_repo_id(repo_id), repo_type=repo_type, revision=revision)
    return str(info.sha)


def list_files(repo_id: str, commit: str, *, repo_type: RepoType = "dataset") -> dict[str, RemoteFile]:
    """Return the files of a commit by path.

    Raises:
        PrerequisiteError: If the Hub does not say.
    """
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


def fetch_file(repo_id: str, path: str, commit: str, *, repo_type: RepoType = "dataset") -> Path:
    """Download one file of a commit (or take it from the local Hub cache) and return where it lies.

    Raises:
        PrerequisiteError: If the Hub does not give it.
    """
    with hub_errors(repo_id):
        return Path(hub_api().hf_hub_download(repo_id, path, repo_type=repo_type, revision=commit))


def fetch_files(repo_id: str, paths: Sequence[str], commit: str, *, repo_type: RepoType = "dataset") -> Path:
    """Download files of a commit, or take them from the local Hub cache; return the folder of the commit.

    Raises:
        PrerequisiteError: If the Hub does not give them.
    """
    with hub_errors(repo_id):
        return Path(
            hub_api().snapshot_download(
                repo_id, repo_type=repo_type, revision=commit, allow_patterns=[_literal(p) for p in paths]
            )
        )


def cached_snapshot(repo_id: str, revision: str = "") -> Path:
    """Return the folder of a model in the local Hub cache, without asking the Hub.

    Raises:
        PrerequisiteError: If it is not there.
    """
    with hub_errors(repo_id):
        return Path(hub_api().snapshot_download(repo_id, revision=revision or None, local_files_only=True))


def model_file(repo_id: str, path: str, revision: str = "", *, local_only: bool = False) -> Path | None:
    """Return a file of a model from the local Hub cache or the Hub; None if it has no such file.

    Raises:
        PrerequisiteError: If the Hub does not say.
    """
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
    """Check in seconds, by one request without retries, that a model can be loaded.

    Raises:
        ConfigError: If that is no repository of the Hub.
        PrerequisiteError: If the Hub has no such model, may not be asked or cannot be reached, and the local
            Hub cache does not have it either.
    """
    if model_file(check_repo_id(repo_id), "config.json", revision, local_only=True):
        return
    try:
        with hub_errors(repo_id):
            hub_api().model_info(repo_id, revision=revision or None, timeout=_REQUEST_SECONDS)
    except PrerequisiteError as error:
        raise PrerequisiteError(f"no model {repo_id} in the local Hub cache, and {error}") from error


def hub_answers() -> bool:
    """Whether the Hub may be asked and answers within a few seconds, whatever it answers."""
    from huggingface_hub import get_session

    if is_offline():
        return False
    answered: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(*_transport_errors()):
            get_session().head(endpoint(), timeout=_REQUEST_SECONDS)
            answered.append(True)

    # In a thread: looking up the name of the host has no limit of time of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_REQUEST_SECONDS)
    return bool(answered)


def fetch_dataset(name: str, hub_id: str) -> Path:
    """Download a benchmark at its pinned revision (from the local Hub cache if it is there).

    Args:
        name: Short name of the benchmark.
        hub_id: Dataset id on the Hub.

    Returns:
        Folder of the snapshot.

    Raises:
        DataError: If no revision is pinned, or the Hub does not give it.
    """
    revision = os.environ.get("RISE_BENCH_REVISION") or PINNED_REVISIONS.get(name)
    if revision is None:
        raise DataError(f"{name} is not published on the Hub; run `{_build(name)}`")
    try:
        with hub_errors(hub_id):
            return Path(hub_api().snapshot_download(hub_id, repo_type="dataset", revision=revision))
    except PrerequisiteError as error:
        raise DataError(f"{error}; or run `{_build(name)}`") from error


def _build(name: str) -> str:
    """Return the command that builds a benchmark; a drawn one has no source."""
    drawn = name in BENCHMARKS and not BENCHMARKS[name].source_url
    return f"rise-bench build {name}" + ("" if drawn else " --source DIR")


def eval_results_yaml(entries: Sequence[Mapping[str, Any]]) -> str:
    """Write entries of `.eval_results/*.yaml`; their keys are the fields of the Hub's `EvalResultEntry`."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    listed = eval_result_entries_to_yaml([EvalResultEntry(**entry) for entry in entries])
    return yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` keeps the client from the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def redact(text: str) -> str:
    """Replace access tokens in a text: the one in use, and anything that looks like one."""
    from huggingface_hub import get_token

    token = get_token()
    if token:
        text = text.replace(token, "hf_***")
    return _TOKEN.sub("hf_***", text)


def holds_token(text: str) -> bool:
    """Whether a text holds what looks like an access token of the Hub."""
    return _TOKEN.search(text) is not None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error of the client, None if there is none."""
    from huggingface_hub.errors import HfHubHTTPError

    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            return int(cause.response.status_code)
    return None


def is_connection_error(error: BaseException) -> bool:
    """Whether an error of the client means that no answer came: refused, cut or timed out."""
    return status_of(error) is None and any(
        isinstance(cause, _transport_errors()) for cause in _causes(error)
    )


@contextlib.contextmanager
def hub_errors(repo_id: str) -> Iterator[None]:
    """Turn the client's errors inside the block into a `PrerequisiteError` of one line, free of tokens."""
    try:
        yield
    except RiseError:
        raise
    except Exception as error:
        from huggingface_hub import errors

        known = (
            errors.HfHubHTTPError,
            errors.HFValidationError,
            errors.LocalEntryNotFoundError,
            errors.LocalTokenNotFoundError,
            errors.OfflineModeIsEnabled,
            *_transport_errors(),
        )
        if not any(isinstance(cause, known) for cause in _causes(error)):
            raise
        raise PrerequisiteError(redact(_explain(error, repo_id))) from None


def _explain(error: BaseException, repo_id: str) -> str:
    from huggingface_hub import errors

    causes = list(_causes(error))

    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    status, where = status_of(error), f"{repo_id} on {endpoint()}"
    if any_is(errors.OfflineModeIsEnabled) or is_offline():
        return (
            f"{repo_id} is not in the local Hub cache at that revision and HF_HUB_OFFLINE is set; unset it, "
            "or name a commit that was loaded before"
        )
    if any_is(errors.LocalTokenNotFoundError):
        return f"{where} needs a token and there is none; run `hf auth login`, or set HF_TOKEN"
    if any_is(errors.GatedRepoError):
        return f"{where} is gated ({status}); ask for access on its page, then run `hf auth login`"
    if any_is(errors.RevisionNotFoundError):
        return f"{where} has no such revision ({status}); name a branch, a tag or a commit that it has"
    if any_is(errors.EntryNotFoundError) and status is not None:
        return f"{where} lacks a file that a rise-bench dataset has ({_server_line(error)}); check the name"
    if any_is(errors.RepositoryNotFoundError) and status != 401:
        return f"{where} does not exist, or is private and hidden from this token; check the name and token"
    return _explain_status(error, status, where)


def _explain_status(error: BaseException, status: int | None, where: str) -> str:
    if status is None:
        return (
            f"the Hub at {endpoint()} cannot be reached ({_reason(error)}); check the network and "
            "HF_ENDPOINT, then run again: what was sent is kept"
        )
    if status == 401:
        return (
            f"{where} is private or absent, or the token is not valid (401); run `hf auth login`, "
            "or set HF_TOKEN to a valid token"
        )
    if status == 403:
        return f"the token may not do this to {where} (403); use one with write access, or pass --create-pr"
    if status in (409, 412):
        return (
            f"{where} keeps being changed by others ({status}); run again in a minute: what was sent is kept"
        )
    if status in TRANSIENT_STATUSES:
        return f"the Hub at {endpoint()} has trouble ({status}); run again later: what was sent is kept"
    return f"the Hub refuses {where} ({status}: {_server_line(error)}); mend that and run again"


def _server_line(error: BaseException) -> str:
    from huggingface_hub.errors import HfHubHTTPError

    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            return (cause.server_message or str(cause)).strip().splitlines()[0]
    return _reason(error)


def _reason(error: BaseException) -> str:
    last = list(_causes(error))[-1]
    return (str(last).strip().splitlines() or [type(last).__name__])[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from; the client wraps failed uploads."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _transport_errors() -> tuple[type[BaseException], ...]:
    from huggingface_hub.errors import HfHubHTTPError

    # The HTTP library differs between versions of the client; its base error is the parent of HfHubHTTPError.
    return (HfHubHTTPError.__bases__[0], ConnectionError, TimeoutError)


def _literal(path: str) -> str:
    """Escape a path so that it matches only itself as an fnmatch pattern."""
    return re.sub(r"([*?[])", r"[\1]", path)
