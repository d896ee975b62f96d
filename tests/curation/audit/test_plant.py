"""Planted errors and corrected datasets are whole datasets of their own, and everything else stays."""

import json
from dataclasses import replace

import pytest

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.curation.audit.apply import apply_decisions
from rise_bench.curation.audit.plant import PLANTED_NAME, plant
from rise_bench.curation.decisions import Decision
from rise_bench.curation.queue import QueueHeader, write_queue
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.manifest import CORRECTIONS_NAME, MISSING_IMAGE, write_manifest
from rise_bench.data.writer import INCOMPLETE, shortfalls_of
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import sha256_bytes, sha256_file
from rise_bench.hub.publish import stage

from ...support.drawn_data import write_drawn

SPLITS = ("train", "test")


def labels(dataset):
    return {gold.id: (split, gold) for split in SPLITS for gold in dataset.golds(split)}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("plant") / "scenes", "scenes", train=16, test=6)


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("apply") / "moods", "moods", train=8, test=7)


def test_the_planted_rows_are_wrong_and_the_others_as_they_were(scenes, tmp_path):
    planted = plant(scenes, SPLITS, 0.7, 3, tmp_path / "planted")
    before, after = labels(scenes), labels(planted.dataset)
    changed = {uid for uid in before if before[uid] != after[uid]}
    assert changed == planted.errors.keys() and len(changed) == round(0.7 * 22)
    assert set(planted.errors.values()) >= {"added", "dropped", "shifted", "swapped"}
    for split in SPLITS:
        old, new = ({row["id"]: row["image"] for row in of.rows(split)} for of in (scenes, planted.dataset))
        assert old == new
    assert check_dataset(planted.dataset.root) == []
    assert json.loads((tmp_path / "planted" / PLANTED_NAME).read_text()) == planted.errors
    assert any("TEST DATA" in text for text in planted.dataset.manifest.differences)


def test_planted_errors_are_drawn_by_seed_and_not_mixed(scenes, tmp_path):
    planted = plant(scenes, ("train",), 0.2, 3, tmp_path / "planted")
    assert plant(scenes, ("train",), 0.2, 3, tmp_path / "planted").errors == planted.errors
    assert all(labels(scenes)[uid][0] == "train" for uid in planted.errors)
    with pytest.raises(ConfigError, match="choose another --out"):
        plant(scenes, ("train",), 0.2, 4, tmp_path / "planted")
    with pytest.raises(ConfigError, match="name another share"):
        plant(scenes, SPLITS, 0.001, 3, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def decisions_of(dataset, count):
    """Decisions that give the first rows of test another label, and accept one of train."""
    golds, classes = dataset.golds("test")[:count], dataset.spec.classes
    hard = Distribution(classes, (1.0, *[0.0] * (len(classes) - 1)))
    assert all(gold.annotation != hard for gold in golds)
    text = json.dumps(list(hard.probs))
    chosen = {gold.id: Decision(gold.id, "model", text, "looked <b>twice") for gold in golds}
    accepted = dataset.golds("train")[0].id
    return chosen | {accepted: Decision(accepted, "accept")}, hard


def test_decisions_become_a_new_version_that_keeps_the_old_labels(moods, tmp_path):
    source = tmp_path / "decisions.csv"
    source.write_text("what the reviewers wrote")
    decisions, hard = decisions_of(moods, 2)
    manifest = apply_decisions(moods, decisions, source, tmp_path / "corrected")
    corrected = open_dataset(tmp_path / "corrected")
    assert check_dataset(corrected.root) == [] and corrected.sha256 != moods.sha256
    before, after = labels(moods), labels(corrected)
    changed = {uid for uid in before if before[uid] != after[uid]}
    assert len(changed) == 2 and all(after[uid][1].annotation == hard for uid in changed)
    text = (corrected.root / CORRECTIONS_NAME).read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["id"] for line in lines} == changed and lines[0]["note"] == "looked <b>twice"
    for line in lines:
        assert line["old"] == list(before[line["id"]][1].annotation.probs) and line["new"] == list(hard.probs)
    assert manifest.options["decisions_sha256"] == sha256_file(source)
    assert manifest.options["corrections_sha256"] == sha256_bytes(text.encode())
    assert manifest.options["corrected_from_sha256"] == moods.sha256
    assert any("2 labels were corrected by decisions.csv" in text for text in manifest.differences)
    (tmp_path / "staged").mkdir()
    published, files = stage(corrected.root, "me/moods", tmp_path / "staged")
    assert published.options == manifest.options
    assert CORRECTIONS_NAME not in {file.path for file in files}, "what reviewers wrote is not published"
    card = next(file.source for file in files if file.path == "README.md").decode()
    assert CORRECTIONS_NAME not in card and "with its errors, except where they were corrected." in card


