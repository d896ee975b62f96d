"""Fixtures of the trainer tests: tiny checkpoints of the three families, made once a session."""

import os

import pytest

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """`tiny(family)` is the folder of a tiny checkpoint."""
    from rise_bench.tiny_model import make_tiny_model

    folder = tmp_path_factory.mktemp("tiny")
    return lambda family="qwen2_vl": make_tiny_model(folder / family, family)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param
