"""What `rise_bench` offers a newcomer."""

import pytest

import rise_bench


@pytest.mark.parametrize("name", rise_bench.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(rise_bench, name)
    assert name == "__version__" or (value.__module__.startswith("rise_bench.") and value.__doc__)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'score'"):
        rise_bench.score  # noqa: B018
