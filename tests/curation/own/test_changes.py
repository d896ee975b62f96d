"""Changes of a recipe or its data: those that matter are seen, and what they spoil is deleted."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rise_bench.curation.own import picture_hashes
from rise_bench.curation.own import run as own_run
from rise_bench.curation.own.changes import discard, find_changes, record, refuse_changes, restore_answers
from rise_bench.curation.own.machine import Machine, smallest
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.recipe import DataSection, EndpointSection, EvalSection, Recipe
from rise_bench.curation.own.run import _make_room, run_recipe, states
from rise_bench.curation.own.setup import Wanted, _recipe
from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.errors import ConfigError
from rise_bench.files.atomic import sha256_bytes, sha256_file
from rise_bench.files.settings_record import SETTINGS_NAME

from ...support.plain_data import write_plain

CONTENT = "files of data.pictures and data.labels"
ASKED = Recipe(
    "pets",
    DataSection("../photos"),
    endpoint=EndpointSection(("http://localhost:8000/v1",), "teacher"),
)
WHOLE = smallest(
    replace(
        ASKED,
        model={"name": "Qwen/Qwen2-VL-2B-Instruct", "attn_implementation": "sdpa"},
        rise_r1={},
        eval=EvalSection(),
    ),
    Machine(1, 80 * 2**30),
    100,
)
WHOLE = replace(WHOLE, rise_cot=None)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (folder := tmp_path / "photos" / "labels").mkdir(parents=True)
    (folder.parent / "1.jpg").write_bytes(b"x" * 10)
    (folder / "1.txt").write_text("0 .5 .5 .5 .5")
    return folder.parent


def ran(plan: Plan) -> Plan:
    """The plan, with what is left behind by all of its stages."""
    record(plan)
    for stage, jobs in plan.stages().items():
        for path in plan.outputs(stage):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(exist_ok=True) if path != plan.page else path.write_text("")
        for job in jobs:
            plan.folder.log(job.name).parent.mkdir(parents=True, exist_ok=True)
            plan.folder.write(job, 1.0, done=True)
    return plan


def test_a_section_that_is_put_back_does_not_count_as_done(tmp_path: Path, photos: Path) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", WHOLE))
    assert find_changes(plan).stages == ()
    other = replace(ASKED, endpoint=replace(ASKED.endpoint, model="another"), model=WHOLE.model)
    without = Plan(plan.file, other)
    changes = find_changes(without)
    assert changes.stages == ("collect", "check")
    discard(without, changes)
    assert not plan.run("rise_r1").exists() and not (plan.out / "eval").exists()
    back = Plan(plan.file, replace(WHOLE, endpoint=other.endpoint))
    left = {job.name: plan.folder.done_seconds(job.name) for jobs in back.stages().values() for job in jobs}
    assert {name for name, seconds in left.items() if seconds} == {"build"}


def test_a_training_that_nothing_spoils_is_kept(tmp_path: Path, photos: Path) -> None:
    trained = replace(WHOLE, endpoint=None, rise_cot=dict(WHOLE.rise_r1), rise_r1=None, eval=None)
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", trained))
    without = Plan(plan.file, replace(ASKED, model=trained.model))
    discard(without, find_changes(without))
    assert plan.run("rise_cot").exists()


@pytest.mark.parametrize(
    ("change", "tau", "kept"),
    [
        ({"title": "Pets"}, 0.75, True),
        ({"title": "Pets", "license": "mit"}, 0.5, True),
        ({"question": "Which pet?"}, 0.75, False),
    ],
)
def test_what_was_paid_for_is_kept_where_the_rows_are_the_same(
    tmp_path: Path, photos: Path, change: dict[str, str], tau: float, kept: bool
) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    changed = replace(ASKED, data=replace(ASKED.data, **change), collect=replace(ASKED.collect, tau=tau))
    other = Plan(plan.file, changed)
    changes = find_changes(other)
    assert changes.stages == ("build", "collect", "check")
    discard(other, changes)
    assert not plan.dataset.exists() and plan.cots.with_name("cots.rollouts").exists() == kept


def test_what_was_paid_for_is_kept_where_the_same_pictures_lie_elsewhere(
    tmp_path: Path, photos: Path
) -> None:
    recipe = replace(ASKED, data=replace(ASKED.data, pictures=str(photos)))
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", recipe))
    photos.rename(tmp_path / "elsewhere")
    moved = replace(recipe, data=replace(recipe.data, pictures=str(tmp_path / "elsewhere")))
    other = Plan(plan.file, moved)
    changes = find_changes(other)
    assert changes.settings.keys() == {"data.pictures"}
    discard(other, changes)
    assert plan.cots.with_name("cots.rollouts").exists() and not plan.dataset.exists()
    (plan.out / "recipe.json").unlink()
    discard(other, replace(changes, settings={}))
    assert not plan.cots.with_name("cots.rollouts").exists(), "nobody knows what they were asked about"


def test_what_was_paid_for_is_kept_where_the_folder_was_moved(tmp_path: Path, photos: Path) -> None:
    ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    (tmp_path / "out").rename(tmp_path / "moved")
    plan = Plan(tmp_path / "moved" / "rise.yaml", ASKED)
    changes = find_changes(plan)
    assert changes.settings == {} and "build" in changes.stages
    discard(plan, changes)
    assert plan.cots.with_name("cots.rollouts").exists() and not plan.dataset.exists()


@pytest.mark.parametrize("same_rows", [True, False])
def test_what_was_paid_for_is_kept_where_the_dataset_is_built_again_with_the_same_rows(
    tmp_path: Path, photos: Path, same_rows: bool
) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    plan.kept_answers.rmdir()  # of an earlier start that was killed, as `ran` has it
    (photos / "new.jpg").write_text("x")
    discard(plan, find_changes(plan))
    assert not plan.answers.exists() and plan.kept_answers.exists()
    rows = write_plain(tmp_path / "built", 3)
    rows.root.rename(plan.dataset)
    settings = {"benchmark_sha256": rows.sha256 if same_rows else "0" * 64}
    (plan.kept_answers / SETTINGS_NAME).write_text(json.dumps(settings))
    restore_answers(plan)
    assert plan.answers.exists() == same_rows and not plan.kept_answers.exists()


def test_kept_answers_of_another_model_are_not_taken_back(tmp_path: Path, photos: Path) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    plan.kept_answers.rmdir()
    (photos / "new.jpg").write_text("x")
    discard(plan, find_changes(plan))
    record(plan)
    assert plan.kept_answers.exists(), "the build was interrupted"
    (photos / "new.jpg").unlink()
    record(Plan(plan.file, replace(ASKED, endpoint=replace(ASKED.endpoint, model="another"))))
    assert not plan.kept_answers.exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"endpoint": replace(ASKED.endpoint, url=("http://localhost:9000/v1",))},
            "first run: rise-bench collect",
        ),
        (
            {"data": replace(ASKED.data, title="Pets")},
            "answers are kept if the dataset still has the same rows",
        ),
        ({"shots": "4-shot"}, None),
    ],
)
def test_it_is_said_that_answers_are_kept(
    tmp_path: Path, photos: Path, changed: Any, told: str | None
) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    with pytest.raises(ConfigError, match="--repeat") as caught:
        refuse_changes(Plan(plan.file, replace(ASKED, **changed)))
    assert ("answers are kept" in str(caught.value)) == (told is not None) and (told or "") in str(
        caught.value
    )


def test_a_report_of_what_was_collected_or_changed_since_is_not_done(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    plan.kept_answers.rmdir()
    written: list[Plan] = []
    monkeypatch.setattr(own_run, "write_scores", lambda _: [])
    monkeypatch.setattr(own_run, "write_page", lambda of, _: written.append(of))
    monkeypatch.setattr(own_run, "summary", lambda _: {})
    run_recipe(plan)
    assert states(plan)[-1].done and not written
    assert states(plan)[-1].commands == (f"rise-bench run {plan.file} --stage report",)
    other = Plan(plan.file, replace(ASKED, shots="4-shot"))
    assert [state.stage for state in states(other) if state.to_repeat] == ["collect", "check", "report"]
    run_recipe(plan, "report")
    assert len(written) == 1, "it was asked for by name"
    (plan.cots / MANIFEST_NAME).touch()
    later = plan.page.stat().st_mtime + 10
    os.utime(plan.cots / MANIFEST_NAME, (later, later))
    assert not states(plan)[-1].done
    run_recipe(plan)
    assert len(written) == 2


def test_labels_beside_a_list_of_classes_are_watched(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\n")
    recipe = replace(ASKED, data=replace(ASKED.data, labels=str(tmp_path / "classes.txt")))
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", recipe))
    (photos / "labels" / "1.txt").write_text("0 .5 .5 .4 .4")
    assert find_changes(plan).stages == ("build", "collect", "check")


def test_only_pictures_are_watched_where_the_labels_lie_elsewhere(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\n1.jpg,cat\n")
    recipe = replace(ASKED, data=replace(ASKED.data, labels=str(tmp_path / "labels.csv")))
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", recipe))
    (photos / "notes.txt").write_text("by hand")
    assert find_changes(plan).stages == ()
    (tmp_path / "labels.csv").write_text("file,label\n1.jpg,dog\n")
    assert find_changes(plan).stages == ("build", "collect", "check")


@pytest.mark.parametrize(
    ("path", "content", "seen"),
    [
        ("labels/1.txt", "1 .5 .5 .5 .5", True),
        ("2.jpg", "x", True),
        (".DS_Store", "x", False),
        ("labels/.~lock.1.txt#", "x", False),
        ("Thumbs.db", "x", False),
    ],
)
@pytest.mark.parametrize("out", ["out", "."])
def test_what_a_build_reads_is_watched_and_nothing_else(
    tmp_path: Path, photos: Path, out: str, path: str, content: str, seen: bool
) -> None:
    """Also where everything is made in the folder above the pictures."""
    recipe = replace(ASKED, data=DataSection(str(photos)))
    plan = ran(Plan(tmp_path / out / "rise.yaml", recipe))
    (photos / path).write_text(content)
    assert bool(find_changes(plan).stages) == seen


@pytest.mark.parametrize("settled", [True, False])
def test_pictures_of_equal_size_that_change_places_are_seen(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    for name in ("0.bmp", "1.bmp"):
        (photos / name).write_bytes(name.encode() * 9)
        os.utime(photos / name, (1e9, 1e9))
    monkeypatch.setattr(picture_hashes, "_SETTLED_S", -1.0 if settled else 3600.0)
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    assert find_changes(plan).stages == ()
    assert (plan.folder.path / ".pictures.cache").exists() == settled
    (photos / "0.bmp").rename(photos / "2.bmp")
    (photos / "1.bmp").rename(photos / "0.bmp")
    (photos / "2.bmp").rename(photos / "1.bmp")
    assert find_changes(plan).stages == ("build", "collect", "check")


def test_a_start_reads_only_pictures_that_changed(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_hashes, "_SETTLED_S", -1.0)
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    read: list[Path] = []
    monkeypatch.setattr(picture_hashes, "sha256_once", lambda path: str(read.append(path)))
    (photos / "2.jpg").write_text("x")
    assert find_changes(plan).stages and read == [photos / "2.jpg"]
    (plan.folder.path / ".pictures.cache").write_text("{")
    read.clear()
    find_changes(plan)
    assert read == [photos / "1.jpg", photos / "2.jpg"]


def test_a_record_of_sizes_is_good_until_the_next_start(tmp_path: Path, photos: Path) -> None:
    plan = ran(Plan(tmp_path / "out" / "rise.yaml", ASKED))
    listed = f"1.jpg 10\nlabels/1.txt {sha256_file(photos / 'labels' / '1.txt')}"
    file = plan.out / "recipe.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {CONTENT: sha256_bytes(listed.encode())[:16]}))
    assert find_changes(plan).settings == {}
    record(plan)
    (photos / "1.jpg").write_bytes(b"y" * 10)
    assert find_changes(plan).settings.keys() == {CONTENT}
    file.write_text(json.dumps(json.loads(file.read_text()) | {CONTENT: "0" * 16}))
    assert find_changes(plan).stages == ("build", "collect", "check")


def test_the_pictures_are_found_from_behind_a_link(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "volume" / "far" / "scratch").mkdir(parents=True)
    (tmp_path / "scratch").symlink_to(tmp_path / "volume" / "far" / "scratch")
    wanted = Wanted(photos, None, DataSection(""), out=tmp_path / "scratch" / "mine")
    assert Plan(wanted.folder / "rise.yaml", _recipe(wanted)).pictures == photos


def test_nothing_is_made_among_the_pictures(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    assert Wanted(Path(), None, DataSection("")).folder == tmp_path / "photos-rise"
    monkeypatch.chdir(tmp_path)
    assert Wanted(Path("photos"), None, DataSection("")).folder == tmp_path / "photos-rise"


@pytest.mark.parametrize("gpus", range(1, 9))
def test_a_step_holds_whole_groups_on_any_number_of_gpus(gpus: int) -> None:
    grpo = smallest(WHOLE, Machine(gpus, 80 * 2**30), 100).rise_r1["grpo"]
    rollouts = grpo["rollouts_per_device"] * gpus * grpo["gradient_accumulation_steps"]
    assert rollouts % grpo["num_generations"] == 0 and 128 <= rollouts < 256


@pytest.mark.parametrize("case", ["pictures", "a file", "of another", "killed build"])
def test_nothing_is_deleted_in_the_place_of_the_dataset(tmp_path: Path, photos: Path, case: str) -> None:
    rows = write_plain(tmp_path / "built", 3)
    name = rows.spec.name if case == "killed build" else "pets"
    plan = Plan(tmp_path / "out" / "rise.yaml", replace(ASKED, name=name))
    plan.dataset.parent.mkdir(parents=True)
    if case == "pictures":
        plan.dataset.mkdir()
        (plan.dataset / "1.jpg").touch()
    elif case == "a file":
        plan.dataset.touch()
    else:
        rows.root.rename(plan.dataset)
    for _ in range(2):
        with pytest.raises(ConfigError, match="would take its place|is there already"):
            run_recipe(plan, "build")
        assert plan.dataset.exists() and not plan.folder.is_known("build")
    plan.folder.path.mkdir(parents=True, exist_ok=True)
    plan.folder.write(plan.stages()["build"][0], 1.0, done=False)
    if case == "killed build":
        _make_room(plan)
        assert not plan.dataset.exists()
        assert (plan.dataset.parent / f".{name}.before-1" / MANIFEST_NAME).is_file()
    else:
        with pytest.raises(ConfigError, match="would take its place"):
            _make_room(plan)
        assert plan.dataset.exists()
    plan.folder.write(plan.stages()["build"][0], 1.0, done=True)
    _make_room(plan)


def test_a_new_name_deletes_no_pictures_that_lie_there(tmp_path: Path) -> None:
    pictures = tmp_path / "data" / "photos"
    pictures.mkdir(parents=True)
    (pictures / "1.jpg").touch()
    recipe = replace(ASKED, out=".", data=replace(ASKED.data, pictures="data/photos"))
    plan = ran(Plan(tmp_path / "rise.yaml", recipe))
    renamed = Plan(plan.file, replace(recipe, name="photos"))
    assert "build" in find_changes(renamed).stages and renamed.dataset == pictures
    with pytest.raises(ConfigError, match="photos holds other files, and the dataset photos would take"):
        run_recipe(renamed, repeat=True)
    assert (pictures / "1.jpg").is_file() and plan.dataset.exists()
