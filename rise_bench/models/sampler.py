"""What it takes to sample text from a model: the interface that local models and endpoints share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rise_bench.errors import RiseError


class SampleError(RiseError):
    """The model refuses this sample (too long, too large, against a policy); the others may still work."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One user message: an image, as the bytes of its file, and a text after it."""

    image: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0


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
    """A model that can be sampled from.

    Attributes:
        workers: Calls of `sample` that may run at a time.
        batch_rows: Prompts that one call should hold.
        tokens: What was read and written so far.
    """

    workers: int
    batch_rows: int
    tokens: TokenCount

    def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> list[list[str]]:
        """Draw `n` texts for each prompt.

        Raises:
            SampleError: The model refuses one of the prompts.
            PrerequisiteError: The model cannot be reached or used at all.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Model and sampling settings for the provenance of what was sampled."""
        ...

    def close(self) -> None:
        """Free what the model holds; calls of `sample` that still run end with an error."""
        ...
