"""A loopback Hub for the real clients, and datasets to send to it."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..minihub import Minihub, serve

ALICE, BOB, MALLORY = "hf_alice", "hf_bob", "hf_mallory"


@pytest.fixture(scope="session")
def hub_server(hub_listener: socket.socket) -> Iterator[Minihub]:
    with serve(hub_listener) as hub:
        yield hub


@pytest.fixture
def minihub(hub_server: Minihub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Minihub:
    """An empty Hub at HF_ENDPOINT, nobody signed in, empty caches; the clients' waits are cut short."""
    import datasets.config
    import huggingface_hub.constants
    from huggingface_hub.utils import _http

    hub_server.reset()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setattr(datasets.config, name, False)
    cache = tmp_path / "huggingface"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache / "datasets")
    monkeypatch.setattr("rise_bench.hub_push.FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return hub_server


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a token where the clients look for it."""
    return lambda token: monkeypatch.setenv("HF_TOKEN", token)


@pytest.fixture
def alice(minihub: Minihub, sign_in: Callable[[str], None]) -> Minihub:
    """The Hub, with alice signed in: she may write to `alice/`, `rise/` and `rise-bench/`."""
    sign_in(ALICE)
    return minihub
