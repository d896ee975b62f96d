"""HTTP client with a limit on the size of replies and without redirects."""

import ssl
import zlib
from functools import cache
from typing import Any

import httpx2

_OF_THE_BODY = {"content-encoding", "content-length", "transfer-encoding"}
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_NO_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


class ReplyTooLargeError(Exception):
    """A body exceeds the limit, as sent or decompressed."""


class UnknownEncodingError(Exception):
    """A body has an unknown compression."""


class BoundedClient(httpx2.AsyncClient):
    """Client that reads each reply at once, up to a limit; proxies of the environment are used.

    Any number of connections is kept open: whoever sends requests limits those in flight.
    """

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        """Create the client; `max_bytes` limits a body as sent and decompressed."""
        super().__init__(verify=_certificates(), limits=_NO_LIMITS, **options, follow_redirects=False)
        self.headers["Accept-Encoding"] = "identity"
        self._max_bytes = max_bytes

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and read its reply, which may be compressed by gzip or deflate."""
        sent = await super().send(request, **options | {"stream": True, "follow_redirects": False})
        try:
            body = bytearray()
            async for chunk in sent.aiter_raw():
                body += chunk
                if len(body) > self._max_bytes:
                    raise ReplyTooLargeError
        finally:
            await sent.aclose()
        content = _decompressed(bytes(body), sent.headers.get("Content-Encoding", ""), self._max_bytes)
        kept = [(name, value) for name, value in sent.headers.multi_items() if name not in _OF_THE_BODY]
        return httpx2.Response(sent.status_code, headers=kept, content=content, request=request)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, loaded once in 0.1 s."""
    return httpx2.create_ssl_context()


def _decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnknownEncodingError(encoding)
    try:
        content = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise UnknownEncodingError(f"broken {encoding}") from error
    if len(content) > max_bytes:
        raise ReplyTooLargeError
    return content
