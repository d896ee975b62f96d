"""`rise-bench annotate` and `score` from the command line, with a server of a model."""

import json
from dataclasses import replace
from itertools import count

import pytest

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.curation.annotate import question
from rise_bench.curation.queue import ReviewQueue
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, RiseError

from ...support.in_process import invoke
from ...support.openai_server import OpenAIServer, serve
from .conftest import think, write_pictures


def run(*arguments):
    return invoke(*arguments).stdout


@pytest.fixture
def server():
    """A model that finds one box in every picture, and counts its answers."""
    with serve(OpenAIServer(lambda key, prompt: think("[[0, 0, 500, 500]]"))) as running:
        yield running


def url(server):
    return f"http://127.0.0.1:{server.port}/v1"


def test_a_server_annotates_and_the_same_command_asks_nothing_again(server, pictures, tmp_path):
    arguments = (
        "annotate",
        pictures,
        "--model",
        url(server),
        "--benchmark",
        "coco_sub",
        "--out",
        tmp_path / "o",
    )
    output = run(*arguments, "--categories", "cat, dog", "--samples", 2, "--formats", "coco")
    assert "3 pictures; answers: 6 annotated" in output and "files: annotations.jsonl, coco.json" in output
    assert server.answered == 6  # each with two choices
    summary = json.loads(run(*arguments, "--categories", "cat,dog", "--samples", 2, "--json"))
    assert server.answered == 6 and (summary["asked"], summary["reused"]) == (0, 6)
    assert summary["model"]["model"] == "canned" and summary["tokens"]["prompt"] == 6
    assert set(summary["files"]) == {"jsonl", "label-studio", "coco", "yolo", "csv"}
    assert len(ReviewQueue(tmp_path / "o")) == 6


def test_one_sample_says_that_it_is_no_confidence(server, pictures, tmp_path):
    options = ("--endpoint", url(server), "--model", "m", "--benchmark", "lisa", "--out", tmp_path / "o")
    output = run("annotate", pictures, *options, "--question", "What is oldest?")
    assert "one sample: every confidence is 1.0 and says nothing" in output
    assert all("What is oldest?" in prompt for prompt in server.prompts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--benchmark coco_sub", "say what stands for {category} by --categories a,b"),
        ("--benchmark lisa", "say what stands for {question} by --question TEXT"),
        ("--benchmark emotion6 --question Why?", "without {question}; leave --question TEXT out"),
        ("--benchmark emotion6 --categories joy", "without {category}; leave --categories a,b out"),
        ("--benchmark coco_sub --categories a,,b", "holds an empty name"),
        ("--benchmark coco_sub --categories a,b,a", "names a class twice"),
        ("--benchmark emotion6 --formats yolo", "yolo holds boxes, and emotion6 has distributions"),
        ("--benchmark emotion6 --samples 2 --temperature 0", "raise either"),
        ("--benchmark nothing", "no dataset 'nothing'"),
    ],
)
def test_options_that_make_no_sense_are_told_before_anything_is_asked(options, message, pictures, tmp_path):
    arguments = ("--model", "m", "--endpoint", "http://127.0.0.1:9/v1", "--out", tmp_path / "o")
    with pytest.raises(RiseError) as error:
        run("annotate", pictures, *arguments, *options.split())
    assert message in str(error.value) and not (tmp_path / "o").exists()


def test_a_url_is_no_model_beside_endpoints_and_no_model_is_no_folder(pictures, tmp_path):
    options = ("--benchmark", "emotion6", "--out", tmp_path / "o")
    address = "http://127.0.0.1:9/v1"
    with pytest.raises(ConfigError, match="is a URL; with --endpoint, name the model"):
        run("annotate", pictures, "--model", address, "--endpoint", address, *options)
    with pytest.raises(ConfigError, match="no model 'nowhere'"):
        run("annotate", pictures, "--model", "nowhere", *options)


TRUTH = {"cat": Boxes(((10.0, 5.0, 40.0, 30.0), (60.0, 5.0, 30.0, 30.0))), "dog": Boxes(())}


