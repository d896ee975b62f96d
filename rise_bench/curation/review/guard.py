"""Access to the server: only for the browser that has the token, on a page of this server.

The server listens on loopback, which any page in a browser and any user of the machine can reach. Every
request needs the token, in a cookie that the first request exchanges it for; a host name that is not of
loopback is refused, since a stranger's name may lead here; so is a write from a page of another origin.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "::1")
_READS = ("GET", "HEAD")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware that lets requests with the token through and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, *, token: str, cookie: str) -> None:
        """Guard an application.

        Args:
            app: The application.
            token: The secret in the address.
            cookie: Name of the cookie that holds it; cookies of a host are shared by all its ports.
        """
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} is served")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, send_guarded)

    def _answer(self, request: Request) -> Response | None:
        """Return the answer to a request that is not let through, or that brings the token."""
        host = request.headers.get("host", "")
        if _hostname(host) not in HOSTS:
            return _refused("This server answers on loopback addresses only.")
        if request.method not in _READS and request.headers.get("origin") != f"http://{host}":
            return _refused("Decisions are taken from the page of this server only.")
        if request.url.path == "/" and self._is_token(request.query_params.get("token", "")):
            answer = RedirectResponse("./", status_code=303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return answer
        if not self._is_token(request.cookies.get(self._cookie, "")):
            return _refused("Open the address that `rise-bench review` printed; it holds the token.")
        return None

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _refused(reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status_code=403)
