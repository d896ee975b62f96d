"""Tasks of Label Studio: an export without changes changes nothing, a drawn annotation is the new label."""

import json
from dataclasses import replace

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
    return audit_of(tmp_path_factory.mktemp("studio"), request.param)


def audit_of(folder, name):
    """Rows of which each has the label of the next one as the model's answer, the last one none."""
    dataset = write_drawn(folder / name, name, train=5, test=3)
    golds = dataset.golds("train")
    own = [gold.annotation for gold in golds[1:]] + [None]
    rows = [
        RowScores("train", gold, other, "It <b>looks</b> so.", {"reward": 0.5}, 1 - i / 10)
        for i, (gold, other) in enumerate(zip(golds, own, strict=True))
    ]
    return Audited(dataset, rows, {}, {})


@pytest.fixture
def export(audited, tmp_path):
    return export_of(audited, tmp_path)


def export_of(audited, out):
    spec = audited.dataset.spec
    write_tasks(out, audited, [review_item(row, spec, out_of_fold=True) for row in audited.rows])
    return out / TASKS_NAME


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


@pytest.mark.parametrize("version", ["", "0" * 64])
def test_tasks_of_another_version_are_not_corrections_of_this_one(audited, export, version):
    """Untouched tasks hold the labels that the audit had, planted and outdated ones among them."""
    tasks = json.loads(export.read_text())
    assert {task["data"]["dataset_sha256"] for task in tasks} == {audited.dataset.sha256}
    tasks[-1]["data"]["dataset_sha256"] = version
    export.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match="name the dataset that was audited"):
        read_export(export, audited.dataset)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("drawn_changes", lambda label: replace(label, calls=label.calls[::-1])),
        ("drawn_counting", lambda label: replace(label, text=f"{label.text}%")),
    ],
)
def test_what_scores_alike_and_is_another_label_is_an_edit(tmp_path, name, change):
    """The similarity of the order of calls, or of a number and its percentage, is 1."""
    audited = audit_of(tmp_path, name)
    classes, kind = audited.dataset.spec.classes, KINDS[audited.dataset.spec.kind]
    tasks, labels = json.loads((file := export_of(audited, tmp_path)).read_text()), {}
    for task in tasks:
        value = task["annotations"][-1]["result"][0]["value"]
        label, _ = kind.parse(value["text"][0], classes, True)
        value["text"] = [kind.render(change(label))]
        labels[task["data"]["id"]] = label
    assert {of.action for of in read_export(file, audited.dataset).values()} == {"accept"}
    file.write_text(json.dumps(tasks))
    for uid, decision in read_export(file, audited.dataset).items():
        edited = change(labels[uid])
        assert decision.action == ("accept" if edited == labels[uid] else "edit")
        if decision.action == "edit":
            assert kind.similarity(labels[uid], edited, kind.audit_variant) == 1
            assert kind.from_json(json.loads(decision.annotation), classes) == edited
    assert any(change(label) != label for label in labels.values())


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
    says = "a box is rotated" if "rotation" in str(tasks) and spoil == "class or turn" else ""
    with pytest.raises(DataError, match=says or "export the project as JSON"):
        read_export(export, audited.dataset)


def test_a_text_beside_the_old_one_is_no_number_of_both(tmp_path):
    audited = audit_of(tmp_path, "drawn_counting")
    tasks = json.loads((file := export_of(audited, tmp_path)).read_text())
    value = tasks[0]["annotations"][-1]["result"][0]["value"]
    value["text"] = ["7", "8"]
    file.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match="it has 2 texts; keep one"):
        read_export(file, audited.dataset)
