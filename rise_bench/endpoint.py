"""Sampling from OpenAI-compatible endpoints: vLLM servers, hosted models, a teacher.

Any number of endpoints share the work; requests go to them in turn. What may pass (a full queue, a restart)
is tried again with growing pauses, what cannot (a wrong key, no such model) stops the program, and what
concerns one sample (a prompt that is refused) fails that sample only.
"""

import base64
import io
import itertools
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from rise_bench.errors import PrerequisiteError
from rise_bench.image_files import decode_rgb, is_plain, open_image
from rise_bench.sampling import Prompt, SampleError, Sampling

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_REFUSED = {400, 413, 422}
_PLAIN_FORMATS = {"JPEG", "PNG", "WEBP", "GIF"}


class Endpoints:
    """Chat-completion servers that serve one model."""

    batch_rows = 1

    def __init__(
        self,
        urls: Sequence[str],
        model: str,
        *,
        sampling: Sampling | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        tries: int = 6,
        timeout_s: float = 600.0,
        pause_s: float = 1.0,
    ) -> None:
        """Name the servers; nothing is sent yet.

        Args:
            urls: Base URLs, with the version, e.g. `http://10.0.0.5:8000/v1`.
            model: Model name that the servers know.
            sampling: How tokens are drawn.
            api_key_env: Environment variable with the key; unset sends none.
            concurrency: Requests in flight over all servers.
            tries: How often a request is sent before its failure counts.
            timeout_s: Seconds to wait for an answer.
            pause_s: Seconds before the second try, doubled for each further one.
        """
        self.workers = concurrency
        self._urls = [url.rstrip("/") + "/chat/completions" for url in urls]
        self._next = itertools.cycle(range(len(self._urls)))
        self._lock = threading.Lock()
        self._model = model
        self._sampling = sampling or Sampling()
        self._key = os.environ.get(api_key_env, "")
        self._tries, self._timeout_s, self._pause_s = tries, timeout_s, pause_s

    def describe(self) -> dict[str, Any]:
        """Model and sampling settings; where it runs does not matter."""
        sampling = self._sampling
        return {"model": self._model, "temperature": sampling.temperature, "top_p": sampling.top_p}

    def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> list[list[str]]:
        """Draw `n` texts for each prompt; a server that gives fewer at a time is asked again."""
        return [self._texts(prompt, n, max_tokens) for prompt in prompts]

    def _texts(self, prompt: Prompt, n: int, max_tokens: int) -> list[str]:
        content = [
            {"type": "image_url", "image_url": {"url": data_url(prompt.image)}},
            {"type": "text", "text": prompt.text},
        ]
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": max_tokens,
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
        }
        texts: list[str] = []
        while len(texts) < n:
            choices = self._post(body | {"n": n - len(texts)}).get("choices") or []
            if not choices:
                raise SampleError(f"{self._model} answered without choices; ask for fewer samples")
            texts += [choice["message"].get("content") or "" for choice in choices]
        return texts[:n]

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        for attempt in range(self._tries):
            with self._lock:
                url = self._urls[next(self._next)]
            request = urllib.request.Request(url, data, headers)
            try:
                with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                    answer: dict[str, Any] = json.load(response)
                    return answer
            except urllib.error.HTTPError as error:
                reason = f"{error.code} {error.read(300).decode(errors='replace')}".strip()
                if error.code in _REFUSED:
                    raise SampleError(f"{url} refused a sample: {reason}") from error
                if error.code not in _PASSING:
                    raise PrerequisiteError(f"{url} answered {reason}. {_advice(error.code)}") from error
            except (OSError, ValueError) as error:
                reason = repr(error)
            if attempt + 1 < self._tries:
                time.sleep(self._pause_s * 2**attempt * random.uniform(0.8, 1.2))
        raise PrerequisiteError(
            f"{url} failed {self._tries} times, last with {reason}. See whether the server runs, then start "
            "the same command again: it goes on where it stopped."
        )


def data_url(image: bytes) -> str:
    """An image file as a data URL; bytes pass untouched unless servers may not show them upright."""
    with open_image(image, "the image") as opened:
        kind = opened.format or ""
        plain = kind in _PLAIN_FORMATS and is_plain(opened)
    if not plain:
        buffer = io.BytesIO()
        decode_rgb(image).save(buffer, "PNG")
        image, kind = buffer.getvalue(), "PNG"
    return f"data:image/{kind.lower()};base64,{base64.b64encode(image).decode()}"


def _advice(code: int) -> str:
    if code in (401, 403):
        return "Check the API key and --api-key-env."
    return "Check --endpoint (with its /v1) and --model."
