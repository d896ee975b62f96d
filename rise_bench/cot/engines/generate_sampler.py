"""Sampler that asks through the `generate` function which datatrove gives to a rollout."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from rise_bench.models.openai_endpoint import ChatModel
from rise_bench.models.sampler import Prompt, SampleError, TokenCount

#: `finish_reason` of an answer that is the reason of a refusal.
REFUSED = "refused"


class Answer(Protocol):
    """Answer of datatrove."""

    text: str
    finish_reason: str


#: Sends a request, or finds the answer of an earlier start.
Generate = Callable[[Mapping[str, Any]], Awaitable[Answer]]


class GenerateSampler:
    """Sampler for one rollout, which runs in a thread beside the event loop of `generate`."""

    workers, batch_rows = 1, 1

    def __init__(
        self, generate: Generate, loop: asyncio.AbstractEventLoop, model: ChatModel, tokens: TokenCount
    ) -> None:
        """Prepare to ask; `tokens` are counted elsewhere."""
        self._generate, self._loop, self._model = generate, loop, model
        self.tokens = tokens

    def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> list[list[str]]:
        """Draw `n` texts for each prompt; all prompts are asked at once."""
        bodies = list(self._model.bodies(prompts, n, max_tokens))
        return asyncio.run_coroutine_threadsafe(self._all(bodies), self._loop).result()

    async def _all(self, bodies: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        tasks = [asyncio.ensure_future(self._texts(body)) for body in bodies]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()  # of the others, when one is refused

    async def _texts(self, body: Mapping[str, Any]) -> list[str]:
        answer = await self._generate(body)
        if answer.finish_reason == REFUSED:
            raise SampleError(answer.text)
        texts: list[str] = json.loads(answer.text)
        return texts

    def describe(self) -> dict[str, Any]:
        """Return model and sampling settings."""
        return self._model.describe()

    def close(self) -> None:
        """Do nothing; the servers belong to the rank."""
