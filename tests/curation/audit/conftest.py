"""A drawn dataset and its oracle in the place of every model."""

import pytest

from rise_bench.curation.audit.model import AskedModel

from ...support.drawn_data import write_drawn
from .oracle import Oracle


@pytest.fixture(scope="session")
def kinds_24(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("audit") / "kinds", "kinds", train=20, test=4)


@pytest.fixture
def oracle(kinds_24, monkeypatch):
    """A model that knows the labels that `kinds_24` has."""
    made = Oracle.of(kinds_24)
    monkeypatch.setattr(AskedModel, "open", lambda model, sampling: made)
    return made
