"""The plan of a study, which decides whether its results may decide registered claims."""

from pydantic.dataclasses import dataclass as checked_dataclass


@checked_dataclass(frozen=True, slots=True, config={"extra": "forbid"})
class StudyPlan:
    """Properties that a study needs so that its results may decide a claim.

    Attributes:
        steps: Optimiser steps, of each phase with the paper's budget.
        train: Training pictures that are drawn.
        test: Test pictures.
        scale: Scale of the recipes.
        base: Model that all methods start from; empty for the one that ships.
        settings: Settings of every training.
        tuned: Whether learning rates were chosen on validation pictures.
    """

    steps: int
    train: int
    test: int
    scale: str = "world"
    base: str = ""
    settings: tuple[str, ...] = ()
    tuned: bool = False
