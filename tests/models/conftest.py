"""Fixtures of the model tests."""

from ..support.tiny_models import family, grid_family, tiny  # noqa: F401  (fixtures)
