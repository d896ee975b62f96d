"""Models by their settings, loaded when they are needed."""

from collections.abc import Callable, Sequence

from rise_bench.models.sampler import Sampler, Sampling


def load_local(
    name: str, revision: str, sampling: Sampling, max_pixels: int, min_pixels: int, batch_rows: int
) -> Callable[[], Sampler]:
    """Return what loads a model on this machine."""

    def load() -> Sampler:
        from rise_bench.models.local import LocalModel

        return LocalModel(
            name,
            revision=revision,
            sampling=sampling,
            max_pixels=max_pixels,
            min_pixels=min_pixels,
            batch_rows=batch_rows,
        )

    return load


def load_endpoints(
    urls: Sequence[str], model: str, sampling: Sampling, api_key_env: str, concurrency: int, timeout_s: float
) -> Callable[[], Sampler]:
    """Return what connects to servers of a model."""

    def load() -> Sampler:
        from rise_bench.models.openai_endpoint import Endpoints

        return Endpoints(
            urls,
            model,
            sampling=sampling,
            api_key_env=api_key_env,
            concurrency=concurrency,
            timeout_s=timeout_s,
        )

    return load
