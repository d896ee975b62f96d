"""A model that an audit asks: a checkpoint, a training run, or endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat, Style
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.curation.annotate.model_choice import answer_format_of
from rise_bench.models.families import PictureLimits
from rise_bench.models.loading import load_endpoints, load_local
from rise_bench.models.names import weights_of
from rise_bench.models.sampler import Sampler, Sampling
from rise_bench.models.trained_model import final_model, run_of


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model and how it is asked.

    Attributes:
        name: Checkpoint (Hub id, folder, or name of a model that ships), or name that the endpoints know.
        answer_format: Form of its answers.
        endpoints: Base URLs; none for a local model.
        api_key_env: Environment variable with the key of the endpoints.
        limits: Limits of the pictures of a local model.
        batch_rows: Rows per batch of a local model.
        concurrency: Requests in flight.
        timeout_s: Seconds for a reply of an endpoint.
    """

    name: str
    answer_format: AnswerFormat = DEFAULT_FORMAT
    endpoints: tuple[str, ...] = ()
    api_key_env: str = "OPENAI_API_KEY"
    limits: PictureLimits = field(default_factory=PictureLimits)
    batch_rows: int = 4
    concurrency: int = 16
    timeout_s: float = 600.0

    def to_json(self) -> dict[str, Any]:
        """Return what decides its answers."""
        weights = {} if self.endpoints else weights_of(self.name) | self.limits.to_record()
        return (
            {"model": self.name, "endpoints": bool(self.endpoints)} | weights | self.answer_format.to_json()
        )

    def open(self, sampling: Sampling) -> Sampler:
        """Load the model, or name the servers."""
        if self.endpoints:
            load = load_endpoints(
                self.endpoints, self.name, sampling, self.api_key_env, self.concurrency, self.timeout_s
            )
        else:
            load = load_local(self.name, "", sampling, self.limits, self.batch_rows)
        return load()


def asked_model(
    name: str,
    endpoints: Sequence[str] = (),
    *,
    style: Style | None = None,
    unit: BoxUnit | None = None,
    max_pixels: int | None = None,
    **settings: Any,
) -> AskedModel:
    """Return a model; what is not said of a training run is read from its recipe.

    Args:
        name: Folder of a training run, Hub id, folder of a checkpoint, or name that the endpoints know.
        endpoints: Base URLs; none for a local model.
        style: Form of its answers; that of the run's stage, else with a chain of thought.
        unit: Unit of boxes; that of the run, else of the model's family.
        max_pixels: Largest image of a local model.
        settings: Further attributes of `AskedModel`.

    Raises:
        ConfigError: The folder is a run that is not finished, or there is no such model.
    """
    run = None if endpoints else run_of(Path(name))
    if run is not None and Path(name) == run:
        name = str(final_model(run))
    answer_format, limits = answer_format_of(name, "", bool(endpoints), unit, max_pixels)
    if style is not None:
        answer_format = replace(answer_format, style=style)
    return AskedModel(name, answer_format, tuple(endpoints), limits=limits, **settings)


def sampling_of(samples: int, seed: int) -> Sampling:
    """Return how answers are drawn: the likeliest one, or several at temperature 1."""
    return Sampling(0.0 if samples == 1 else 1.0, 1.0, seed)
