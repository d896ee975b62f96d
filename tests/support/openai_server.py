"""An OpenAI-compatible server on loopback that knows every answer, and can die half-way.

The answer to a request is found by the picture in it, so it does not depend on the order of requests.
"""

import base64
import hashlib
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

#: Gets (hash of the picture, prompt), returns the text of the model.
Answer = Callable[[str, str], str]


def picture_key(image: Image.Image) -> str:
    """Hash of the pixels in RGB, whatever file format carried them."""
    rgb = image.convert("RGB")
    return hashlib.sha256(f"{rgb.size}".encode() + rgb.tobytes()).hexdigest()


@dataclass
class OpenAIServer:
    """What the server does, and what it was asked.

    Attributes:
        answer: The model; a `ValueError` refuses the request.
        dies_after: After so many answers it drops every connection without a reply; None never does.
        port: Where it listens.
        prompts: Prompts that were answered.
        answered: Number of requests that were answered.
        refused: Number of requests that were dropped.
    """

    answer: Answer
    dies_after: int | None = None
    port: int = 0
    prompts: list[str] = field(default_factory=list)
    answered: int = 0
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model_args(self) -> str:
        """`--model_args` of lmms-eval's `openai` model for this server: one try."""
        return f"model=canned,base_url={self.url},api_key=none,max_retries=1,num_concurrent=8"

    def admits(self) -> bool:
        """Decide whether a request is answered."""
        with self.lock:
            if self.dies_after is not None and self.answered >= self.dies_after:
                self.refused += 1
                return False
            self.answered += 1
            return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state = self.server.state
        if not state.admits():
            self.close_connection = True
            return
        key, prompt = _read(body["messages"])
        state.prompts.append(prompt)
        try:
            message = {"role": "assistant", "content": state.answer(key, prompt)}
        except ValueError as error:
            self._reply(400, {"error": str(error)})
            return
        choice = {"message": message, "finish_reason": "stop"}
        choices = [choice | {"index": index} for index in range(body.get("n") or 1)]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        about = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        self._reply(200, about | {"choices": choices, "usage": usage})

    def do_GET(self) -> None:
        self._reply(200, {"object": "list", "data": [{"id": "canned", "object": "model"}]})

    def _reply(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: OpenAIServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about connections of killed processes."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serve(state: OpenAIServer) -> Iterator[OpenAIServer]:
    """Run the server on a free port of loopback."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.state = state
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _read(messages: list[dict[str, object]]) -> tuple[str, str]:
    """Return (hash of the picture, prompt) of a chat request."""
    key, prompt = "", ""
    for message in messages:
        content = message["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for part in parts:
            if part["type"] == "image_url":
                data = base64.b64decode(part["image_url"]["url"].split(",", 1)[1])
                key = picture_key(Image.open(io.BytesIO(data)))
            elif part["type"] == "text":
                prompt += part["text"]
    return key, prompt
