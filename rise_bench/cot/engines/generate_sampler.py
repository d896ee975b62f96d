"""Sampler that asks through the `generate` function which datatrove gives to a rollout."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from rise_bench.models.openai_endpoint import ChatModel
from rise_bench.models.sampler import Prompt, SampleError, Texts

#: `finish_reason` of an answer that is the reason of a refusal.
REFUSED = "refused"


class Answer(Protocol):
    """Answer of datatrove."""

    text: str
    finish_reason: str


#: Sends a request, or finds the answer of an earlier start.
Generate = Callable[[Mapping[str, Any]], Awaitable[Answer]]


class GenerateSampler:
    """Asynchronous sampler of one rollout."""

    may_think_first = True

    def __init__(self, generate: Generate, model: ChatModel) -> None:
        """Prepare to ask."""
        self._generate, self._model = generate, model

    async def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> Texts:
        """Draw `n` texts for each prompt; all prompts are asked at once."""
        bodies = await self._model.bodies(prompts, n, max_tokens)
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
