"""Values go through audit and annotate as every kind does: miscounts are found, exports hold values."""

import csv
import json

import pytest

from rise_bench.annotations.value.values import Value
from rise_bench.curation.annotate.formats import csv_rows, json_lines
from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer, Picture
from rise_bench.curation.audit.model import AskedModel
from rise_bench.curation.audit.output import write_output
from rise_bench.curation.audit.run import Audit, run_audit

from ..support.drawn_data import write_drawn
from .audit.oracle import Oracle

SPLITS = ("train", "test")


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    return write_drawn(
        tmp_path_factory.mktemp("counts") / "drawn_counting", "drawn_counting", train=14, test=7
    )


def test_planted_miscounts_come_first(counts, tmp_path, monkeypatch):
    pytest.importorskip("cleanlab")
    oracle = Oracle.of(counts)
    monkeypatch.setattr(AskedModel, "open", lambda model, sampling: oracle)
    model = AskedModel("oracle")
    audit = Audit(
        counts, tmp_path / "out", SPLITS, answerer=model, samples=2, reasoner=model, rollouts=2, planted=0.25
    )
    audited = run_audit(audit)
    summary = write_output(audit, audited)
    assert set(audited.errors.values()) <= {"shifted", "swapped"} and len(audited.errors) == 5
    assert {row.gold.id for row in audited.rows[:5]} == audited.errors.keys()
    for name in ("answer_similarity", "cleanlab"):
        assert audited.measured[name].figures["auroc"].value == 1.0, name
    assert summary["scored"]["cleanlab"] == 21
    rows = list(csv.DictReader((tmp_path / "out" / "audit.csv").open(encoding="utf-8")))
    truth = {gold.id: gold.annotation.text for split in SPLITS for gold in counts.golds(split)}
    assert all(row["given"] != truth[row["id"]] == row["model"] for row in rows[:5])
    assert f"says {rows[0]['model']}" in rows[0]["why"]


def test_an_annotation_run_exports_values(counts, tmp_path):
    run = AnnotationRun(tmp_path, counts.spec, (), "How many discs are there?", 1, "oracle")
    with json_lines.write(tmp_path, run) as to_lines, csv_rows.write(tmp_path, run) as to_csv:
        for number, text in enumerate(("7", "B", "left")):
            picture = Picture(f"{number}.jpg", "0" * 64, 112, 112)
            answered = AnnotatedPicture(picture, (Answer(annotation=Value(text)),))
            to_lines(answered)
            to_csv(answered)
    rows = list(csv.DictReader((tmp_path / csv_rows.NAME).open(encoding="utf-8")))
    assert [(row["file"], row["annotation"]) for row in rows] == [
        ("0.jpg", "7"),
        ("1.jpg", "B"),
        ("2.jpg", "left"),
    ]
    lines = [json.loads(line) for line in (tmp_path / json_lines.NAME).read_text().splitlines()]
    assert '"7"' in json.dumps(lines[0])
