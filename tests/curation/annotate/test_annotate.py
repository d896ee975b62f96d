"""Annotation runs with a scripted model: what is asked, kept, skipped, refused, killed and gone on with."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.row_log import read_rows
from rise_bench.curation.annotate import outputs
from rise_bench.curation.annotate.annotate import annotate
from rise_bench.curation.decisions import Decision, read_decisions, write_decisions
from rise_bench.curation.queue import ReviewQueue
from rise_bench.errors import ConfigError, DataError
from rise_bench.models.sampler import SampleError

from ...support.kills import in_child
from ...support.scripted_model import ScriptedModel
from ...support.toy_kind import Word, WordKind
from .conftest import think, write_pictures

BOX = think("[[100, 100, 500, 500]]")
HOSTILE = think("[[0, 0, 500, 500]]", '</script>"\n\u2028,=1+1 \x00 <img src=x onerror=alert(1)> {{7*7}}')


def always(text: str = BOX, **options: int) -> ScriptedModel:
    return ScriptedModel(lambda prompt, number: text, **options)


def lines(folder: Path) -> list[dict]:
    text = (folder / "annotations.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("options", [{}, {"workers": 3}, {"batch_rows": 2}])
def test_every_picture_gets_an_answer_and_stays_as_it_is(make_job, pictures, options):
    before = contents(pictures)
    model = always(**options)
    summary = annotate(make_job(model))
    assert (summary["pictures"], summary["asked"], summary["answers"]) == (3, 3, {"annotated": 3})
    assert model.closed and contents(pictures) == before
    assert {prompt.text for prompt in model.asked} == {model.asked[0].text}
    assert model.asked[0].text.startswith("Locate every cat in this image.\nAnswer with a JSON list of boxes")
    first = lines(make_job(model).out)[0]
    assert (first["path"], first["annotation"]) == ("a.png", [[10.0, 5.0, 50.0, 25.0]])
    assert (first["reason"], first["confidence"], first["parts"]) == ("It stands left.", 1.0, [1.0])


def test_what_was_answered_is_not_asked_again_and_new_pictures_are(make_job, pictures):
    annotate(make_job(always()))
    write_pictures(pictures, ("x.png", "y.png", "z.png", "new.png"))  # x, y, z look like a, b, c
    model = always()
    summary = annotate(make_job(model))
    assert (summary["pictures"], summary["asked"], summary["reused"]) == (7, 1, 6)
    assert summary["tokens"] == {"prompt": 4, "completion": 4, "uncounted": 0}
    (pictures / "a.png").unlink()
    again = make_job(always())
    assert annotate(again)["asked"] == 0 and again.load().asked == []
    assert [line["path"] for line in lines(again.out)][:2] == ["b.png", "new.png"]
    with pytest.raises(ConfigError, match="samples was 1, is 2"):
        annotate(make_job(always(), samples=2))


def test_each_class_is_asked_for_and_added_classes_alone(make_job):
    annotate(make_job(always()))
    model = always()
    summary = annotate(make_job(model, categories=("cat", "dog")))
    assert (summary["asked"], summary["answers"]) == (3, {"annotated": 6})
    assert all("every dog" in prompt.text for prompt in model.asked)


@pytest.mark.parametrize("kill_at", [1, 3])
def test_a_killed_run_is_gone_on_with_and_asks_for_nothing_twice(make_job, pictures, tmp_path, kill_at):
    names = tuple(f"more/{number}.png" for number in range(3, 8))
    write_pictures(pictures, ("0.png", "1.png", "2.png", *names))

    def killed() -> None:
        model = always()

        def answer(prompt, number):
            with (tmp_path / "asked").open("a") as file:
                file.write("x")
            if len(model.asked) > kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return BOX

        model.answer = answer
        annotate(make_job(model))

    assert in_child(killed)
    job = make_job(model := always())
    assert not (job.out / "annotations.jsonl").exists() and not (job.out / "annotate.json").exists()
    summary = annotate(job)
    assert (summary["reused"] - 3, len(model.asked)) == (kill_at, 8 - kill_at)  # 3 files of one content
    assert len({row["id"] for row, *_ in read_rows([job.log])}) == 8
    assert len(list(read_rows([job.log]))) == 8 and (tmp_path / "asked").read_text() == "x" * (kill_at + 1)


def test_bad_files_are_skipped_with_the_reason(make_job, pictures, tmp_path):
    whole = (pictures / "a.png").read_bytes()
    (pictures / "torn.png").write_bytes(whole[:60])
    (pictures / "empty.jpg").touch()
    (pictures / "line\nbreak.png").write_bytes(whole)
    (pictures / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "secret.png").write_bytes(whole)
    (pictures / "out.png").symlink_to(tmp_path / "secret.png")
    (pictures / "gone.png").symlink_to(pictures / "nowhere.png")
    (pictures / "in.png").symlink_to(pictures / "b.png")
    (pictures / "folder.png").mkdir()
    os.mkfifo(pictures / "pipe.png")
    os.close(os.open(os.fsencode(pictures) + b"/n\xff.png", os.O_CREAT | os.O_WRONLY))
    write_pictures(pictures, (".hidden/x.png", "._a.png"))
    (pictures / "notes.txt").write_text("no picture")
    summary = annotate(make_job(always()))
    why = {skipped["path"]: skipped["why"] for skipped in summary["skipped"]}
    assert [line["path"] for line in lines(make_job(always()).out)] == [
        "a.png",
        "b.png",
        "in.png",
        "sub/c.png",
    ]
    expected = {
        "torn.png": "cannot be decoded",
        "empty.jpg": "the file is empty",
        "line\nbreak.png": "rename it",
        "photo.heic": "a HEIC photo",
        "out.png": "a link out of the folder",
        "gone.png": "not a file",
        "pipe.png": "not a file",
        "n\ufffd.png": "not UTF-8",
    }
    assert why.keys() == expected.keys()
    assert all(text in why[path] for path, text in expected.items()), why


def test_results_among_the_pictures_are_no_pictures(make_job, pictures):
    job = make_job(always(), out=pictures / "labels")
    annotate(job)
    write_pictures(job.out, ("figure.png",))
    assert annotate(job)["pictures"] == 3


def test_unreadable_answers_are_counted_and_come_first_in_the_queue(make_job):
    answers = iter([BOX, BOX, "no idea", "", think("[[0, 0, 900, 900]]"), BOX])
    model = ScriptedModel(lambda prompt, number: next(answers))
    summary = annotate(make_job(model, samples=2))
    assert summary["answers"] == {"annotated": 2, "unreadable": 1}
    assert summary["sample_readings"] == {"ok": 4, "no_boxes": 1, "empty": 1}
    queue = ReviewQueue(make_job(model).out)
    assert queue.ids == ["b.png#cat", "sub/c.png#cat", "a.png#cat"]
    first, second, third = (queue.item(index) for index in range(3))
    assert first.suggested is None and first.why == (
        "The model gave no annotation that can be read (no_boxes).",
    )
    assert second.suggested == Boxes(((0.0, 0.0, 90.0, 45.0),)) and third.scores == {"confidence": 1.0}
    assert third.question == "Locate every cat in this image."
    assert queue.image_bytes(third) == (Path(queue.header.pictures) / "a.png").read_bytes()


def test_refused_questions_are_told_and_asked_again(make_job):
    def answer(prompt, number):
        if len(model.asked) == 2:
            raise SampleError("against a policy")
        return BOX

    model = ScriptedModel(answer)
    summary = annotate(make_job(model))
    assert summary["answers"] == {"annotated": 2, "refused": 1}
    assert list(summary["refused"].values()) == ["against a policy"]
    assert lines(make_job(model).out)[1]["reading"] == "refused"
    again = annotate(make_job(always()))
    assert (again["asked"], again["answers"], again["refused"]) == (1, {"annotated": 3}, {})


def test_a_model_that_refuses_everything_is_given_up(make_job, pictures):
    def refuse(prompt, number):
        raise SampleError("against a policy")

    write_pictures(pictures, tuple(f"{number}.png" for number in range(30)))
    model = ScriptedModel(refuse)
    with pytest.raises(DataError, match="refused the first 20 questions: against a policy"):
        annotate(make_job(model))
    assert len(model.asked) == 20 and model.closed


def test_a_run_that_has_answers_goes_on_past_many_refusals(make_job, pictures):
    def refuse(prompt, number):
        raise SampleError("against a policy")

    annotate(make_job(always()))
    write_pictures(pictures, tuple(f"0{number}.png" for number in range(25)))
    summary = annotate(make_job(ScriptedModel(refuse)))
    assert summary["answers"] == {"annotated": 6, "refused": 22}, "three are copies of what was answered"


def test_decisions_on_another_picture_of_the_same_name_are_set_aside(make_job, pictures):
    job = make_job(always())
    annotate(job)
    first, second, _ = ReviewQueue(job.out).ids
    write_decisions(job.out / "decisions.csv", [Decision(first, "skip"), Decision(second, "skip")])
    Image.new("RGB", (100, 50), "navy").save(pictures / first.partition("#")[0])
    assert annotate(make_job(always()))["decisions_set_aside"] == 1
    assert read_decisions(job.out / "decisions.csv").keys() == {second}
    assert read_decisions(job.out / "decisions-before.csv").keys() == {first}
    assert annotate(make_job(always()))["decisions_set_aside"] == 0


def test_every_version_that_was_set_aside_is_kept(make_job, pictures):
    job = make_job(always())
    annotate(job)
    first = ReviewQueue(job.out).ids[0]
    for colour, note in (("navy", "one"), ("red", "two"), ("green", "three")):
        write_decisions(job.out / "decisions.csv", [Decision(first, "skip", note=note)])
        Image.new("RGB", (100, 50), colour).save(pictures / first.partition("#")[0])
        assert annotate(make_job(always()))["decisions_set_aside"] == 1
    files = [job.out / f"decisions-before{ending}.csv" for ending in ("", "-2", "-3")]
    assert [read_decisions(file)[first].note for file in files] == ["one", "two", "three"]


def test_a_renamed_picture_keeps_its_decision_and_a_copy_takes_none(make_job, pictures):
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        Image.new("RGB", (100, 50), (number, 90, 200)).save(path)
    job = make_job(always())
    annotate(job)
    first, second, _ = ReviewQueue(job.out).ids
    write_decisions(job.out / "decisions.csv", [Decision(first, "skip", note="1"), Decision(second, "skip")])
    path, _, category = first.partition("#")
    (pictures / path).rename(pictures / "renamed.png")
    shutil.copy(pictures / second.partition("#")[0], pictures / "copy.png")
    assert annotate(make_job(always()))["decisions_of_renamed_pictures"] == 1
    found = read_decisions(job.out / "decisions.csv")
    assert found.keys() == {f"renamed.png#{category}" if category else "renamed.png", second}
    assert annotate(make_job(always()))["decisions_of_renamed_pictures"] == 0


def test_decisions_follow_pictures_whose_names_are_used_again(make_job, pictures):
    """As renumbering files does: two are swapped, and a third leaves its name to a new one."""
    files = sorted(pictures.rglob("*.png"))
    for number, path in enumerate(files):
        Image.new("RGB", (100, 50), (number, 90, 200)).save(path)
    job = make_job(always())
    annotate(job)
    note_of = {}
    for uid in ReviewQueue(job.out).ids:
        path, _, category = uid.partition("#")
        note_of[(pictures / path).read_bytes(), category] = uid
    write_decisions(job.out / "decisions.csv", [Decision(uid, "skip", note=uid) for uid in note_of.values()])
    first, second, third = (path.read_bytes() for path in files[:3])
    files[0].write_bytes(second)
    files[1].write_bytes(first)
    (pictures / "z.png").write_bytes(third)
    Image.new("RGB", (100, 50), "navy").save(files[2])
    summary = annotate(make_job(always()))
    assert summary["decisions_of_renamed_pictures"] == len(note_of) and summary["decisions_set_aside"] == 0
    for uid, decision in read_decisions(job.out / "decisions.csv").items():
        path, _, category = uid.partition("#")
        assert note_of[(pictures / path).read_bytes(), category] == decision.note


def test_a_decision_that_is_saved_meanwhile_is_not_lost(make_job, pictures, monkeypatch):
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        Image.new("RGB", (100, 50), (number, 90, 200)).save(path)
    job = make_job(always())
    annotate(job)
    first, second, _ = ReviewQueue(job.out).ids
    write_decisions(job.out / "decisions.csv", [Decision(first, "skip")])
    (pictures / first.partition("#")[0]).rename(pictures / "renamed.png")
    looked = outputs._renamed

    def reviewing(*arguments):
        found = looked(*arguments)
        write_decisions(job.out / "decisions.csv", [Decision(first, "skip"), Decision(second, "skip")])
        return found

    monkeypatch.setattr(outputs, "_renamed", reviewing)
    annotate(make_job(always()))
    assert second in read_decisions(job.out / "decisions.csv")


@pytest.mark.parametrize("name", ["annotations.csv", "queue.jsonl", "yolo/labels/1.txt", "decisions.csv", ""])
def test_a_folder_that_holds_what_would_be_replaced_is_refused(make_job, pictures, name):
    job = make_job(always())
    if name:
        (job.out / name).parent.mkdir(parents=True)
        (job.out / name).write_text("mine")
    else:
        job = replace(job, out=pictures)
    before = sorted(pictures.rglob("*"))
    with pytest.raises(ConfigError, match="is there already, and|is the folder of the pictures"):
        annotate(job)
    assert sorted(pictures.rglob("*")) == before
    assert not name or (job.out / name).read_text() == "mine"


def test_decisions_on_pictures_that_are_not_asked_about_hold_when_they_are_again(make_job, pictures):
    job = make_job(always())
    annotate(job)
    decided = [Decision(uid, "skip") for uid in ReviewQueue(job.out).ids]
    write_decisions(job.out / "decisions.csv", decided)
    assert annotate(make_job(always(), categories=("dog",)))["decisions_set_aside"] == 0
    name = decided[0].id.partition("#")[0]
    Image.new("RGB", (100, 50), "navy").save(pictures / name)
    assert annotate(make_job(always()))["decisions_set_aside"] == 1, "which is another picture by now"
    assert read_decisions(job.out / "decisions.csv").keys() == {of.id for of in decided[1:]}


def test_files_for_other_programs_hold_what_people_decided(make_job):
    job = make_job(always(), formats=("csv",))
    assert annotate(job)["decisions_in_files"] == 0
    before, model = (job.out / "annotations.csv").read_text(), (job.out / "annotations.jsonl").read_text()
    uid = ReviewQueue(job.out).ids[0]
    write_decisions(job.out / "decisions.csv", [Decision(uid, "edit", "[[1, 2, 30, 40]]")])
    assert annotate(make_job(always(), formats=("csv",)))["decisions_in_files"] == 1
    after = (job.out / "annotations.csv").read_text()
    changed = [b for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(changed) == 1 and changed[0].startswith(uid.partition("#")[0]) and "30" in changed[0]
    assert (job.out / "annotations.jsonl").read_text() == model, "the answers of the model, which are scored"
    for wrong in ("[[1, 2, 3000, 40]]", "no boxes"):
        write_decisions(job.out / "decisions.csv", [Decision(uid, "edit", wrong)])
        summary = annotate(make_job(always(), formats=("csv",)))
        assert summary["decisions_in_files"] == 0 and "decide it again" in summary["left_out"]["decisions"][0]
        assert (job.out / "annotations.csv").read_text() == before


def test_odd_texts_stay_text_in_every_format(make_job):
    job = make_job(always(HOSTILE), categories=('</script>"&', "dog"))
    assert annotate(job)["answers"] == {"annotated": 6}
    reason = '</script>"\n\u2028,=1+1 \x00 <img src=x onerror=alert(1)> {{7*7}}'
    assert {line["reason"] for line in lines(job.out)} == {reason}
    assert ReviewQueue(job.out).item(0).reason == reason


def test_folders_that_cannot_be_annotated_or_written(make_job, pictures, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="expected a folder; choose another --out"):
        annotate(make_job(always(), out=tmp_path / "file"))
    with pytest.raises(ConfigError, match="is not a folder; name the folder of your pictures"):
        annotate(make_job(always(), pictures=tmp_path / "absent"))
    shutil.rmtree(pictures / "sub")
    for path in pictures.iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="holds no pictures"):
        annotate(make_job(always()))
    assert not (tmp_path / "out").exists()


def test_two_pictures_with_one_yolo_label_file_are_told(make_job, pictures):
    write_pictures(pictures, ("a.bmp",))
    summary = annotate(make_job(always()))
    assert list(summary["left_out"]) == ["yolo"] and "a.png has the name of" in summary["left_out"]["yolo"][0]
    assert len(lines(make_job(always()).out)) == 4


def test_a_kind_of_a_few_lines_is_annotated(make_job, monkeypatch):
    monkeypatch.setitem(KINDS, "word", WordKind())
    spec = BenchmarkSpec("birds", "word", "exact", "Which bird is this?")
    words = iter(["heron", "heron", "crane"] * 3)
    model = ScriptedModel(lambda prompt, number: think(next(words)))
    job = make_job(model, spec=spec, categories=(), samples=3, formats=("label-studio", "csv"))
    annotate(job)
    assert {(line["annotation"][0], line["confidence"]) for line in lines(job.out)} == {("heron", 0.5)}
    assert ReviewQueue(job.out).item(0).suggested == Word("heron")
    assert (job.out / "annotations.csv").read_text().split("\n")[1].startswith("a.png,heron,0.5,")
    (task, *_) = json.loads((job.out / "label-studio.json").read_text())
    assert task["predictions"][0]["result"][0]["value"] == {"text": ["heron"]}
