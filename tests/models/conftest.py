"""Fixtures of the model tests."""

from ..support.tiny_models import family, tiny  # noqa: F401  (fixtures)
