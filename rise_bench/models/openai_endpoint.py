"""Sampler of OpenAI-compatible endpoints: vLLM servers, hosted models, a teacher.

Requests go to any number of endpoints in turn. Temporary failures (a full queue, a restart) are retried with
growing pauses, permanent failures (a wrong key, an unknown model) stop the program, and failures of a sample
(a refused prompt, an invalid reply) skip that sample.
"""

import asyncio
import itertools
import json
import logging
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rise_bench.catalog.extras import require_extra
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.errors.redaction import remember_secret
from rise_bench.models.chat_reply import read_reply
from rise_bench.models.data_urls import sent_url
from rise_bench.models.endpoint_failure import EndpointError, failure_of
from rise_bench.models.equal_texts import EqualTexts
from rise_bench.models.loop_thread import LoopThread
from rise_bench.models.request_form import SHAPING, in_form, refused_parameters
from rise_bench.models.sampler import AsyncSampler, Prompt, Result, Sampling, Texts, TokenCount
from rise_bench.scoring.response_text import response_text

if TYPE_CHECKING:
    from rise_bench.models.bounded_http import BoundedClient

_log = logging.getLogger(__name__)

_DEFAULT_KEY = "OPENAI_API_KEY"
_NAME_WAIT_S = 30.0
#: Host that refuses the parameters of `SHAPING`, and whose models have no generation_config.json.
_OPENAI = re.compile(r"(.+\.)?api\.openai\.com")
_VISIBLE_ASCII = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class ChatModel:
    """Served model: its name, and how texts are sampled."""

    name: str
    sampling: Sampling

    def describe(self) -> dict[str, Any]:
        """Return model and sampling settings, without the servers."""
        sampling = self.sampling
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, **sampling.shaping}
        return {"model": self.name, **drawn}

    async def bodies(self, prompts: Iterable[Prompt], n: int, max_tokens: int) -> list[dict[str, Any]]:
        """Return the request for `n` texts of each prompt; pictures are data URLs."""
        settings = self.describe() | {"model": response_text(self.name)}
        bodies = []
        for prompt in prompts:
            content: list[dict[str, Any]] = [
                {"type": "image_url", "image_url": {"url": await sent_url(image)}} for image in prompt.images
            ]
            content.append({"type": "text", "text": response_text(prompt.text)})
            message = {"role": "user", "content": content}
            bodies.append(settings | {"messages": [message], "max_tokens": max_tokens, "n": n})
        return bodies


