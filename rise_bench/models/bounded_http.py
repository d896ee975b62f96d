"""An HTTP client that follows no redirect and holds no reply larger than it was told."""

import ssl
import zlib
from functools import cache
from typing import Any

import httpx2

_OF_THE_BODY = {"content-encoding", "content-length", "transfer-encoding"}
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class ReplyTooLargeError(Exception):
    """A body, as sent or decompressed, has more bytes than allowed."""


class UnknownEncodingError(Exception):
    """A body is compressed in a way that was not asked for and is not known."""


class BoundedClient(httpx2.AsyncClient):
    """Client whose replies are read at once, within a bound; proxies of the environment are used."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        """Prepare the client.

        Args:
            max_bytes: Largest body, as sent and decompressed.
            **options: Of `httpx2.AsyncClient`.
        """
        super().__init__(verify=_certificates(), **options, follow_redirects=False)
        self.headers["Accept-Encoding"] = "identity"
        self._max_bytes = max_bytes

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and read its reply.

        Raises:
            ReplyTooLargeError: The body is larger than allowed.
            UnknownEncodingError: The body is compressed, neither by gzip nor by deflate.
        """
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
    """The trusted certificates; loading them takes a tenth of a second."""
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