@pytest.fixture
def dataset(pictures, tmp_path):
    """A benchmark of the pictures: two cats in each, and no dog."""
    rows = [
        SourceRow(f"mine/{path.name}/{category}", path.name, path, annotation, category)
        for path in sorted(pictures.rglob("*.png"))
        for category, annotation in TRUTH.items()
    ]
    write_dataset(SourcePlan(get_benchmark("coco_sub"), [], rows, tuple(TRUTH)), tmp_path / "mine", workers=1)
    return open_dataset(tmp_path / "mine")


def test_copies_of_a_picture_have_the_answer_of_either(dataset, pictures, tmp_path):
    (pictures / "copy.png").write_bytes(next(iter(sorted(pictures.rglob("*.png")))).read_bytes())
    rows = [
        SourceRow(f"mine/{path.name}/cat", path.name, path, TRUTH["cat"], "cat")
        for path in sorted(pictures.rglob("*.png"))
    ]
    plan = SourcePlan(get_benchmark("coco_sub"), [], rows, ("cat",))
    write_dataset(plan, tmp_path / "copied", workers=1)
    with serve(OpenAIServer(lambda key, prompt: think("[[100, 100, 400, 600]]"))) as server:
        options = ("--benchmark", tmp_path / "copied", "--out", tmp_path / "o", "--concurrency", 1)
        run("annotate", pictures, "--model", "m", "--endpoint", url(server), *options)
    scored = json.loads(
        run("score", tmp_path / "o", "--data", tmp_path / "copied", "--resamples", 0, "--json")
    )
    assert scored["samples"] == len(rows) == 4


def test_annotations_are_scored_with_their_confidences(dataset, pictures, tmp_path):
    """Every sample finds the true boxes; one in two also invents one, which its confidence gives away."""
    answers = count()
    write_pictures(pictures, ("x.png", "x.png", "x.png", "of no row.png"))

    def answer(key, prompt):
        true = "[[100, 100, 400, 600], [600, 100, 300, 600]" if "every cat" in prompt else "["
        invented = "[10, 900, 90, 90]]" if next(answers) % 2 else "]"
        return think(true + (", " if true != "[" and invented != "]" else "") + invented)

    with serve(OpenAIServer(answer)) as server:
        options = ("--benchmark", dataset.root, "--out", tmp_path / "o", "--samples", 4, "--concurrency", 1)
        run("annotate", pictures, "--model", "m", "--endpoint", url(server), *options)
    scored = json.loads(run("score", tmp_path / "o", "--data", dataset.root, "--resamples", 10, "--json"))
    ranked = scored["ranked"]
    assert scored["samples"] == 6 and ranked["ap50"]["ranked"] > 0.99
    assert ranked["ap50"]["unranked"] == pytest.approx(scored["metrics"]["ap50"]["value"])
    assert ranked["f1_50"]["ranked"] >= ranked["f1_50"]["unranked"]
    table = run("score", tmp_path / "o" / "annotations.jsonl", "--data", dataset.root, "--resamples", 0)
    assert "With the confidence of each part" in table and "F1 at IoU 0.5" in table
    with pytest.raises(RiseError, match="--style and --box-unit are of a samples file; leave"):
        run("score", tmp_path / "o", "--data", dataset.root, "--style", "answer_only")
    lines = (tmp_path / "o" / "annotations.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "annotations.jsonl").write_text(lines[-1])
    with pytest.raises(RiseError, match="has no answer to 5 of 6 test samples"):
        run("score", tmp_path / "part", "--data", dataset.root)
    (tmp_path / "part" / "annotations.jsonl").write_text(lines[0] + "{}\n")
    with pytest.raises(RiseError, match="line 2: not an annotation of boxes"):
        run("score", tmp_path / "part", "--data", dataset.root)


@pytest.mark.parametrize(("classes", "asked"), [(("scratch",), ("scratch",)), (("scratch", "dent"), ())])
def test_the_one_class_of_a_question_without_it_is_asked_for(monkeypatch, tmp_path, classes, asked):
    """`annotate` writes what `score` and `audit --predictions` look for."""
    spec = replace(get_benchmark("coco_sub"), question="Locate every scratch.")
    monkeypatch.setattr(question, "_spec_of", lambda benchmark: (spec, classes))
    run = question.annotation_run(tmp_path, "own", "", "", 1, "model")
    assert run.categories == asked and run.labels == (asked or ("target",))
    with pytest.raises(ConfigError, match=r"without \{category\}; leave --categories a,b out"):
        question.annotation_run(tmp_path, "own", "dent", "", 1, "model")
