"""The server of a review, on this machine alone, until Ctrl-C."""

import contextlib
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from rise_bench.curation.review.app import make_app
from rise_bench.curation.review.session import Review
from rise_bench.errors import ConfigError, of_os_error
from rise_bench.files.locks import locked_folder

_HOST = "127.0.0.1"


@contextlib.contextmanager
def sole_reviewer(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no other server writes its decisions.

    Raises:
        ConfigError: If another server holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(folder, folder))
        except ConfigError:
            raise ConfigError(
                f"{folder} is open in another `rise-bench review`; use its page, or stop it with Ctrl-C"
            ) from None
        yield


def serve(
    review: Review, *, port: int = 0, browser: bool = True, started: Callable[[str], None] = print
) -> None:
    """Serve the page of a review until Ctrl-C.

    Args:
        review: The review.
        port: Port on loopback; any free one if 0.
        browser: Open the page in the browser.
        started: Called with the address once it can be opened.

    Raises:
        ConfigError: If the port is taken.
    """
    token = secrets.token_urlsafe(32)
    with contextlib.closing(_listen(port)) as listener:
        port = listener.getsockname()[1]
        app = make_app(review, token=token, cookie=f"rise-bench-review-{port}-{secrets.token_hex(4)}")
        config = uvicorn.Config(
            app,
            access_log=False,
            date_header=False,
            http="h11",
            lifespan="off",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        address = f"http://{_HOST}:{port}/?token={token}"
        started(address)
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if port:
            raise ConfigError(
                f"port {port} cannot be opened ({error.strerror}); choose another --port"
            ) from error
        raise of_os_error(error) from error
    return listener
