"""Interface of samplers: local models and endpoints."""

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from rise_bench.errors import RiseError

Result = TypeVar("Result")

#: Texts by prompt.
Texts = list[list[str]]


class SampleError(RiseError):
    """The model refuses this sample (too long, too large, against a policy); others may still work."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """User message: the bytes of image files, in order, then a text."""

    images: tuple[bytes, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling settings."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    @property
    def shaping(self) -> dict[str, float]:
        """Parameters, switched off, that vLLM and SGLang take from the checkpoint if none are stated."""
        drawing = {"top_k": -1, "min_p": 0.0} if self.temperature > 0 else {}
        return {**drawing, "repetition_penalty": 1.0}


@dataclass(slots=True)
class TokenCount:
    """Tokens that a sampler has read and written since it was made.

    Attributes:
        prompt: Tokens of the prompts, images included.
        completion: Tokens of the texts that were drawn.
        uncounted: Requests whose reply did not say how many tokens they took.
    """

    prompt: int = 0
    completion: int = 0
    uncounted: int = 0


class Sampler(Protocol):
    """Model that draws texts.

    Attributes:
        workers: Number of calls at a time, see `rise_bench.models.calls.in_parallel`.
        batch_rows: Prompts per call.
        tokens: Tokens read and written so far.
    """

    workers: int
    batch_rows: int
    tokens: TokenCount

    def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> Texts:
        """Draw `n` texts for each prompt.

        Raises:
            SampleError: The model refuses one of the prompts.
            PrerequisiteError: The model cannot be reached or used at all.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return model and sampling settings for the provenance of texts."""
        ...

    def close(self) -> None:
        """Free the model; running calls of `sample` end with an error."""
        ...


def may_think_first(sampler: Any) -> bool:
    """Whether the model may think before it replies: any on a server, one whose chat template opens this."""
    return bool(getattr(sampler, "may_think_first", False))


class AsyncSampler(Protocol):
    """Sampler as coroutines see it."""

    async def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> Texts:
        """Draw `n` texts for each prompt; errors as `Sampler.sample`."""
        ...


@runtime_checkable
class ConcurrentSampler(Sampler, Protocol):
    """Sampler that waits for many calls at a time in an event loop of its own."""

    def start(self, call: Callable[[AsyncSampler], Coroutine[Any, Any, Result]]) -> Future[Result]:
        """Start a call as soon as fewer than `workers` run."""
        ...
