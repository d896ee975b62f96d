"""Settings of results: the first difference is named; what earlier versions did not record is none."""

from pathlib import Path

import pytest

from rise_bench.errors import ConfigError
from rise_bench.files.settings_record import same_settings

SETTINGS = {"model": {"name": "final", "weights": "a1"}, "samples": 4}


def test_another_setting_is_named_and_new_ones_are_recorded_before_there_are_results(tmp_path: Path) -> None:
    same_settings(tmp_path, SETTINGS)
    same_settings(tmp_path, SETTINGS | {"samples": 8})
    (tmp_path / "rank00000.jsonl").touch()
    same_settings(tmp_path, SETTINGS | {"samples": 8})
    with pytest.raises(ConfigError, match=r"\(samples was 8, is 4\)"):
        same_settings(tmp_path, SETTINGS)


@pytest.mark.parametrize(("recorded", "problem"), [({"name": "final"}, ""), (SETTINGS["model"], "weights")])
def test_weights_differ_only_from_weights(tmp_path: Path, recorded: dict[str, str], problem: str) -> None:
    same_settings(tmp_path, SETTINGS | {"model": recorded})
    (tmp_path / "rank00000.jsonl").touch()
    trained_again = SETTINGS | {"model": {"name": "final", "weights": "b2"}}
    if not problem:
        same_settings(tmp_path, trained_again)
        return
    with pytest.raises(ConfigError, match=r'\(model\.weights was "a1", is "b2"\)'):
        same_settings(tmp_path, trained_again)
