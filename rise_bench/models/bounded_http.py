"""HTTP client with a limit on the size of replies, without redirects and cookies."""

import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
#: Seconds that an idle connection is kept: fewer than the 5 s after which uvicorn, vLLM's server, closes it.
_KEPT_S = 4.0
_LONGEST_LINE_BYTES = 1 << 16


class ReplyTooLargeError(Exception):
    """A body exceeds the limit, as sent or decompressed."""


class UnknownEncodingError(Exception):
    """A body has an unknown compression."""


@dataclass(slots=True)
class StatusError(Exception):
    """A reply with a status other than 2xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BoundedClient:
    """Client that reads each reply at once, up to a limit; proxies of the environment are used.

    Any number of connections is kept open: whoever sends requests limits those in flight. All requests
    belong to the event loop of the first one.
    """

    def __init__(self, base_url: str, *, headers: Mapping[str, str], max_bytes: int) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            base_url: Beginning of all addresses, without a slash at its end.
            headers: Headers of every request.
            max_bytes: Largest body, as sent and decompressed.

        Raises:
            ValueError: The environment names a proxy that cannot be used.
        """
        self.base_url = base_url
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        self._max_bytes = max_bytes
        self._proxy = _proxy_of(base_url)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> bytes:
        """Return the body of a page; errors as `post`."""
        return await self._body("GET", path)

    async def post(self, path: str, data: bytes) -> bytes:
        """Send JSON, and return the body of the reply, which may be compressed by gzip or deflate.

        Raises:
            StatusError: The status is not 2xx, whatever the body is.
            ReplyTooLargeError: The body is larger than allowed.
            UnknownEncodingError: The body cannot be decompressed.
            aiohttp.ClientError, OSError: There is no connection, or no HTTP in it.
        """
        return await self._body("POST", path, data=data, headers={"Content-Type": "application/json"})

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _body(self, method: str, path: str, **options: object) -> bytes:
        url = f"{self.base_url}{path}"
        while True:
            try:
                return await self._reply(method, url, **options)
            except _StaleConnectionError:
                continue  # on another connection, which is new once all kept ones are closed

    async def _reply(self, method: str, url: str, **options: object) -> bytes:
        session = self._session or self._opened()
        async with session.request(method, url, allow_redirects=False, **options) as reply:  # type: ignore[arg-type]
            if 200 <= reply.status < 300:
                return await self._read(reply)
            raise StatusError(reply.status, reply.headers, await self._explanation(reply))

    async def _explanation(self, reply: aiohttp.ClientResponse) -> bytes:
        """Return the body of an error, or nothing where it cannot be read."""
        try:
            return await self._read(reply)
        except (ReplyTooLargeError, UnknownEncodingError, aiohttp.ClientPayloadError):
            return b""

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in reply.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                raise ReplyTooLargeError
        return _decompressed(bytes(body), reply.headers.get("Content-Encoding", ""), self._max_bytes)

    def _opened(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_certificates(), keepalive_timeout=_KEPT_S),
            headers=self._headers,
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            max_line_size=_LONGEST_LINE_BYTES,
            max_field_size=_LONGEST_LINE_BYTES,
            request_class=_Request,
            response_class=_Reply,
        )
        return self._session


class _StaleConnectionError(Exception):
    """A kept connection cannot be used any more; the request has no reply."""


#: Connections that have served a request.
_used = WeakSet[ResponseHandler]()


class _Request(aiohttp.ClientRequest):
    """Request that is sent on a connection where the server has said nothing unasked.

    A second reply to an earlier request would be taken for the reply to this one.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if conn.protocol is None or conn.protocol.should_close:
            raise _StaleConnectionError
        with _stale_if_used(conn.protocol):
            return await super().send(conn)


class _Reply(aiohttp.ClientResponse):
    """Reply that tells a kept connection, which the server has closed, from a server that fails."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        with _stale_if_used(protocol):
            await super().start(connection)
        if protocol is not None:
            _used.add(protocol)
        return self


@contextmanager
def _stale_if_used(protocol: ResponseHandler | None) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectionError, ConnectionError) as error:
        if protocol in _used:
            raise _StaleConnectionError from error
        raise


@cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, loaded once."""
    return ssl.create_default_context()


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for an address."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if (scheme := urlsplit(proxy).scheme) not in ("http", "https"):
        raise ValueError(f"a proxy of the kind {scheme!r}, expected http or https")
    return proxy


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
