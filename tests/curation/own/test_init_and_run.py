"""`init` and `run` with an API: from photos in folders to verified chains of thought, killed on the way."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from rise_bench.cot.check import check_folder
from rise_bench.cot.dataset import open_cots
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.experiments import jobs

from ...support.in_process import invoke
from ...support.made_sources import write_csv, write_photo
from ...support.openai_server import OpenAIServer, picture_key, serve

PICTURES = 8


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(PICTURES):
        write_photo(tmp_path / "My photos" / ("cat", "dog")[number % 2] / f"{number}.jpg", number)
    return tmp_path / "My photos"


class KilledError(Exception):
    pass


@pytest.fixture
def teacher(photos):
    """Explains well, but takes one dog for a cat."""
    truth = {picture_key(Image.open(path)): path.parent.name for path in photos.glob("*/*.jpg")}
    truth[picture_key(Image.open(photos / "dog" / "1.jpg"))] = "cat"

    def answer(picture, prompt):
        if "Reasoning:" in prompt:
            return f'<answer>{{"{truth[picture]}": 1.0}}</answer>'
        return "The coat of the animal and its surroundings are soft and warm."

    with serve(OpenAIServer(answer)) as server:
        yield server


def test_init_says_what_it_sees_and_writes_dataset_and_recipe(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = invoke("init", photos, "--yes").stdout
    assert "8 pictures, distribution (folders)" in printed and "2 classes: cat 4, dog 4" in printed
    assert "publish` sends ids, hashes, annotations and chains of thought, and no picture" in printed
    out = tmp_path / "my_photos-rise"
    assert check_folder(out / "data" / "my_photos") == []
    commands = [line for line in printed.splitlines() if line.startswith("  ") and "rise-bench" in line]
    assert [command.split()[2] for command in commands] == ["collect", "run", "publish"]
    with pytest.raises(ConfigError, match=r"rise\.yaml is there already"):
        invoke("init", photos, "--yes")
    with pytest.raises(ConfigError, match=r"endpoint\.model is empty"):
        invoke("run", out / "rise.yaml")


def test_init_takes_no_folder_with_results_of_an_earlier_recipe(photos, tmp_path):
    """They would count as done for the labels of now."""
    invoke("init", photos, "--out", tmp_path / "out", "--yes")
    (tmp_path / "out" / "rise.yaml").unlink()
    collected = {"arguments": [], "seconds": 1.0, "done": True}
    (tmp_path / "out" / "jobs" / "collect.json").write_text(json.dumps(collected))
    with pytest.raises(ConfigError, match=r"results of an earlier recipe \(collect\)"):
        invoke("init", photos, "--out", tmp_path / "out", "--yes")


def test_a_run_killed_at_the_end_of_its_build_goes_on(photos, tmp_path):
    invoke(
        "init", photos, "--out", tmp_path / "out", "--yes", "--endpoint", "http://127.0.0.1:9", "--model", "m"
    )
    record = tmp_path / "out" / "jobs" / "build.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"done": False}))
    invoke("run", tmp_path / "out" / "rise.yaml", "--stage", "build")
    assert check_folder(tmp_path / "out" / "data" / "my_photos") == []
    assert not list((tmp_path / "out" / "data").glob(".*before*")), "no copy is left"


def test_init_says_what_is_still_to_be_done_and_which_classes_are_absent(photos, tmp_path):
    for number in (3, 5, 7):
        (photos / "dog" / f"{number}.jpg").unlink()
    printed = invoke(
        "init", photos, "--out", tmp_path / "a", "--endpoint", "http://localhost:1/v1", "--yes"
    ).stdout
    assert "1. write endpoint.model" in printed and "--price-input 0.4 " in printed
    assert printed.count("warning: no ") == 1 and "row of dog; add pictures" in printed
    named = ("--endpoint", "http://localhost:1/v1", "--model", "m", "--yes")
    assert "1. rise-bench collect" in invoke("init", photos, "--out", tmp_path / "b", *named).stdout


def test_init_takes_the_seed_of_the_split(photos, tmp_path):
    tested = set()
    for seed in range(4):
        out = tmp_path / str(seed)
        asked = ("--endpoint", "http://localhost:1/v1", "--model", "m", "--seed", seed)
        invoke("init", photos, "--out", out, *asked, "--yes")
        states = json.loads(invoke("run", out / "rise.yaml", "--show", "--json").stdout)
        assert [state["stage"] for state in states if state["done"]] == ["build"]
        assert not any(state["to_repeat"] for state in states)
        assert f"seed: {seed}" in (out / "rise.yaml").read_text()
        dataset = open_dataset(out / "data" / "my_photos")
        assert dataset.manifest.seed == seed
        tested.add(tuple(row["id"] for row in dataset.rows("test", columns=["id"])))
    assert len(tested) > 1


def test_init_takes_no_folder_of_something_else(photos, tmp_path):
    data = tmp_path / "out" / "data" / "my_photos"
    data.mkdir(parents=True)
    (data / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds other files, .*choose another --out or --name"):
        invoke("init", photos, "--out", tmp_path / "out", "--yes")
    assert [path.name for path in data.iterdir()] == ["thesis.txt"]
    (data / "thesis.txt").unlink()
    invoke("init", photos, "--out", tmp_path / "out", "--yes")
    (tmp_path / "out" / "rise.yaml").unlink()  # as if it was interrupted before its last step
    invoke("init", photos, "--out", tmp_path / "out", "--yes")


def test_init_lists_every_problem_and_writes_nothing(photos, tmp_path):
    rows = [("cat/0.jpg", "cat"), ("cat/9.jpg", "cat"), ("dog/1.jpg", ""), ("dog/3.jpg", "dog")]
    write_csv(tmp_path / "labels.csv", ["file", "label"], rows)
    with pytest.raises(DataError, match=r"2 problems, nothing was written") as caught:
        invoke("init", photos, "--labels", tmp_path / "labels.csv", "--out", tmp_path / "out", "--yes")
    assert "9.jpg is missing" in str(caught.value) and "labels.csv line 4: no label" in str(caught.value)
    for path in photos.glob("*/*"):
        path.rename(photos / path.name)
    for folder in ("cat", "dog"):
        (photos / folder).rmdir()
    with pytest.raises(DataError, match="8 pictures and no annotations; name them with --labels"):
        invoke("init", photos, "--out", tmp_path / "out", "--json")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_run_goes_on_after_a_kill_and_says_what_a_change_repeats(photos, tmp_path, teacher, monkeypatch):
    out, address = tmp_path / "out", f"http://127.0.0.1:{teacher.port}/v1"
    invoke("init", photos, "--endpoint", address, "--model", "teacher", "--out", out, "--yes")
    recipe = out / "rise.yaml"

    with pytest.raises(ConfigError, match="stage check needs collect, which is not done"):
        invoke("run", recipe, "--stage", "check")

    # KilledError while it collects: what was answered is kept, and not asked again.
    real = jobs._has_ended

    def kill(child, folder):
        if child.job.name == "collect" and teacher.answered >= 20:
            os.killpg(child.process._process.pid, signal.SIGKILL)
            child.process._process.wait()
            raise KilledError
        return real(child, folder)

    plain, teacher.answer = teacher.answer, lambda *asked: time.sleep(0.05) or plain(*asked)
    edit(recipe, "concurrency: 16", "concurrency: 1")
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "_has_ended", kill)
        with pytest.raises(KilledError):
            invoke("run", recipe, "--stage", "collect")
    assert not (out / "cots").exists()

    printed = invoke("run", recipe).stdout
    asked = teacher.answered
    rows = sum(open_cots(out / "cots").manifest.counts.values())
    assert f"{rows} have a reward of at least" in printed and (out / "report.html").is_file()
    assert asked <= rows * 8 + 8, "four rollouts of two requests, and those of one sample again"
    assert "done before" in invoke("run", recipe).output and teacher.answered == asked

    edit(recipe, "tau: 0.75", "tau: 0.25")
    with pytest.raises(
        ConfigError, match=r"collect\.tau was 0\.75, is 0\.25\. Stages to repeat: collect, check"
    ):
        invoke("run", recipe)
    assert "to repeat: collect.tau was" in invoke("run", recipe, "--show").stdout
    states = json.loads(invoke("run", recipe, "--show", "--json").stdout)
    assert [state["stage"] for state in states if state["done"]] == ["build", "collect", "check", "report"]
    assert [state["stage"] for state in states if state["to_repeat"]] == ["collect", "check", "report"]
    (collect,) = json.loads(invoke("run", recipe, "--stage", "collect", "--show", "--json").stdout)
    assert collect["to_repeat"] == "collect.tau was 0.75, is 0.25"
    outcome = json.loads(invoke("run", recipe, "--repeat", "--json").stdout)
    assert outcome["done"] == ["build", "collect", "check", "report"] and teacher.answered == asked
    edit(recipe, "concurrency: 1", "concurrency: 2")  # no answer depends on it
    decisions = out / "cots" / "decisions.csv"
    decisions.write_text("id,action,annotation,note,time_utc\nmy_photos/cat/0,skip,,,\n")
    with pytest.raises(ConfigError, match=r"decisions\.csv holds 1 decision, .*; move the file elsewhere"):
        invoke("run", recipe, "--repeat")
    decisions.unlink()
    edit(recipe, "samples: 4", "samples: 5")
    with pytest.raises(ConfigError, match="stage check needs collect, which is not done"):
        invoke("run", recipe, "--repeat", "--stage", "check")
    assert (out / "cots").exists(), "nothing is deleted that is not made again"
    edit(recipe, "samples: 5", "samples: 4")
    (out / "scores").mkdir(exist_ok=True)
    (out / "scores" / "trained.json").write_text("of another model")
    invoke("run", recipe, "--repeat")
    assert teacher.answered == asked and not (out / "scores" / "trained.json").exists()
    photos.rename(photos.with_name("away"))
    invoke("run", recipe)
    photos.with_name("away").rename(photos)
    invoke("run", recipe)
    assert teacher.answered == asked
    write_photo(photos / "dog" / "99.jpg", 99)
    with pytest.raises(
        ConfigError, match=r"files of data\.pictures.*Stages to repeat: build, collect, check"
    ):
        invoke("run", recipe)


def edit(recipe, old, new):
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new))
