"""Headless Chromium over its debugging pipe: enough to open a page, act on it and look at it."""

import base64
import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: Longest wait for an answer.
PATIENCE_S = 30
#: What Chromium says of a server that is gone.
_ENDED = re.compile(r"net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class PageGoneError(RuntimeError):
    """The page was left for another one while it was asked."""


class Browser:
    """A tab. Commands go to file descriptor 3 of Chromium, answers and events come from its 4."""

    def __init__(self, process: subprocess.Popen[bytes], write_fd: int, read_fd: int) -> None:
        self.process, self._write, self._read = process, write_fd, read_fd
        self._buffer, self._number, self.events, self._session = b"", 0, [], None
        self._session = self._attach()

    def _attach(self) -> str:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self._session

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    gone = any(word in str(answer["error"]) for word in ("navigated", "context"))
                    raise (PageGoneError if gone else RuntimeError)(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)
            if answer.get("method") == "Page.javascriptDialogOpening":  # nothing goes on while one is open
                accept = {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                os.write(self._write, json.dumps(accept | {"sessionId": self._session}).encode() + b"\0")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], PATIENCE_S)[0]:
                raise TimeoutError(f"Chromium was silent for {PATIENCE_S} s")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise RuntimeError("Chromium went away")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self.events.clear()
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its value."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self._holds(expression):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def _holds(self, expression: str) -> bool:
        try:
            return bool(self.run(f"Boolean({expression})"))
        except PageGoneError:
            return False

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        codes = {
            "Enter": 13,
            "Tab": 9,
            "Escape": 27,
            "ArrowLeft": 37,
            "ArrowRight": 39,
            "Delete": 46,
            ".": 190,
        }
        common = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a place of the window."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            held = {"button": "left", "buttons": int(kind == "mousePressed"), "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)
            time.sleep(0.1)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at a place of the window, move it and release it at another."""
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        steps = [("mousePressed", start), *(("mouseMoved", place) for place in (middle, end, end))]
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=start[0], y=start[1])
        for kind, (x, y) in [*steps, ("mouseReleased", end)]:
            held = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)
            time.sleep(0.1)  # what is let go at once is a click to many a page

    def new_tab(self) -> str:
        """Open another tab of the same browser, turn to it, and return the name of the one before."""
        before, self._session = self._session, None
        self._session = self._attach()
        return before

    def turn_to(self, tab: str) -> str:
        """Turn to a tab and return the name of the one before."""
        before, self._session = self._session, tab
        self.send("Page.bringToFront")
        return before

    def close_tab(self, tab: str) -> None:
        """Close a tab that is not the present one."""
        present = self.turn_to(tab)
        self.send("Page.close")
        self.turn_to(present)

    def screen(self, width: int, height: int, *, dark: bool = False, media: str = "") -> None:
        """Set the size of the window, the colour scheme and the medium."""
        phone = width < 500
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen, or the whole page, as PNG."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Errors, refused resources and dialogs since the page was opened.

        A page may ask for the next picture while the server of its test ends; that is no error of the page.
        """
        self.run("1")
        found = []
        for event in (event for event in self.events if "method" in event):
            params = event.get("params", {})
            if event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                if not _ENDED.search(params["entry"]["text"]):
                    found.append(params["entry"]["text"])
            elif event["method"] == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                said = details.get("exception", {}).get("description", "")
                where = f"{details.get('url', '')}:{details.get('lineNumber', '')}"
                found.append(f"{details.get('text', 'exception')} {said} {where}")
            elif event["method"] == "Page.javascriptDialogOpening":
                found.append(f"dialog: {params['message']}")
        return found

    def bytes_received(self) -> int:
        """Bytes of bodies and headers that the network gave since the page was opened."""
        self.run("1")
        finished = [e for e in self.events if e.get("method") == "Network.loadingFinished"]
        return int(sum(event["params"]["encodedDataLength"] for event in finished))


@contextlib.contextmanager
def launch(chromium: str) -> Iterator[Browser]:
    """Start Chromium with a profile of its own; it ends with the block."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [
            "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--proxy-server=direct://",
            "--force-color-profile=srgb", *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]  # fmt: skip

        def wire() -> None:
            # Out of the way first: an end of a pipe may itself be 3 or 4.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, from_write)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        process = subprocess.Popen(
            [chromium, *flags],
            preexec_fn=wire,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        try:
            yield Browser(process, to_write, from_read)
        finally:
            process.kill()
            process.wait()
            os.close(to_write)
            os.close(from_read)


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium: install the package chromium")
    with launch(chromium) as browser:
        yield browser


@pytest.fixture
def browser(running: Browser) -> Iterator[Browser]:
    """The browser at desk size; a test that left an error, a refused resource or a dialog fails."""
    running.screen(1280, 900)
    running.events.clear()
    yield running
    complaints = running.complaints()
    assert not complaints, complaints
