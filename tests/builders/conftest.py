"""Pictures of a user who builds a benchmark of them."""

from pathlib import Path

import pytest

from ..support.made_sources import write_photo


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of four pictures."""
    for i in range(4):
        write_photo(tmp_path / "source" / f"{i}.jpg", i, (64, 48))
    return tmp_path / "source"
