"""Classification of failed requests to an endpoint: for a sample or for all, and whether to retry."""

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from rise_bench.errors import PrerequisiteError, RiseError
from rise_bench.models.chat_reply import OddReplyError, shortened
from rise_bench.models.sampler import SampleError

if TYPE_CHECKING:
    from rise_bench.models.bounded_http import StatusError

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_REFUSED = {400, 413, 422}
_LONGEST_PAUSE_S = 120.0
_ADDRESS = "Check --endpoint (with its /v1) and --model."
_CERTIFICATE = "Check --endpoint; SSL_CERT_FILE names a file of certificates to trust."
_FILES = "Raise the limit on open files (ulimit -n), or lower --concurrency: each request in flight is one."
_RERUN = "See whether the server runs, then start the same command again: it goes on where it stopped."


class EndpointError(PrerequisiteError):
    """A server cannot be reached, refuses the key, or is not an OpenAI-compatible endpoint."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Outcome of a request without a text.

    Attributes:
        text: Message after the server's address.
        error: Error to raise after the last try.
        advice: End of the message: how to fix it.
        tries: Largest number of such failures of a request.
        pause_s: Pause that the server asks for, at most two minutes.
    """

    text: str
    error: Callable[[str], RiseError]
    advice: str = ""
    tries: int = 1_000
    pause_s: float = 0.0


def failure_of(error: Exception, timeout_s: float) -> Failure:
    """Classify an exception of the client."""
    import aiohttp

    from rise_bench.models.bounded_http import ReplyTooLargeError, StatusError, UnknownEncodingError

    if isinstance(error, StatusError):
        return _of_status(error)
    if isinstance(error, TimeoutError):
        return Failure(f"did not end its reply within {timeout_s:g} s", EndpointError, _RERUN, tries=2)
    if isinstance(error, ReplyTooLargeError):
        return Failure("sent a reply that is larger than allowed", SampleError, tries=2)
    if isinstance(error, UnknownEncodingError):
        how = shortened(str(error))
        return Failure(f"compressed its reply in an unreadable way ({how})", SampleError, tries=2)
    if isinstance(error, OddReplyError):
        advice = "Check --endpoint if no sample gets a reply."
        return Failure(f"sent no chat completion but {error}", SampleError, advice, tries=2)
    text = f"failed: {type(error).__name__} {shortened(str(error))}".rstrip()
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Failure(text, EndpointError, _CERTIFICATE, tries=1)
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):  # a host that no name server can be asked for
        return Failure(text, EndpointError, _ADDRESS, tries=1)
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return Failure(text, EndpointError, _FILES)
    passing = isinstance(error, aiohttp.ClientError | OSError)
    return Failure(text, EndpointError, _RERUN, tries=1_000 if passing else 1)


def pause_of(header: str | None) -> float:
    """Return the seconds of a Retry-After header, a number or a date, from 0 to two minutes; 0 if neither.

    >>> pause_of("3"), pause_of("86400"), pause_of("-1"), pause_of("soon"), pause_of(None)
    (3.0, 120.0, 0.0, 0.0, 0.0)
    """
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return 0.0
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - datetime.now(UTC)).total_seconds()
    return 0.0 if math.isnan(seconds) else min(max(seconds, 0.0), _LONGEST_PAUSE_S)


def _of_status(error: "StatusError") -> Failure:
    code, headers = error.status, error.headers
    text = f"answered {code} {shortened(error.body)}".strip()
    if code in _REFUSED:
        return Failure(f"refused a sample: {text}", SampleError, tries=1)
    if code in _PASSING:
        return Failure(text, EndpointError, _RERUN, pause_s=pause_of(headers.get("Retry-After")))
    if 300 <= code < 400:
        target = shortened(headers.get("Location", "")) or "nowhere"
        advice = "Redirects are not followed, the key would go along; name the right --endpoint."
        return Failure(f"redirects ({code}) to {target}", EndpointError, advice, tries=1)
    advice = "Check the API key and --api-key-env." if code in (401, 403) else _ADDRESS
    return Failure(text, EndpointError, advice, tries=1)
