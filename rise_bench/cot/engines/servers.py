"""Servers of datatrove whose requests are those of this project's endpoints.

datatrove starts a server, watches it and stops it. The request itself, with its retries, time limits and key,
and the reading of the reply are `ChatServers`, so that both engines treat a server alike.
"""

import asyncio
import json
from typing import Any

from datatrove.pipeline.inference.servers import InferenceServer, SGLangServer, VLLMServer
from datatrove.pipeline.inference.types import ServerError

from rise_bench.cot.engines.generate_sampler import REFUSED
from rise_bench.cot.engines.settings import Server
from rise_bench.errors import RiseError
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.openai_endpoint import ChatServers
from rise_bench.models.sampler import SampleError, TokenCount


class _Requests(InferenceServer):
    """Requests of `ChatServers`, in the place of datatrove's own."""

    endpoints: EndpointSettings
    tokens: TokenCount
    _servers: ChatServers | None = None

    def connect(self, endpoints: EndpointSettings, tokens: TokenCount) -> None:
        """Say how to ask, and where to count tokens; the server need not be up yet."""
        self.endpoints, self.tokens = endpoints, tokens

    async def _make_request(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the texts of a request as JSON, or why it was refused."""
        try:
            if self._servers is None:
                self._servers = self._connected()
            text, reason = json.dumps(await self._servers.texts(payload)), "stop"
        except SampleError as error:
            text, reason = str(error), REFUSED
        except RiseError as error:
            raise ServerError(str(error)) from error
        return {"choices": [{"message": {"content": text}, "finish_reason": reason}], "usage": {}}

    async def server_cleanup(self) -> None:
        """Close the connections, and stop the server if this rank has started it."""
        if self._servers is not None:
            await self._servers.close()
            self._servers = None
        await super().server_cleanup()

    def _connected(self) -> ChatServers:
        settings = self.endpoints
        urls = settings.urls or (f"{self.get_base_url()}/v1",)
        servers = ChatServers(urls, api_key_env=settings.api_key_env, timeout_s=settings.timeout_s)
        servers.tokens = self.tokens
        return servers


class _Endpoint(_Requests):
    """Servers that run already."""

    async def start_server(self) -> None:
        """Start nothing."""

    async def monitor_health(self) -> None:
        """Wait forever: the requests report a server that is down."""
        await asyncio.Event().wait()

    async def is_ready(self) -> bool:
        """Return True: the first request tells."""
        return True


class _VLLM(_Requests, VLLMServer):
    """vLLM, started by datatrove."""


class _SGLang(_Requests, SGLangServer):
    """SGLang, started by datatrove."""


SERVERS: dict[Server, type[_Requests]] = {"endpoint": _Endpoint, "vllm": _VLLM, "sglang": _SGLang}
