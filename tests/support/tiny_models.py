"""Fixtures of tiny checkpoints, one of each model family; a conftest imports what its tests ask for."""

import pytest

from rise_bench.catalog.families import FAMILIES


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """`tiny(family)` is the folder of a tiny checkpoint."""
    from rise_bench.models.tiny import make_tiny_model

    folder = tmp_path_factory.mktemp("tiny")
    return lambda family="qwen2_vl": make_tiny_model(folder / family, family)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param
