"""Client of the Hugging Face Hub, with errors of one line.

Only this module, `hub_files` and `rise_bench.hub.push` import `huggingface_hub`. The token is what `hf auth
login` stored or `HF_TOKEN` names; it is never an argument, and messages are free of it (`redact`).
"""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rise_bench.errors import PrerequisiteError, RiseError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

#: Statuses after which a retry may succeed.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}")


def hub_api() -> "HfApi":
    """Return the client; endpoint and token are those of `huggingface_hub`."""
    from huggingface_hub import HfApi

    return HfApi(library_name="rise-bench")


def endpoint() -> str:
    """Return the address of the Hub."""
    return str(hub_api().endpoint)


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` keeps the client from the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def has_token() -> bool:
    """Whether an access token is stored or named by `HF_TOKEN`."""
    from huggingface_hub import get_token

    return bool(get_token())


def redact(text: str) -> str:
    """Replace the access token in use, and whatever looks like a token, in a text."""
    from huggingface_hub import get_token

    token = get_token()
    if token:
        text = text.replace(token, "hf_***")
    return _TOKEN.sub("hf_***", text)


def holds_token(text: str) -> bool:
    """Whether a text holds a string like an access token of the Hub."""
    return _TOKEN.search(text) is not None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error of the client, or None."""
    from huggingface_hub.errors import HfHubHTTPError

    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            return int(cause.response.status_code)
    return None


def is_connection_error(error: BaseException) -> bool:
    """Whether an error of the client is a refused, closed or timed-out connection, or a page for a reply."""
    known = (*transport_errors(), json.JSONDecodeError)
    return status_of(error) is None and any(isinstance(cause, known) for cause in _causes(error))


@contextlib.contextmanager
def hub_errors(repo_id: str, *, sends: bool = False) -> Iterator[None]:
    """Raise the client's errors as `PrerequisiteError` of one line, without tokens.

    Args:
        repo_id: "ORG/NAME".
        sends: Whether files are sent, and kept by the Hub until the commit.
    """
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
            json.JSONDecodeError,
            *transport_errors(),
        )
        if not any(isinstance(cause, known) for cause in _causes(error)):
            raise
        raise PrerequisiteError(
            redact(_explain(error, repo_id, ": what was sent is kept" if sends else ""))
        ) from None


def _explain(error: BaseException, repo_id: str, kept: str) -> str:
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
    return _explain_status(error, status, where, kept)


def _explain_status(error: BaseException, status: int | None, where: str, kept: str) -> str:
    if status is None:
        return (
            f"the Hub at {endpoint()} cannot be reached ({_reason(error)}); check the network and "
            f"HF_ENDPOINT, then run again{kept}"
        )
    if status == 401:
        return (
            f"{where} is private or absent, or the token is not valid (401); run `hf auth login`, "
            "or set HF_TOKEN to a valid token"
        )
    if status == 403:
        return f"the token may not do this to {where} (403); use one with write access, or pass --create-pr"
    if status in (409, 412):
        return f"{where} keeps being changed by others ({status}); run again in a minute{kept}"
    if status in TRANSIENT_STATUSES:
        return f"the Hub at {endpoint()} has trouble ({status}); run again later{kept}"
    return f"the Hub refuses {where} ({status}: {_server_line(error)}); fix that and run again"


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
    """Yield an error and its causes; the client wraps failed uploads."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def transport_errors() -> tuple[type[BaseException], ...]:
    """Return the errors of a connection without an answer."""
    from huggingface_hub.errors import HfHubHTTPError

    # The HTTP library differs between versions of the client; its base error is the parent of HfHubHTTPError.
    return (HfHubHTTPError.__bases__[0], ConnectionError, TimeoutError)
