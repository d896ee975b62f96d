"""Tasks of Label Studio: an export without changes changes nothing, a drawn annotation is the new label."""

import json

import pytest

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.annotate.formats.label_studio import TASKS_NAME
from rise_bench.curation.audit.label_studio import PICTURES_NAME, read_export, write_tasks
from rise_bench.curation.audit.output import review_item
from rise_bench.curation.audit.run import Audited
from rise_bench.curation.audit.scores import RowScores
from rise_bench.errors import DataError

from ...support.drawn_data import write_drawn


@pytest.fixture(scope="module", params=["kinds", "scenes"])
def audited(request, tmp_path_factory):
    """Rows of which each has the label of the next one as the model's answer, the last one none."""
    dataset = write_drawn(tmp_path_factory.mktemp("studio") / request.param, request.param, train=5, test=3)
    golds = dataset.golds("train")
    own = [gold.annotation for gold in golds[1:]] + [None]
    rows = [
        RowScores("train", gold, other, "It <b>looks</b> so.", {"reward": 0.5}, 1 - i / 10)
        for i, (gold, other) in enumerate(zip(golds, own, strict=True))
    ]
    return Audited(dataset, rows, {}, {})


@pytest.fixture
def export(audited, tmp_path):
    write_tasks(
        tmp_path, audited, [review_item(row, audited.dataset.spec, out_of_fold=True) for row in audited.rows]
    )
    return tmp_path / TASKS_NAME


def test_the_most_suspicious_task_has_the_lowest_score_and_its_picture(audited, export):
    tasks = json.loads(export.read_text())
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == sorted(scores) and len(scores) == 5
    assert [task["data"]["id"] for task in tasks] == [row.gold.id for row in audited.rows]
    images = {row["id"]: row["image"]["bytes"] for row in audited.dataset.rows("train")}
    for task in tasks:
        assert (export.parent / PICTURES_NAME / task["data"]["path"]).read_bytes() == images[
            task["data"]["id"]
        ]
    assert not tasks[-1]["predictions"][0]["result"] and tasks[-1]["annotations"][0]["result"]


def test_an_export_without_changes_decides_nothing_new(audited, export):
    decisions = read_export(export, audited.dataset)
    assert {decision.action for decision in decisions.values()} == {"accept"} and len(decisions) == 5


def test_an_annotation_of_the_export_is_the_new_label(audited, export):
    tasks = json.loads(export.read_text())
    tasks[0]["annotations"].append({"result": tasks[0]["predictions"][0]["result"]})
    tasks[1]["annotations"] = [{"was_cancelled": True, "result": []}]
    export.write_text(json.dumps(tasks))
    decisions = read_export(export, audited.dataset)
    first, second, *_ = (decisions[row.gold.id] for row in audited.rows)
    assert first.action == "edit" and second.action == "skip"
    kind, row = KINDS[audited.dataset.spec.kind], audited.rows[0]
    label = kind.from_json(json.loads(first.annotation), audited.dataset.spec.classes)
    assert kind.similarity(row.own, label, kind.audit_variant) == pytest.approx(1)


@pytest.mark.parametrize("spoil", ["text", "id", "class or turn"])
def test_what_is_no_export_is_refused(audited, export, spoil):
    tasks = json.loads(export.read_text())
    match spoil:
        case "text":
            tasks = "no tasks"
        case "id":
            tasks[0]["data"]["id"] = "other"
        case "class or turn":
            (value, *_) = (result["value"] for result in tasks[0]["annotations"][0]["result"])
            value |= (
                {"rotation": 30} if isinstance(audited.rows[0].gold.annotation, Boxes) else {"choices": ["x"]}
            )
    export.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match="export the project as JSON"):
        read_export(export, audited.dataset)