def test_a_second_correction_keeps_the_first(moods, tmp_path):
    source = tmp_path / "decisions.csv"
    source.write_text("1")
    apply_decisions(moods, decisions_of(moods, 1)[0], source, tmp_path / "first")
    first = open_dataset(tmp_path / "first")
    uid = first.golds("train")[0].id
    again = Decision(uid, "edit", json.dumps([0.0, 1.0, *[0.0] * (len(first.spec.classes) - 2)]))
    apply_decisions(first, {uid: again}, source, tmp_path / "second")
    lines = (tmp_path / "second" / CORRECTIONS_NAME).read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [moods.golds("test")[0].id, uid]


@pytest.mark.parametrize("spoil", ["unknown", "nothing", "sum", "text", "queue", "cots"])
def test_decisions_that_cannot_hold_are_refused(moods, tmp_path, spoil):
    decisions, _ = decisions_of(moods, 1)
    uid, decision = next(iter(decisions.items()))
    match spoil:
        case "unknown":
            decisions["no such row"] = Decision("no such row", "accept")
        case "nothing":
            decisions = {uid: Decision(uid, "skip")}
        case "sum":
            decisions[uid] = replace(decision, annotation=json.dumps([0.5] * len(moods.spec.classes)))
        case "text":
            decisions[uid] = replace(decision, annotation='["a"]')
        case "queue":
            other = QueueHeader("", "audit", moods.spec.kind, dataset="/planted", dataset_sha256="0" * 64)
            write_queue(tmp_path, other, [])
        case "cots":
            explained = {"cots_of": "0" * 64}
            write_manifest(tmp_path, moods.manifest.model_copy(update={"options": explained}))
    source = tmp_path / "decisions.csv"
    source.write_text("x")
    with pytest.raises(
        (DataError, ConfigError),
        match="reviewed|that they explain|nothing was written|sum to|decide it again",
    ):
        apply_decisions(moods, decisions, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["[[1, 2, 3, null]]", '[["1", 2, 3, 4]]', "[[1, 2, 3, true]]", "[[1, 2, 3]]"]
)
@pytest.mark.parametrize("kind", ["boxes", "polygons"])
def test_a_decision_of_what_is_no_number_is_named(kind, text):
    text = text if kind == "boxes" else f"[{text}]"
    header = QueueHeader("", "audit", kind, dataset="d", dataset_sha256="0" * 64)
    with pytest.raises(DataError, match=f"is not an annotation of kind {kind}; decide it again"):
        Decision("a", "edit", text).read(header)


@pytest.mark.parametrize("told", [True, False])
def test_a_copy_of_an_incomplete_dataset_is_incomplete(moods, tmp_path, told):
    manifest = moods.manifest.model_copy(
        update={
            "partial": True,
            "differences": (f"{INCOMPLETE}3 files are missing",) if told else (),
            "drops": {MISSING_IMAGE: ("a", "b")},
        }
    )
    assert shortfalls_of(manifest) == (("3 files are missing",) if told else ("2 images are missing",))
    assert shortfalls_of(moods.manifest) == ()
    decisions, _ = decisions_of(moods, 1)
    (source := tmp_path / "decisions.csv").touch()
    incomplete = BenchmarkDataset(moods.root, moods.spec, manifest)
    copied = apply_decisions(incomplete, decisions, source, tmp_path / "copy")
    assert copied.partial and any(text.startswith(INCOMPLETE) for text in copied.differences)
