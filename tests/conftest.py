"""What every test shares: an offline, isolated environment, and the folder of real data, if any."""

import ast
import atexit
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# A shell starts what it runs in the background with Ctrl-C ignored, and the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set before anything imports datasets, huggingface_hub or torch: they read these once, at import.
_HOME = Path(tempfile.mkdtemp(prefix="rise-bench-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
#: A loopback port that the tests of the Hub listen on; for all others "the Hub" refuses connections, so that
#: no test can reach the real one.
HUB_LISTENER = socket.socket()
HUB_LISTENER.bind(("127.0.0.1", 0))
os.environ.update(
    HF_DATASETS_OFFLINE="1",
    HF_ENDPOINT="http://{}:{}".format(*HUB_LISTENER.getsockname()),
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_OFFLINE="1",
    HF_UPDATE_DOWNLOAD_COUNTS="0",
    TRANSFORMERS_OFFLINE="1",
    WANDB_MODE="disabled",
    NO_PROXY="127.0.0.1,localhost",
    TOKENIZERS_PARALLELISM="false",
    XDG_CACHE_HOME=str(_HOME / "cache"),
    HF_HOME=str(_HOME / "huggingface"),
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
for _name in (
    *("RISE_BENCH_DATA", "RISE_BENCH_ORG", "HF_TOKEN", "HF_DATASETS_CACHE"),
    *("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS", "COLUMNS"),  # typer and rich colour and fold by them
):
    os.environ.pop(_name, None)

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from rise_bench.errors import redaction  # noqa: E402

from .support.minihub import Minihub, serve  # noqa: E402
from .support.slurm import Slurm, cluster  # noqa: E402
from .support.stand_in_lmms import StandIn  # noqa: E402

#: Scripts that tests run in processes of their own.
collect_ignore_glob = ["support/*"]


def _parse_uncollected(
    *arguments: Any, _parse: Callable[..., ast.AST] = ast.parse, **options: Any
) -> ast.AST:
    """Parse without a garbage collection meanwhile.

    Python 3.11 cannot go on parsing after the traceback of an error in a finalizer was formatted, as pytest
    does (python/cpython#106905): garbage of one test made another fail.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return _parse(*arguments, **options)
    finally:
        if enabled:
            gc.enable()


ast.parse = _parse_uncollected

#: The checkout under test.
ROOT = Path(__file__).parents[1]

settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process remembers keys: "stated", the key of one test, is a colour in the pages of another."""
    monkeypatch.setattr(redaction, "_remembered", set())


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test has a cache folder of its own, for models that are merged."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def hub_listener() -> socket.socket:
    """The socket, bound and not listening, at the address that HF_ENDPOINT names."""
    return HUB_LISTENER


@pytest.fixture(scope="session")
def hub_server(hub_listener: socket.socket) -> Iterator[Minihub]:
    """One server for all: two on one socket would each take some of the requests."""
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
    monkeypatch.setattr("rise_bench.hub.push.FIRST_WAIT_S", 0.01)
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
    sign_in("hf_alice")
    return minihub


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A light program in the place of lmms-eval."""
    folder = tmp_path_factory.mktemp("stand_in")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return StandIn(folder)


@pytest.fixture(scope="session")
def _slurm() -> Iterator[Slurm]:
    with cluster() as running:
        yield running


@pytest.fixture
def slurm(_slurm: Slurm) -> Slurm:
    """A Slurm with two nodes on this machine, both up; skipped where it is not installed."""
    _slurm.both_up()
    return _slurm


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files (COCO, Emotion6 labels, ReasonSeg, ImageNet) that may not be shipped with the project.

    Found at $RISE_BENCH_TEST_DATA, else at ../shared/data beside the checkout; where there is neither, the
    tests that ask for it are skipped.
    """
    named = os.environ.get("RISE_BENCH_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    if named:
        pytest.fail(f"RISE_BENCH_TEST_DATA={named} is not a folder; unset it or point it at the real data")
    pytest.skip(f"no real data: {folder} is absent and RISE_BENCH_TEST_DATA is not set")


#: Folders whose files take longest; they are started first, so that no worker waits for another at the end.
_LONGEST_FIRST = ("e2e", "trainers", "repository", "engines", "data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of some folders first."""

    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)

    items.sort(key=place)


#: Modules that were loaded when `gc.freeze` was called last.
_frozen = {"modules": 0}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Leave imported libraries out of garbage collections, which took a third of a tiny training."""
    if len(sys.modules) - _frozen["modules"] > 200:
        _frozen["modules"] = len(sys.modules)
        gc.collect()
        gc.freeze()