class ChatServers:
    """Chat-completion servers; all requests of an instance belong to one event loop."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        api_key_env: str = _DEFAULT_KEY,
        tries: int = 6,
        timeout_s: float = 600.0,
        pause_s: float = 1.0,
        max_reply_bytes: int = 16 << 20,
    ) -> None:
        """Prepare the clients; nothing is sent yet.

        Args:
            urls: Base URLs, with the version, e.g. `http://10.0.0.5:8000/v1`.
            api_key_env: Environment variable of the key; no key is sent if it is unset.
            tries: Tries of a request; invalid or late replies are retried only once.
            timeout_s: Seconds from the request to the last byte of its reply.
            pause_s: Seconds before the second try, doubled for each further try; a longer Retry-After of a
                server is respected up to two minutes.
            max_reply_bytes: Largest reply.

        Raises:
            PrerequisiteError: The extra `endpoint` is not installed, or the key cannot be sent.
            ConfigError: A URL is invalid, or holds a password.
        """
        require_extra("endpoint")
        self.tokens = TokenCount()
        self._tries, self._timeout_s, self._pause_s = tries, timeout_s, pause_s
        key = _key_of(api_key_env)
        bases = [_checked(url) for url in urls]
        self._clients = [_client(url, key, max_reply_bytes) for url in bases]
        self._refused = {
            client: SHAPING if _OPENAI.fullmatch(urlsplit(url).hostname or "") else frozenset[str]()
            for client, url in zip(self._clients, bases, strict=True)
        }
        self._taken = dict.fromkeys(self._clients, frozenset[str]())
        self._equal = EqualTexts()
        self._turns = itertools.cycle(self._clients)

    async def texts(self, body: Mapping[str, Any]) -> list[str]:
        """Return the texts that a request asks for; a server that returns fewer is asked again.

        Raises:
            SampleError: The model refuses the request.
            EndpointError: The servers cannot be reached or used.
        """
        texts: list[str] = []
        while len(texts) < body["n"]:
            texts += await self._ask({**body, "n": body["n"] - len(texts)})
        texts = texts[: body["n"]]
        if body["temperature"] > 0:
            self._equal.note(texts)
        return texts

    async def _ask(self, body: dict[str, Any]) -> list[str]:
        """Return the texts of a request, with retries."""
        import orjson

        from rise_bench.models.bounded_http import StatusError

        seen: Counter[int] = Counter()
        again: tuple[BoundedClient, frozenset[str]] | None = None
        while True:
            client, refused = again or self._next()
            form, again = in_form(body, refused), None
            try:
                async with asyncio.timeout(self._timeout_s):
                    reply = await client.post("/chat/completions", orjson.dumps(form))
                texts = read_reply(reply, self.tokens)
                if left_out := sorted((refused - self._refused[client]) & SHAPING & body.keys()):
                    names = ", ".join(left_out)
                    _log.warning("%s refuses %s: it is asked without", client.base_url, names)
                self._refused[client] = refused
                self._taken[client] |= SHAPING & form.keys()
                return texts
            except Exception as error:
                if isinstance(error, StatusError) and error.status in (400, 422):
                    more = refused | refused_parameters(error.body, SHAPING - self._taken[client])
                    if in_form(body, more) != form:
                        again = client, more
                        continue
                failure = failure_of(error, self._timeout_s)
                seen[failure.tries] += 1
                if seen[failure.tries] >= failure.tries or seen.total() >= self._tries:
                    times = f" ({seen.total()} tries)" if seen.total() > 1 else ""
                    text = f"{client.base_url}/chat/completions {failure.text}{times}. {failure.advice}"
                    raise failure.error(text.rstrip()) from error
            pause_s = self._pause_s * 2 ** (seen.total() - 1) * random.uniform(0.8, 1.2)
            await asyncio.sleep(max(pause_s, failure.pause_s))

    def _next(self) -> "tuple[BoundedClient, frozenset[str]]":
        client = next(self._turns)
        return client, self._refused[client]

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.close()


class ServedModel:
    """Model on servers, for coroutines in the event loop of the servers."""

    may_think_first = True

    def __init__(self, servers: ChatServers, model: ChatModel) -> None:
        """Ask for a model on servers."""
        self._servers, self._model = servers, model

    async def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> Texts:
        """Draw `n` texts for each prompt; a server that returns fewer is asked again."""
        bodies = await self._model.bodies(prompts, n, max_tokens)
        return [await self._servers.texts(body) for body in bodies]


class Endpoints:
    """Sampler of chat-completion servers, in an event loop of its own."""

    batch_rows = 1
    may_think_first = True

    def __init__(
        self,
        urls: Sequence[str],
        model: str,
        *,
        sampling: Sampling | None = None,
        concurrency: int = 16,
        **options: Any,
    ) -> None:
        """Prepare the clients; nothing is sent yet.

        Args:
            urls: Base URLs, with the version.
            model: Model name on the servers.
            sampling: Sampling settings.
            concurrency: Requests in flight over all servers.
            options: Options of `ChatServers`.

        Raises:
            PrerequisiteError: The extra `endpoint` is not installed, or the key cannot be sent.
            ConfigError: A URL is invalid, or holds a password.
        """
        self._servers = ChatServers(urls, **options)
        self._model = ChatModel(model, sampling or Sampling())
        self._served = ServedModel(self._servers, self._model)
        self.workers = concurrency
        self.tokens = self._servers.tokens
        self._room = asyncio.Semaphore(concurrency)
        self._loop = LoopThread()

    def describe(self) -> dict[str, Any]:
        """Return model and sampling settings, without the servers."""
        return self._model.describe()

    def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> Texts:
        """Draw `n` texts for each prompt; a server that returns fewer is asked again."""
        future = self._loop.start(self._served.sample(prompts, n, max_tokens))
        try:
            return future.result()
        finally:
            future.cancel()  # of an interrupted call; without effect on a finished call

    def start(self, call: Callable[[AsyncSampler], Coroutine[Any, Any, Result]]) -> Future[Result]:
        """Start a call in the event loop as soon as fewer than `workers` run."""

        async def run() -> Result:
            async with self._room:
                return await call(self._served)

        return self._loop.start(run())

    def close(self) -> None:
        """Cancel the requests in flight and the calls that wait for them; a later call is an error."""
        self._loop.close(self._servers.close)


def served_model(url: str, api_key_env: str = _DEFAULT_KEY) -> str:
    """Ask a server for the name of the one model that it serves.

    Raises:
        EndpointError: The server does not say, or serves several.
    """
    require_extra("endpoint")
    key, address = _key_of(api_key_env), _checked(url)
    advice = f"Name the model: --endpoint {address} --model NAME."

    async def ask() -> bytes:
        client = _client(address, key, 1 << 20)
        try:
            async with asyncio.timeout(_NAME_WAIT_S):
                return await client.get("/models")
        finally:
            await client.close()

    loop = LoopThread()  # the caller may have a running loop, as notebooks do
    try:
        reply = loop.start(ask()).result()
    except Exception as error:
        raise EndpointError(f"{address}/models {failure_of(error, _NAME_WAIT_S).text}. {advice}") from error
    finally:
        loop.close()
    try:
        names = [str(model["id"]) for model in json.loads(reply)["data"]]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise EndpointError(f"{address}/models sent no list of models. {advice}") from error
    if len(names) != 1:
        raise EndpointError(f"{address} serves {len(names)} models: {', '.join(names)[:200]}. {advice}")
    return names[0]


def _client(url: str, key: str, max_reply_bytes: int) -> "BoundedClient":
    from rise_bench.models.bounded_http import BoundedClient

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        return BoundedClient(url, headers=headers, max_bytes=max_reply_bytes)
    except ValueError as error:
        raise EndpointError(f"cannot make a connection: {error}. Check the proxy variables.") from error


def _key_of(variable: str) -> str:
    key = os.environ.get(variable, "")
    if not key and variable != _DEFAULT_KEY:
        raise PrerequisiteError(
            "--api-key-env names no environment variable that is set. Give the variable's name, not the key."
        )
    remember_secret(key)
    if key and not _VISIBLE_ASCII.fullmatch(key):
        raise PrerequisiteError(
            f"the key in {variable} holds a blank, a line break, a control character, or one that is not "
            "ASCII. Set the variable again without it."
        )
    return key


def _checked(url: str) -> str:
    if "@" in url:
        raise ConfigError(
            "an --endpoint holds a user name or a password before its @. Leave that out; the key goes into "
            "an environment variable, see --api-key-env."
        )
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or not _VISIBLE_ASCII.fullmatch(url):
        raise ConfigError(f"{url!r} is no --endpoint. Give a base URL such as http://localhost:8000/v1.")
    return url.rstrip("/")
