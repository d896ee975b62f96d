"""Reason-RFT: the official layout, its traps, and its tests as benchmarks of their own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold
from rise_bench.builders import reason_rft as builder
from rise_bench.builders.formats.reason_rft_files import plain_cot, plain_question
from rise_bench.builders.reason_rft import FILES, NO_IMAGE, UNREADABLE, Task
from rise_bench.catalog.benchmarks import BENCHMARKS, get_benchmark
from rise_bench.catalog.parts import parts_of
from rise_bench.catalog.reason_rft import REASON_RFT
from rise_bench.cli import app
from rise_bench.cli.build import _refuse_others
from rise_bench.cot.check import check_folder
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.given_cots import GivenCots, read_cots, terms_of
from rise_bench.cot.share import Share
from rise_bench.cot.unverified import write_unverified
from rise_bench.data.dataset import open_dataset
from rise_bench.data.pictures import pictures_of
from rise_bench.data.writer import IN_BOTH_SPLITS, write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.score_run import score_baselines
from rise_bench.hub.find import find_benchmark
from rise_bench.hub.publish import _check_texts, preview

from ..support.made_reason_rft import COT, ROWS, reason_rft, records, write_images, write_records
from ..support.scripted_model import ScriptedModel

TASKS = tuple(FILES)


def built(folder: Path, task: Task, monkeypatch: pytest.MonkeyPatch, rows: int = 3) -> Path:
    """Build a task where tasks look for it; the fixture has fewer rows than the official files."""
    source = reason_rft(folder / "source", task, rows)
    monkeypatch.setenv("RISE_BENCH_DATA", str(folder))
    command = ["build", "reason_rft", "--task", task, "--source", str(source), "--out", str(folder / task)]
    done = CliRunner().invoke(app, [*command, "--allow-partial", "--json"])
    assert done.exit_code == 0, done.output
    return folder / task


@pytest.mark.parametrize("task", TASKS)
def test_official_layout_gives_a_checked_dataset_with_every_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    folder = built(tmp_path, task, monkeypatch)
    dataset = open_dataset(folder)
    assert check_folder(folder) == []
    assert dataset.manifest.counts == {"train": 3} | dict.fromkeys(FILES[task].tests, 3)
    for split, count in dataset.manifest.counts.items():
        golds = {gold.id.rpartition("-")[2]: gold for gold in dataset.golds(split)}
        assert len(golds) == count
        for i, (question, answer) in enumerate(ROWS[task]):
            assert golds[str(i)].question == question
            assert render_gold(golds[str(i)]) == answer
    assert {len(pictures_of(row)) for row in dataset.rows("train")} == {dataset.spec.images_per_row}
    notes = " ".join(dataset.manifest.differences)
    assert f"{FILES[task].train}.json: 3 records with the keys id, image, problem, answer, cot" in notes
    tasks = (folder / "eval.yaml").read_text()
    assert all(f"id: rise_{name}\n" in tasks for name in parts_of(task))


def test_without_allow_partial_the_number_of_official_rows_is_asked_for(tmp_path: Path) -> None:
    plan = builder.plan(reason_rft(tmp_path, "structure"), task="structure")
    assert plan.shortfalls == [
        "Structure-Perception-id-test-820.json has 3 records, the official file 820",
        "Structure-Perception-ood-test-800.json has 3 records, the official file 800",
    ]
    with pytest.raises(DataError, match="is incomplete: .*820"):
        write_dataset(plan, tmp_path / "out")


@pytest.mark.parametrize("task", TASKS)
def test_a_further_test_is_a_benchmark_with_the_same_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    folder = built(tmp_path, task, monkeypatch)
    whole = open_dataset(folder)
    hashes = {whole.sha256}
    for name, split in parts_of(task).items():
        part = find_benchmark(name)
        assert part.spec.name == name and part.spec.hub_id == whole.spec.hub_id
        assert part.golds("test") == whole.golds(split)
        assert part.train_golds() == whole.train_golds()
        if split != "test":
            assert part.manifest.counts == {"train": 3, "test": 3}
        hashes.add(part.sha256)
        floors = score_baselines(part, resamples=0)
        assert floors, "baselines are fitted to the training rows"
    assert len(hashes) == len(parts_of(task))


def test_floors_of_an_out_of_domain_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = built(tmp_path, "counting", monkeypatch)
    by_name = CliRunner().invoke(app, ["baselines", "counting_ood", "--json", "--resamples", "0"])
    by_split = CliRunner().invoke(
        app, ["baselines", str(folder), "--split", "ood", "--json", "--resamples", "0"]
    )
    assert by_name.exit_code == by_split.exit_code == 0, by_name.output
    floors = {name: of["metrics"]["accuracy"]["value"] for name, of in json.loads(by_name.stdout).items()}
    assert floors == {"most_frequent": pytest.approx(1 / 3), "median": pytest.approx(1 / 3)}
    for name, of in json.loads(by_split.stdout).items():
        assert of["metrics"] == json.loads(by_name.stdout)[name]["metrics"]


def test_unverified_chains_of_thought_have_no_tags_and_no_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(tmp_path, "transformation", monkeypatch)
    assert check_folder(tmp_path / "transformation-cot") == []
    cots = open_cots(tmp_path / "transformation-cot")
    assert cots.manifest.unverified
    rows = list(cots.rows())
    assert {row["id"] for row in rows} == {gold.id for gold in open_dataset(folder).golds("train")}
    for row in rows:
        assert row["cot"] == "The cube is red at first and blue at last."
        assert row["reward"] is row["similarity"] is row["group_rewards"] is None
        assert json.loads(row["provenance"])["told_the_answer"] is True
        assert len(pictures_of(row)) == 2
    assert set(cots.texts()) == {row["id"] for row in rows}
    with pytest.raises(DataError, match="unverified chains of thought, without rewards"):
        cots.texts(min_reward=0.75)
    card = (tmp_path / "transformation-cot" / "README.md").read_text()
    assert "**Unverified:**" in card and "`gpt-4o-2024-08-06`" in card


def test_leaks_of_unverified_chains_of_thought_are_marked(tmp_path: Path) -> None:
    plan = builder.read(reason_rft(tmp_path, "counting"), task="counting").plan
    write_dataset(plan, tmp_path / "out", allow_partial=True)
    dataset = open_dataset(tmp_path / "out")
    texts = {
        gold.id: f"I look at each. The answer is {gold.annotation.text}." for gold in dataset.golds("train")
    }
    texts["counting/train/train-0"] = "Two stand on the left and one on the right."
    write_unverified(dataset, texts, {"model": "m"}, tmp_path / "cots")
    leaks = {row["id"]: row["leak_numbers"] for row in open_cots(tmp_path / "cots").rows()}
    assert leaks == {uid: uid != "counting/train/train-0" for uid in texts}


def test_geometry3k_is_not_trained_on_where_it_is_the_test(tmp_path: Path) -> None:
    source = reason_rft(tmp_path, "structure")
    extra = records("structure", "train", 7000)
    write_images(source / "images" / "train_images", extra, 7000)
    write_records(source / "train_jsons" / "Geometry3K-train-3794-cot.json", extra)
    write_records(source / "train_jsons" / "GeoQA-train-1500-cot.json", extra)
    with pytest.raises(ConfigError, match="holds geometry3k, the out-of-domain test of structure"):
        builder.plan(source, task="structure", also=("Geometry3K",))
    extra[1]["image"] = "geometry_3k/1.png"
    write_records(source / "train_jsons" / "GeomVerse-train-2841-cot.json", extra)
    with pytest.raises(ConfigError, match="GeomVerse.* holds geometry3k"):
        builder.plan(source, task="structure", also=("GeomVerse",))
    plan = builder.plan(source, task="structure", also=("geoqa",))
    assert len(plan.train) == 6 and plan.options["also"] == "geoqa"
    assert {row.id.rsplit("/", 1)[0] for row in plan.train} == {
        "structure/train",
        "structure/train/GeoQA-train-1500-cot",
    }
    with pytest.raises(ConfigError, match=r"names 3 files .*choose one of GeoQA-train-1500-cot, GeomVerse"):
        builder.plan(source, task="structure", also=("Geo",))


def test_a_training_image_of_an_out_of_domain_test_leaves_train(tmp_path: Path) -> None:
    source = reason_rft(tmp_path / "source", "counting")
    (ood,) = (p for p in (source / "images" / "test_images").glob("visual-counting-ood_*0.png"))
    (source / "images" / "train_images" / "train_1001.png").write_bytes(ood.read_bytes())
    plan = builder.plan(source, task="counting")
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert manifest.counts == {"train": 2, "test": 3, "ood": 3}
    assert len(manifest.drops[IN_BOTH_SPLITS]) == 1


def test_two_tests_may_ask_about_one_image(tmp_path: Path) -> None:
    """TRANCE shows one initial state, and the final one from the left or the right."""
    source = reason_rft(tmp_path / "source", "transformation")
    left, right = (FILES["transformation"].tests[split][0] for split in ("ood_left", "ood_right"))
    path = source / "test_jsons" / f"{right}.json"
    content = json.loads(path.read_text())
    content[0]["image"][0] = json.loads((source / "test_jsons" / f"{left}.json").read_text())[0]["image"][0]
    write_records(path, content)
    plan = builder.plan(source, task="transformation")
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert set(manifest.counts.values()) == {3}
    assert check_folder(tmp_path / "out") == []


def test_older_keys_and_prompts_around_the_question_are_read(tmp_path: Path) -> None:
    source = reason_rft(tmp_path, "counting")
    path = source / "test_jsons" / f"{FILES['counting'].tests['test'][0]}.json"
    content = json.loads(path.read_text())
    tail = " Output the thinking process in <think> </think> and final answer in <answer> </answer> tags."
    content[0] |= {"problem_no_prompt": content[0]["problem"], "problem": content[0]["problem"] + tail}
    content[1]["problem"] = "<image>" + content[1]["problem"] + tail
    for row in content:
        row["solution"] = f"<answer> {row.pop('answer')} </answer>"
        row["level"] = 1
    write_records(path, content)
    plan = builder.plan(source, task="counting")
    assert [(row.question, row.annotation.text) for row in plan.test] == list(ROWS["counting"])
    assert any("keys id, image, problem, problem_no_prompt, solution, level" in note for note in plan.notes)


def test_the_page_of_rules_of_a_transformation_is_left_out() -> None:
    rules = "Your need to complete the task. Answer within <answer>...</answer>\n\nNow, it's your turn!\n\n"
    asked = (
        "The objects are [].  Output the thinking process in <think> </think> and final answer in <answer> …"
    )
    assert plain_question(rules + asked) == "The objects are []."
    choice = "Which?\nA. 1\nB. 2 Please select the correct answer by writing the letter (A, B, C or D) of "
    assert (
        plain_question(choice + "your choice.\nOutput the thinking process in <think> …")
        == "Which?\nA. 1\nB. 2"
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (COT, "The cube is red at first and blue at last."),
        ("<think>a</think>", "a"),
        ("Answer: [x]\n<think>a <think> b</think><answer>3</answer>", "b"),
        ("No tags at all.", "No tags at all."),
        ("No end of it <answer>3", "No end of it"),
        ("", ""),
    ],
)
def test_tags_of_a_chain_of_thought_are_stripped(text: str, plain: str) -> None:
    assert plain_cot(text) == plain


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"picture": "x.png"}, r"has the keys 'id', 'problem', 'answer', 'picture', expected also image"),
        ({"image": "../x.png"}, "record 1: image name '../x.png' leaves the folder"),
        ({"image": 7}, "record 1: image is 7, expected a file name or a list"),
        ({"image": ["a.png", "b.png"]}, "record 1 has 2 images, counting has 1; it is of another task"),
    ],
)
def test_a_record_of_another_form_is_named(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    source = reason_rft(tmp_path, "counting")
    path = source / "train_jsons" / f"{FILES['counting'].train}.json"
    content = json.loads(path.read_text())
    if "picture" in changes:
        for row in content:
            del row["image"], row["cot"]
    content[0] |= changes
    write_records(path, content)
    with pytest.raises(DataError, match=problem):
        builder.plan(source, task="counting")


def test_a_file_that_is_no_list_and_a_folder_without_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no file of counting, such as train_jsons/A3-"):
        builder.plan(tmp_path, task="counting")
    path = tmp_path / "train_jsons" / f"{FILES['counting'].train}.json"
    write_records(path, {"rows": []})
    with pytest.raises(DataError, match="expected a list of records"):
        builder.plan(tmp_path, task="counting")
    path.write_text("[{")
    with pytest.raises(DataError, match="is not JSON"):
        builder.plan(tmp_path, task="counting")
    with pytest.raises(ConfigError, match="no task 'maths'"):
        builder.plan(tmp_path, task="maths")  # type: ignore[arg-type]


def test_missing_images_are_dropped_and_said_and_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    source = reason_rft(tmp_path, "transformation")
    (source / "images" / "train_images" / "train_1001_last.png").unlink()
    plan = builder.plan(source, task="transformation")
    assert [Path(text.split(" ")[0]).name for text in plan.drops[NO_IMAGE]] == ["train_1001_last.png"]
    assert "images are missing, e.g. train_1001_last.png" in " ".join(plan.shortfalls)
    for path in (source / "images" / "test_images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"is in none of .*; unpack test_images\.zip"):
        builder.plan(source, task="transformation")


def test_an_answer_that_cannot_be_read_is_left_out_and_many_are_an_error(tmp_path: Path) -> None:
    source = reason_rft(tmp_path, "structure")
    path = source / "train_jsons" / f"{FILES['structure'].train}.json"
    content = json.loads(path.read_text())
    content[2]["answer"] = "3 or 4"
    write_records(path, content)
    plan = builder.plan(source, task="structure")
    assert len(plan.train) == 2
    assert plan.drops[UNREADABLE] == [f"{path.name} record 3: '3 or 4' (several_values)"]
    content[1]["answer"] = "12\\sqrt{3} or more"
    write_records(path, content)
    with pytest.raises(DataError, match="2 of 3 answers cannot be read as value"):
        builder.plan(source, task="structure")


def test_ids_that_repeat_become_numbers(tmp_path: Path) -> None:
    source = reason_rft(tmp_path, "counting")
    path = source / "train_jsons" / f"{FILES['counting'].train}.json"
    content = json.loads(path.read_text())
    content[1]["id"] = content[0]["id"]
    write_records(path, content)
    plan = builder.plan(source, task="counting")
    assert [row.id for row in plan.train] == [f"counting/train/{n}" for n in (1, 2, 3)]
    assert any("because two records have one id" in note for note in plan.notes)


def test_texts_and_chains_of_thought_that_are_not_ours_are_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(tmp_path, "structure", monkeypatch)
    with pytest.raises(
        ConfigError, match=r"questions and answers of structure may not be republished: GeoMath"
    ):
        preview(tmp_path / "structure", "rise/structure")
    built(tmp_path / "more", "counting", monkeypatch)
    with pytest.raises(ConfigError, match="made elsewhere, under terms of their own"):
        preview(tmp_path / "more" / "counting-cot", "rise/counting-cot")


def test_all_specs_are_by_reference() -> None:
    names = {spec.name for spec in REASON_RFT}
    assert {BENCHMARKS[name].images for name in names} == {"reference"}
    assert {name for name in names if BENCHMARKS[name].texts == "reference"} == {"structure", "structure_ood"}
    assert get_benchmark("transformation_left").part_of == "transformation"


def test_a_name_of_a_test_says_how_its_dataset_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"rise-bench build reason_rft --task counting --source DIR"):
        find_benchmark("counting_ood")
    source = reason_rft(tmp_path / "source", "counting")
    (source / "test_jsons" / f"{FILES['counting'].tests['ood'][0]}.json").unlink()
    write_dataset(builder.plan(source, task="counting"), tmp_path / "counting", allow_partial=True)
    with pytest.raises(DataError, match="has no split 'ood', which counting_ood is; it has train, test"):
        find_benchmark("counting_ood")


def test_the_closed_loop_verifies_them_with_both_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(tmp_path, "transformation", monkeypatch)
    dataset = open_dataset(folder)
    golds = {pictures_of(row): row["solution"] for row in dataset.rows("train")}
    model = ScriptedModel(lambda prompt, number: golds.get(prompt.images, "<answer>nothing</answer>"))
    cots = tmp_path / "transformation-cot"
    given = GivenCots(read_cots(cots), "transformation-cot", terms=terms_of(cots))
    job = CollectJob(
        dataset,
        "full",
        tmp_path / "verified",
        tmp_path / "logs",
        LoopSettings(samples=1),
        given.splits(dataset, "full"),
        sampler=lambda: model,
        model={"model": "scripted"},
        only=frozenset(given.texts),
        given=given,
    )
    collect(job, Share())
    assert check_folder(tmp_path / "verified") == []
    rows = list(open_cots(tmp_path / "verified").rows())
    assert [row["reward"] for row in rows] == [1.0] * 3
    assert [row["reward_blind"] for row in rows] == [0.0] * 3, "without the pictures nothing is known"
    verified = open_cots(tmp_path / "verified")
    assert not verified.manifest.unverified
    assert terms_of(tmp_path / "verified") == "transformation"
    with pytest.raises(ConfigError, match="are those of transformation, under terms of their own"):
        _check_texts(verified)


def test_verified_chains_of_thought_are_not_replaced_by_unverified_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(tmp_path, "counting", monkeypatch)
    target = tmp_path / "counting-cot"
    _refuse_others(target)
    (target / "decisions.csv").write_text("id,action\n1,accept\n")
    with pytest.raises(ConfigError, match="1 decision, which would be deleted"):
        _refuse_others(target)
    (target / "decisions.csv").unlink()
    (target / "manifest.json").unlink()
    with pytest.raises(ConfigError, match="holds something else. Move it"):
        _refuse_others(target)
