"""An extra that is missing is named together with the command that installs it."""

from importlib import metadata

import pytest

from rise_bench.catalog import extras
from rise_bench.errors import PrerequisiteError


def _hide(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    real = metadata.distribution

    def distribution(name: str) -> metadata.Distribution:
        if name in hidden:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(extras.metadata, "distribution", distribution)


@pytest.mark.parametrize("extra", ["eval", "train"])
def test_installed_extra_passes(extra: str) -> None:
    extras.require_extra(extra)


def test_missing_package_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _hide(monkeypatch, "trl")
    with pytest.raises(PrerequisiteError, match=r'^trl must .* pip install "rise-bench\[train\]"$'):
        extras.require_extra("train")


def test_an_extra_made_of_extras_looks_into_them(monkeypatch: pytest.MonkeyPatch) -> None:
    _hide(monkeypatch, "trl", "lmms-eval")
    with pytest.raises(PrerequisiteError, match="^lmms-eval, trl must"):
        extras.require_extra("all")


def test_core_dependencies_belong_to_no_extra() -> None:
    assert "numpy" not in extras.packages_of("eval")
    assert {"lmms-eval", "torch"} <= set(extras.packages_of("eval"))


def test_platform_without_the_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "packages_of", lambda extra: ())
    with pytest.raises(PrerequisiteError, match="does not exist for"):
        extras.require_extra("vllm")


def test_unknown_extra_is_a_bug_of_ours() -> None:
    with pytest.raises(ValueError, match="no extra 'evil'; it has .*eval"):
        extras.require_extra("evil")
