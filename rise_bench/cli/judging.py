"""The judge of groundedness that a command names by its options."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from rise_bench.cot.grounding import Judging

JudgeSwaps = Annotated[
    int, typer.Option(min=1, help="Number of other images that a text is compared on, at most.")
]
JudgeBatch = Annotated[int, typer.Option(min=1, help="Texts per forward pass.")]


def judging_of(name: str, revision: str, shown: dict[str, int], swaps: int, floor: float | None) -> "Judging":
    """Return how a model on this machine judges groundedness.

    Raises:
        ConfigError: It cannot be loaded.
    """
    from rise_bench.cot.grounding import Judging
    from rise_bench.models.families import supported_model

    try:
        supported_model(name, revision, weights=False)
    except ConfigError as error:
        raise ConfigError(f"{error}. Name another judge by --judge, or --judge none") from error

    def load() -> Any:
        from rise_bench.catalog.extras import require_extra

        require_extra("train")
        from rise_bench.models.groundedness_judge import FrozenJudge

        return FrozenJudge(name, revision=revision, **shown)

    return Judging(f"{name}@{revision}" if revision else name, load, swaps, min_groundedness=floor)
