"""From the page to a corrected dataset: decisions as the page sends them, applied by `audit`, checked."""

import json

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from rise_bench.annotations.base import Frame
from rise_bench.annotations.kinds import KINDS
from rise_bench.cli import app as commands
from rise_bench.cot.check import check_folder
from rise_bench.curation.queue import QueueHeader, ReviewItem, write_queue
from rise_bench.curation.review.app import make_app
from rise_bench.curation.review.session import Review
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError

from ...support.drawn_data import write_drawn
from .conftest import COOKIE, TOKEN

ORIGIN = "http://127.0.0.1:8000"


@pytest.mark.parametrize("name", ["moods", "scenes"])
def test_decisions_become_a_corrected_dataset_that_check_passes(tmp_path, name):
    """Of the first three training labels one is accepted, one is the model's and one edited."""
    dataset = write_drawn(tmp_path / name, name, train=16, test=8)
    spec, golds = dataset.spec, dataset.train_golds()
    kind = KINDS[spec.kind]
    example = kind.rescale(kind.examples(spec.classes)[0], Frame(640, 480), golds[1].frame_px)
    other = kind.stored(example)
    items = [
        ReviewItem(g.id, g.width_px, g.height_px, g.question, g.category, given=g.annotation, suggested=other)
        for g in golds
    ]
    header = QueueHeader(
        name,
        "audit",
        spec.kind,
        classes=spec.classes,
        dataset=str(dataset.root),
        dataset_sha256=dataset.sha256,
    )
    (tmp_path / "audit").mkdir()
    write_queue(tmp_path / "audit", header, items)
    client = TestClient(make_app(Review(tmp_path / "audit"), token=TOKEN, cookie=COOKIE), base_url=ORIGIN)
    client.get(f"/?token={TOKEN}")
    edited = kind.to_json(golds[3].annotation)
    for index, action, values in ((0, "accept", None), (1, "model", None), (2, "edit", edited)):
        assert client.get(f"/images/x/{index}").status_code == 200
        decision = {"version": 0, "action": action, "values": values, "note": f"note {index}"}
        answer = client.put(f"/api/items/{index}", json=decision, headers={"Origin": ORIGIN})
        assert answer.status_code == 200, answer.text
    source, out = tmp_path / "audit" / "decisions.csv", tmp_path / "corrected"
    told = CliRunner().invoke(
        commands,
        ["audit", str(dataset.root), "--apply", str(source), "--out", str(out)],
        catch_exceptions=False,
    )
    assert told.exit_code == 0, told.output
    assert check_folder(out) == []
    corrected = {gold.id: gold.annotation for gold in open_dataset(out).train_golds()}
    expected = {gold.id: gold.annotation for gold in golds}
    expected |= {golds[1].id: other, golds[2].id: golds[3].annotation}
    assert corrected == expected
    lost = CliRunner().invoke(
        commands,
        ["audit", str(dataset.root), "--apply", str(source), "--out", str(source.parent), "--overwrite"],
    )
    assert isinstance(lost.exception, ConfigError) and "3 decisions, which would be deleted" in str(
        lost.exception
    )
    assert source.is_file()
    lines = [json.loads(line) for line in (out / "corrections.jsonl").read_text().splitlines()]
    assert {line["id"]: line["note"] for line in lines} == {golds[1].id: "note 1", golds[2].id: "note 2"}
