"""Queues to review: boxes and distributions on drawn pictures, with texts of somebody hostile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from PIL import Image, ImageDraw

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.curation.queue import QueueHeader, ReviewItem, write_queue
from rise_bench.curation.review.app import make_app
from rise_bench.curation.review.session import Review

TOKEN, COOKIE = "right-token", "cookie"
HOSTILE = "<img src=x onerror=alert(1)>"
COT = "</p><script>alert(2)</script> The light is <b>warm</b>."
CLASSES = ("calm", HOSTILE, "tense")
WIDTH, HEIGHT = 200, 150

MakeQueue = Callable[..., Path]


def draw_picture(path: Path) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT), "#88a")
    ImageDraw.Draw(image).rectangle((20, 30, 80, 90), fill="#c60")
    image.save(path)


def boxes(shift: float = 0.0) -> Boxes:
    return Boxes(((20.25 + shift, 30.0, 60.0, 60.0), (120.5, 20.0, 40.0, 50.0)))


def shares(*probs: float) -> Distribution:
    return Distribution(CLASSES, probs)


def write(
    folder: Path, kind: str, annotations: list[tuple[Annotation | None, Annotation | None]], **header: object
) -> Path:
    """A queue of items 000, 001, ... with (given, suggested)."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    draw_picture(pictures / "a.png")
    items = [
        ReviewItem(
            f"{number:03}", WIDTH, HEIGHT, "a.png", "What is it?", "", given, suggested, COT,
            {"suspicion": 1 - number / 10_000}, (f"It looks wrong {HOSTILE}.",),
        )
        for number, (given, suggested) in enumerate(annotations)
    ]  # fmt: skip
    write_queue(folder, QueueHeader("A <b>queue", "audit", kind, pictures=str(pictures), **header), items)
    return folder


@pytest.fixture
def boxes_folder(tmp_path: Path) -> Path:
    outside = Boxes(((180.0, 10.0, 60.0, 20.0),))
    pairs = [(boxes(), boxes(5)), (boxes(), outside), (None, boxes()), (boxes(), None), (boxes(), boxes(9))]
    return write(tmp_path / "boxes", "boxes", pairs)


@pytest.fixture
def shares_folder(tmp_path: Path) -> Path:
    pairs = [(shares(1.0, 0.0, 0.0), shares(0.25, 0.5, 0.25)), (shares(0.0, 0.5, 0.5), shares(0.2, 0.2, 0.2))]
    return write(tmp_path / "shares", "distribution", pairs, classes=CLASSES)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The page of a folder on a real server in a thread; gives the address with its token."""
    config = uvicorn.Config(
        make_app(Review(folder), token=TOKEN, cookie=COOKIE), port=0, lifespan="off", log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    (listener,) = server.servers[0].sockets
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/?token={TOKEN}"
    finally:
        server.should_exit = True
        thread.join(10)
