"""An audit with a model that knows the truth: wrong labels come first, and a rerun goes on."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cli import app
from rise_bench.curation.annotate.formats import json_lines
from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer, Picture
from rise_bench.curation.audit.folds import Folds
from rise_bench.curation.audit.model import AskedModel
from rise_bench.curation.audit.output import write_output
from rise_bench.curation.audit.run import Audit, run_audit
from rise_bench.curation.decisions import Decision, write_decisions
from rise_bench.curation.queue import ReviewQueue
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError, PrerequisiteError

from ...support.drawn_data import picture_key_of, write_drawn
from ...support.made_sources import write_photo
from ...support.toy_kind import Word, WordKind

SPLITS = ("train", "test")


def audit_of(dataset, out, **options):
    model = AskedModel("oracle")
    defaults = {"answerer": model, "samples": 2, "reasoner": model, "rollouts": 2, "planted": 0.25}
    return Audit(dataset, out, SPLITS, **defaults | options)


def test_planted_errors_come_first_and_every_file_says_so(kinds_24, oracle, tmp_path):
    audit = audit_of(kinds_24, tmp_path / "out")
    audited = run_audit(audit)
    summary = write_output(audit, audited)
    assert len(audited.errors) == 6
    assert {row.gold.id for row in audited.rows[:6]} == audited.errors.keys()
    for name in ("suspicion", "reward", "group_mean", "answer_similarity", "reward_gap"):
        assert audited.measured[name].figures["auroc"].value == 1.0, name
    assert audited.measured["random"].figures["auroc"].value == 0.5
    lines = list(csv.DictReader((tmp_path / "out" / "audit.csv").open(encoding="utf-8")))
    assert [line["planted"] for line in lines] == ["swapped"] * 6 + [""] * 18
    assert "disagrees with the label" in lines[0]["why"] and "do not lead back" in lines[0]["why"]
    queue = ReviewQueue(tmp_path / "out")
    first = queue.item(0)
    assert queue.ids == [line["id"] for line in lines] and queue.image_bytes(first)
    truth = {gold.id: gold.annotation for split in SPLITS for gold in kinds_24.golds(split)}
    assert first.suggested == truth[first.id] != first.given
    assert first.question == kinds_24.spec.question, "asked of every picture, as in the other queues"
    assert summary["scored"]["answer_similarity"] == 24 and summary["out_of_fold"] is None
    page = (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")
    assert page.count("planted: swapped") == 6 and "not known to be out of fold" in page
    assert "<dd>24, all shown</dd>" in page


def test_a_killed_audit_asks_for_nothing_that_was_answered(kinds_24, oracle, tmp_path):
    whole = run_audit(audit_of(kinds_24, tmp_path / "whole"))
    prompts, oracle.asked = oracle.asked, []
    kills = 0
    while True:
        oracle.dies_after = len(oracle.asked) + 30
        try:
            resumed = run_audit(audit_of(kinds_24, tmp_path / "killed"))
            break
        except KeyboardInterrupt:
            kills += 1
    again = Counter(oracle.asked) - Counter(prompts)
    assert kills >= 2 and set(oracle.asked) == set(prompts)
    assert again.total() <= kills * oracle.batch_rows, "only the batch in flight is asked again"
    assert resumed.rows == whole.rows
    with pytest.raises(ConfigError, match="other settings"):
        run_audit(audit_of(kinds_24, tmp_path / "killed", samples=3))


def test_a_refused_row_has_no_score_and_is_asked_again(kinds_24, oracle, tmp_path):
    """Nothing is known of it, so that it is neither right nor wrong."""
    row = next(iter(kinds_24.rows("test")))
    oracle.refuses, oracle.batch_rows = frozenset({picture_key_of(row["image"]["bytes"])}), 1
    audit = audit_of(kinds_24, tmp_path / "out", planted=0.0)
    audited = run_audit(audit)
    refused = next(scored for scored in audited.rows if scored.gold.id == row["id"])
    assert refused.own is None and not refused.scores and not audited.measured
    assert write_output(audit, audited)["unreadable"] == 0
    oracle.asked, oracle.refuses = [], frozenset()
    again = run_audit(audit)
    assert {key for key, _ in oracle.asked} == {picture_key_of(row["image"]["bytes"])}
    assert next(of for of in again.rows if of.gold.id == row["id"]).scores["answer_similarity"] == 1.0


def test_labels_of_the_model_that_stay_are_not_asked_about_again(kinds_24, oracle, tmp_path):
    """A row that is answered at the next start gets a label of its own, and the others have theirs."""
    row = next(iter(kinds_24.rows("test")))
    oracle.refuses, oracle.batch_rows = frozenset({picture_key_of(row["image"]["bytes"])}), 1
    audit = audit_of(kinds_24, tmp_path / "out", planted=0.5)
    run_audit(audit)
    oracle.asked, oracle.refuses = [], frozenset()
    again = run_audit(audit)
    assert {key for key, _ in oracle.asked} == {picture_key_of(row["image"]["bytes"])}
    assert run_audit(audit).rows == again.rows and len(list((tmp_path / "out" / "work").glob("own*"))) == 1


def test_the_few_rows_there_are_may_all_be_refused(tmp_path, oracle):
    few = write_drawn(tmp_path / "kinds", "kinds", train=3, test=1)
    oracle.truths = type(oracle).of(few).truths
    oracle.refuses = frozenset(oracle.truths)
    audit = audit_of(few, tmp_path / "out", planted=0.0)
    summary = write_output(audit, run_audit(audit))
    assert (summary["refused"], summary["unreadable"], summary["scored"]) == (4, 0, {})
    oracle.refuses = frozenset()
    assert all(row.own is not None for row in run_audit(audit).rows)


def test_a_model_that_refuses_everything_is_given_up_and_asked_again(kinds_24, oracle, tmp_path):
    oracle.batch_rows, pictures = 1, {picture_key_of(row["image"]["bytes"]) for row in all_rows(kinds_24)}
    oracle.refuses = frozenset(pictures)
    audit = audit_of(kinds_24, tmp_path / "out", planted=0.0)
    with pytest.raises(DataError, match="the model refused the first 20 rows: refused"):
        run_audit(audit)
    oracle.refuses = frozenset()
    assert all(row.own is not None for row in run_audit(audit).rows), "nothing was held against a row"


def test_settings_are_fixed_once_a_fold_is_begun_or_somebody_has_decided(kinds_24, oracle, tmp_path):
    out = tmp_path / "out"
    audit = audit_of(kinds_24, out, planted=0.0)
    (out / "work" / "fold-0").mkdir(parents=True)
    (out / "work" / "settings.json").write_text("{}\n")
    with pytest.raises(ConfigError, match="begun with other settings"):
        run_audit(audit)
    (out / "work" / "fold-0").rmdir()
    (out / "decisions.csv").write_text("id,action\n")
    with pytest.raises(ConfigError, match="begun with other settings"):
        run_audit(audit)
    (out / "decisions.csv").unlink()
    run_audit(audit)


def test_decisions_are_never_taken_for_those_on_another_version(kinds_24, oracle, tmp_path):
    """Not even after the folder of work was deleted to save space."""
    out, other = tmp_path / "out", write_drawn(tmp_path / "other" / "kinds", "kinds", train=12, test=4)
    audit = audit_of(kinds_24, out, planted=0.0)
    write_output(audit, run_audit(audit))
    (out / "decisions.csv").write_text(f"id,action\n{kinds_24.golds('test')[0].id},accept\n")
    run_audit(audit)
    shutil.rmtree(out / "work")
    before = (out / "queue.json").read_bytes()
    with pytest.raises(ConfigError, match=r"decides on version .*; choose another --out"):
        run_audit(audit_of(other, out, planted=0.0))
    assert (out / "queue.json").read_bytes() == before


@pytest.mark.parametrize("planted", [0.0, 0.25])
def test_decisions_on_true_labels_are_not_those_on_planted_errors(kinds_24, oracle, tmp_path, planted):
    """Nor are decisions on another version, whatever queue was written since."""
    own, out = kinds_24.sha256, tmp_path / "out"
    out.mkdir()
    decided = Decision(kinds_24.golds("test")[0].id, "accept", dataset_sha256=own if planted else "0" * 64)
    write_decisions(out / "decisions.csv", [decided])
    with pytest.raises(ConfigError, match="decides on version"):
        run_audit(audit_of(kinds_24, out, planted=planted))
    other = {"dataset_sha256": "1" * 64 if planted else own}
    write_decisions(out / "decisions.csv", [replace(decided, **other)])
    run_audit(audit_of(kinds_24, out, planted=planted))


def test_an_audit_in_the_folder_of_its_dataset_is_refused(kinds_24, tmp_path):
    with pytest.raises(ConfigError, match="lies in the dataset"):
        run_audit(audit_of(kinds_24, kinds_24.root / "audit"))
    assert not (kinds_24.root / "audit").exists()


def test_settings_may_change_after_a_training_that_never_began(kinds_24, oracle, tmp_path):
    with pytest.raises(PrerequisiteError, match="no/such"):
        run_audit(audit_of(kinds_24, tmp_path / "out", planted=0.0, answerer=Folds(recipe="no/such")))
    run_audit(audit_of(kinds_24, tmp_path / "out", planted=0.0))


def all_rows(dataset):
    return [row for split in SPLITS for row in dataset.rows(split)]


def test_a_kind_of_its_own_is_audited(oracle, tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "word", WordKind())
    spec = BenchmarkSpec("birds", "word", "exact", "Which <b>bird</b> is this?", images="embed")
    names = ("heron", "crane", "egret")
    rows = [
        SourceRow(f"birds/{i:02}", f"{i}.jpg", write_photo(tmp_path / f"{i}.jpg", i), Word(names[i % 3]))
        for i in range(12)
    ]
    write_dataset(SourcePlan(spec, rows, []), tmp_path / "birds", workers=1)
    birds = open_dataset(tmp_path / "birds")
    oracle.truths = type(oracle).of(birds, ("train",)).truths
    audit = Audit(birds, tmp_path / "out", ("train",), answerer=AskedModel("oracle"), planted=0.2)
    audited = run_audit(audit)
    assert {row.gold.id for row in audited.rows[:2]} == audited.errors.keys()
    assert "cleanlab" not in write_output(audit, audited)["scored"]


def test_the_answers_of_an_annotation_run_are_taken_by_picture(kinds_24, tmp_path):
    golds = {gold.id: gold for split in SPLITS for gold in kinds_24.golds(split)}
    rows = [row for split in SPLITS for row in kinds_24.rows(split, columns=["id", "source_sha256"])]
    run = AnnotationRun(tmp_path, kinds_24.spec, (), "", 1, "oracle")
    with json_lines.write(tmp_path, run) as add:
        for row in rows[1:]:
            picture = Picture(f"{row['id']}.jpg", row["source_sha256"], 112, 112)
            add(AnnotatedPicture(picture, (Answer(annotation=golds[row["id"]].annotation),)))
    audited = run_audit(Audit(kinds_24, tmp_path / "out", SPLITS, answerer=tmp_path))
    agreed = {row.gold.id: row.scores.get("answer_similarity") for row in audited.rows}
    assert agreed.pop(rows[0]["id"]) is None and set(agreed.values()) == {1.0}


def test_what_cannot_be_audited_is_refused(kinds_24, tmp_path):
    with pytest.raises(ConfigError, match="nothing to audit by"):
        Audit(kinds_24, tmp_path, SPLITS)
    with pytest.raises(ConfigError, match="leave --cots"):
        Audit(kinds_24, tmp_path, SPLITS, answerer=tmp_path / "answers.jsonl", planted=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "m", "--set", "sft.steps=1"), "leave them out beside --model"),
        (("--predictions", "p.jsonl", "--recipe", "r"), "leave them out beside --model"),
        (("--predictions", "p.jsonl", "--style", "caption"), "--style is of --model"),
        (("--style", "caption"), "--style is of --model"),
        (("--reasoner", "m", "--endpoint", "http://a/v1"), "as --reasoner-endpoint"),
        (("--model", "m", "--reasoner-endpoint", "http://a/v1"), "as --endpoint"),
    ],
)
def test_options_that_would_do_nothing_are_refused(kinds_24, tmp_path, options, message):
    refused = CliRunner().invoke(app, ["audit", str(kinds_24.root), "--out", str(tmp_path / "o"), *options])
    assert isinstance(refused.exception, ConfigError) and message in str(refused.exception)
    assert not (tmp_path / "o").exists()


def test_the_command_from_predictions_to_a_corrected_dataset(kinds_24, oracle, tmp_path):
    golds = [gold for split in SPLITS for gold in kinds_24.golds(split)]
    kind, wrong = KINDS[kinds_24.spec.kind], golds[3]
    answers = {gold.id: gold.annotation for gold in golds} | {wrong.id: golds[4].annotation}
    lines = [
        json.dumps({"id": uid, "response": f"<think>So.</think><answer>{kind.render(of)}</answer>"})
        for uid, of in answers.items()
    ]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))

    def run(*arguments):
        result = CliRunner().invoke(app, ["audit", str(kinds_24.root), *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    summary = run("--predictions", tmp_path / "answers.jsonl", "--out", tmp_path / "out", "--json")
    assert summary["rows"] == 24 and ReviewQueue(tmp_path / "out").ids[0] == wrong.id
    assert summary["disagrees"] == 1
    decided = json.dumps(kind.to_json(answers[wrong.id])).replace('"', '""')
    (tmp_path / "decisions.csv").write_text(f'id,action,annotation\n{wrong.id},model,"{decided}"\n')
    made = run("--apply", tmp_path / "decisions.csv", "--out", tmp_path / "corrected", "--json")
    assert made["corrected"] == 1 and check_dataset(tmp_path / "corrected") == []
    refused = CliRunner().invoke(
        app, ["audit", str(kinds_24.root), "--out", "x", "--endpoint", "http://a/v1"]
    )
    assert isinstance(refused.exception, ConfigError) and "name it with --model" in str(refused.exception)
