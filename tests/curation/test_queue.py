"""Queues and decisions: what is written is read back, and what is no queue is refused with the way on."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import label_problem
from rise_bench.curation.decisions import (
    Decision,
    read_decisions,
    write_decisions,
)
from rise_bench.curation.queue import ITEMS_NAME, QueueHeader, ReviewItem, ReviewQueue, write_queue
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_bytes

from ..support.drawn_data import write_drawn

HOSTILE = '</script>"\n\u2028,=1+1'
CLASSES = ("cat", HOSTILE)
BOXES = QueueHeader("Boxes", "annotate", "boxes")
GIVEN = Distribution(CLASSES, (0.25, 0.75))


def items():
    return [
        ReviewItem(HOSTILE, 64, 48, "a.png", "Which?", "", GIVEN, None, HOSTILE, {"s": 0.5}, (HOSTILE,)),
        ReviewItem("b", 64, 48, "../outside.png", suggested=Distribution(CLASSES, (1.0, 0.0))),
    ]


@pytest.fixture
def queue(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (64, 48)).save(pictures / "a.png")
    (tmp_path / "outside.png").write_bytes(b"secret")
    header = QueueHeader("Moods", "annotate", "distribution", "", CLASSES, pictures=str(pictures))
    write_queue(tmp_path / "queue", header, items())
    return ReviewQueue(tmp_path / "queue")


def test_what_is_written_is_read_back(queue):
    assert [queue.item(index) for index in range(len(queue))] == items()
    assert queue.ids == [HOSTILE, "b"] and queue.header.classes == CLASSES
    assert Image.open(BytesIO(queue.image_bytes(queue.item(0)))).size == (64, 48)


def test_a_queue_that_is_written_again_is_noticed(queue):
    write_queue(queue.folder, queue.header, reversed(items()))
    for index in range(2):
        with pytest.raises(DataError, match="start again"):
            queue.item(index)


def test_no_picture_outside_the_folder_is_read(queue):
    with pytest.raises(DataError, match="not a picture in"):
        queue.image_bytes(queue.item(1))


def test_a_picture_that_was_replaced_is_not_shown_as_the_annotated_one(queue):
    path = Path(queue.header.pictures) / "a.png"
    old = path.read_bytes()
    item = replace(items()[0], image_sha256=sha256_bytes(old))
    assert queue.image_bytes(item) == old
    Image.new("RGB", (64, 48), "red").save(path)
    with pytest.raises(DataError, match=r"a\.png is another picture .*run `annotate` again"):
        queue.image_bytes(item)


def test_images_of_a_dataset_are_read_by_row(tmp_path):
    dataset = write_drawn(tmp_path / "moods", "moods", train=7, test=7)
    rows = [row for split in ("train", "test") for row in dataset.rows(split)]
    header = QueueHeader(
        "Moods", "audit", "distribution", dataset=str(dataset.root), dataset_sha256=dataset.sha256
    )
    write_queue(tmp_path / "queue", header, [ReviewItem(row["id"], 1, 1) for row in reversed(rows)])
    queue = ReviewQueue(tmp_path / "queue")
    for index, row in enumerate(reversed(rows)):
        assert queue.image_bytes(queue.item(index)) == row["image"]["bytes"]


@pytest.mark.parametrize("spoil", ["missing", "short", "double", "text", "format"])
def test_what_is_no_queue_is_refused(queue, spoil):
    folder = queue.folder
    lines = (folder / ITEMS_NAME).read_text().splitlines(keepends=True)
    header = json.loads((folder / "queue.json").read_text())
    match spoil:
        case "missing":
            (folder / "queue.json").unlink()
        case "short":
            (folder / ITEMS_NAME).write_text(lines[0])
        case "double":
            (folder / ITEMS_NAME).write_text(lines[0] * 2)
        case "text":
            (folder / ITEMS_NAME).write_text("no json\n" * 2)
        case "format":
            (folder / "queue.json").write_text(json.dumps(header | {"format": 2}))
    with pytest.raises(DataError, match="run|name"):
        ReviewQueue(folder)


def test_decisions_are_read_back(tmp_path):
    path = tmp_path / "decisions.csv"
    assert read_decisions(path) == {}
    decisions = {
        HOSTILE: Decision(HOSTILE, "edit", "[[1.0, 2.0, 3.0, 4.0]]", HOSTILE, "2026-01-01T00:00:00Z"),
        "b": Decision("b", "accept"),
        "c": Decision("c", "edit", "[1, null"),
    }
    write_decisions(path, decisions)
    assert read_decisions(path) == decisions
    assert decisions[HOSTILE].read(BOXES) == Boxes(((1.0, 2.0, 3.0, 4.0),))
    assert decisions["b"].read(BOXES) is None
    with pytest.raises(DataError, match="decide it again"):
        decisions["c"].read(BOXES)


@pytest.mark.parametrize(
    "text",
    ["name\nx\n", "id,action\nx,maybe\n", "id,action\nx,skip\nx,skip\n", b"id,action\n\xff,skip\n"],
)
def test_decisions_that_are_none_are_refused(tmp_path, text):
    path = tmp_path / "decisions.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match="write|remove|save"):
        read_decisions(path)


def test_a_decision_may_be_as_long_as_the_page_sends_it(tmp_path):
    long = Decision("a", "edit", json.dumps([[0.123456789] * 4] * 20_000))
    write_decisions(tmp_path / "decisions.csv", [long])
    assert len(long.annotation) > 1 << 20 and read_decisions(tmp_path / "decisions.csv") == {"a": long}


def test_an_annotation_that_cannot_be_the_truth_is_named():
    item = ReviewItem("a", 64, 48)
    assert not label_problem(item.gold(Boxes(((1, 1, 10, 10),))), BOXES.classes)
    assert "leaves the image" in label_problem(item.gold(Boxes(((60, 1, 10, 10),))), BOXES.classes)
