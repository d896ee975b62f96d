"""Models by their settings, loaded when they are needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rise_bench.models.adapters import is_adapter
from rise_bench.models.families import PictureLimits
from rise_bench.models.names import checked_model, local_model
from rise_bench.models.sampler import Sampler, Sampling

if TYPE_CHECKING:
    from rise_bench.models.openai_endpoint import ChatModel


def load_local(
    name: str, revision: str, sampling: Sampling, limits: PictureLimits, batch_rows: int
) -> Callable[[], Sampler]:
    """Return what loads a model on this machine."""

    def load() -> Sampler:
        from rise_bench.models.local import LocalModel

        return LocalModel(
            name,
            revision=revision,
            sampling=sampling,
            max_pixels=limits.max_pixels,
            min_pixels=limits.min_pixels,
            batch_rows=batch_rows,
        )

    return load


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Servers of a model; called, it connects to them.

    Attributes:
        urls: Base URLs with their version; none if an engine starts the servers.
        model: Name of the model on the servers.
        sampling: Sampling settings.
        api_key_env: Environment variable of the key.
        concurrency: Requests in flight.
        timeout_s: Seconds for a reply.
    """

    urls: tuple[str, ...]
    model: str
    sampling: Sampling
    api_key_env: str
    concurrency: int
    timeout_s: float

    @property
    def chat_model(self) -> "ChatModel":
        """The model, without its servers."""
        from rise_bench.models.openai_endpoint import ChatModel

        return ChatModel(self.model, self.sampling)

    def __call__(self) -> Sampler:
        """Return the sampler."""
        from rise_bench.models.openai_endpoint import Endpoints

        return Endpoints(
            self.urls,
            self.model,
            sampling=self.sampling,
            concurrency=self.concurrency,
            api_key_env=self.api_key_env,
            timeout_s=self.timeout_s,
        )


def load_endpoints(
    urls: Sequence[str], model: str, sampling: Sampling, api_key_env: str, concurrency: int, timeout_s: float
) -> Callable[[], Sampler]:
    """Return what connects to servers of a model, an `EndpointSettings`.

    Without URLs an engine starts the servers, from the folder of a local model or of a run's last phase; an
    adapter is merged first.
    """
    if not urls and (folder := Path(local_model(model))).is_dir():
        model = str(checked_model(str(folder)).folder if is_adapter(folder) else folder)
    return EndpointSettings(tuple(urls), model, sampling, api_key_env, concurrency, timeout_s)
