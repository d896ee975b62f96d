"""Task functions over a real dataset folder, without lmms-eval."""

import json
import math
import random
import sys
from types import SimpleNamespace

import datasets
import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.kinds import render_gold
from rise_bench.builders import lisa
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.models.base_model import base_model_folder
from rise_bench.scoring.scores import aggregate, score_response
from rise_bench.tasks import data
from rise_bench.tasks.documents import doc_to_visual, process_results

from ..support.drawn_data import write_drawn
from ..support.made_sources import lisa_sample, polygon

FAILED = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Connection error."


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_drawn(root / "moods", "moods")
    write_drawn(root / "scenes", "scenes")
    for split, count in (("train", 4), ("val", 3)):
        (root / "ReasonSeg" / split).mkdir(parents=True)
        for i in range(count):
            triangle = polygon("target", [(5 + i, 6), (40 + i, 9), (20, 30)])
            lisa_sample(root / "ReasonSeg" / split, f"{split}{i}", [triangle], seed=10 * len(split) + i)
    plan = lisa.plan(root / "ReasonSeg", kind="polygons")
    write_dataset(plan, root / "lisa_polygons", workers=1, allow_partial=True)
    return root


@pytest.fixture(autouse=True)
def _data(root, monkeypatch, tmp_path):
    monkeypatch.setenv("RISE_BENCH_DATA", str(root))


def _documents(task: str, folder) -> list[dict]:
    files = getattr(data, f"files__{task.partition('__')[0]}") | {"cache_dir": str(folder)}
    loaded = datasets.load_dataset("parquet", split="test", **files)
    return list(getattr(data, f"documents__{task}")(loaded))


def _golds(root, name):
    from rise_bench.data.dataset import open_dataset

    dataset = open_dataset(root / name)
    return dataset, dataset.golds("test")


def _run(documents, texts):
    """Values of each metric, as lmms-eval hands them to the aggregations."""
    values = [process_results(doc, [text]) for doc, text in zip(documents, texts, strict=True)]
    return {metric: [value[metric] for value in values] for metric in values[0]}


def _aggregate(metrics, values, args=None):
    numbers = {}
    for metric in metrics:
        function, items = metric["aggregation"], values[metric["metric"]]
        takes_args = "args" in function.__code__.co_varnames
        numbers[metric["metric"]] = function(items, args=args) if takes_args else function(items)
    return numbers


@pytest.mark.parametrize("name", ["moods", "scenes", "lisa_polygons"])
def test_gold_answers_score_best_and_equal_the_library(root, tmp_path, name):
    documents = _documents(f"{name}__norm1000", tmp_path)
    dataset, golds = _golds(root, name)
    texts = [f"<think>so it is</think><answer>{render_gold(gold)}</answer>" for gold in golds]
    numbers = _aggregate(getattr(data, f"metrics__{name}"), _run(documents, texts))
    reference = win_rate_reference(dataset)
    scores = [score_response(gold, text) for gold, text in zip(golds, texts, strict=True)]
    report = aggregate(dataset.spec, golds, scores, reference=reference, resamples=0)
    assert numbers.pop("failed_requests") == 0
    assert numbers.keys() == report.metrics.keys()
    for metric, number in numbers.items():
        assert number == pytest.approx(report.metrics[metric].value, abs=1e-12)
    assert numbers["format_rate"] == numbers["parse_rate"] == 1
    assert numbers.get("ap50", 1) == 1
    assert numbers.get("jsd", 0) < 1e-6


@pytest.mark.parametrize("name", ["moods", "scenes", "lisa_polygons"])
def test_numbers_do_not_depend_on_the_order_of_samples(root, tmp_path, name):
    documents = _documents(f"{name}__norm1000", tmp_path)
    rng = random.Random(0)
    if name == "moods":
        texts = [f'<answer>{{"joy": {rng.random()}, "fear": {rng.random()}}}</answer>' for _ in documents]
    else:
        golds = [json.loads(doc["target"]) for doc in documents]
        texts = [
            f"<answer>{json.dumps([*gold, [1, 2, 30, 40]][:: rng.choice((1, -1))])}</answer>"
            for gold in golds
        ]
    metrics = getattr(data, f"metrics__{name}")
    numbers = _aggregate(metrics, _run(documents, texts))
    pairs = list(zip(documents, texts, strict=True))
    for _ in range(5):
        rng.shuffle(pairs)
        assert _aggregate(metrics, _run(*zip(*pairs, strict=True))) == numbers


@pytest.mark.parametrize("name", ["moods", "scenes", "lisa_polygons"])
@pytest.mark.parametrize("failure", [FAILED, "[LMMS_EVAL_BUDGET_EXCEEDED]"])
def test_a_failed_request_is_no_answer_and_leaves_the_run_without_score(tmp_path, name, failure):
    documents = _documents(f"{name}__norm1000", tmp_path)
    texts = [failure, *["<answer>[]</answer>"] * (len(documents) - 1)]
    numbers = _aggregate(getattr(data, f"metrics__{name}"), _run(documents, texts))
    assert numbers.pop("failed_requests") == 1
    assert set(numbers.values()) == {"N/A"}


@pytest.mark.parametrize("name", ["moods", "scenes", "lisa_polygons"])
def test_a_null_is_no_response_and_scored_as_the_empty_one(tmp_path, name):
    doc = _documents(f"{name}__norm1000", tmp_path)[0]
    primary = getattr(data, f"metrics__{name}")[0]["metric"]
    null, empty = process_results(doc, [None]), process_results(doc, [""])
    assert null[primary].pop("no_response") is True
    assert null == empty
    assert null["parse_rate"] == 0


@pytest.mark.parametrize("name", ["moods", "scenes", "lisa_polygons"])
def test_values_of_a_sample_are_strict_json(tmp_path, name):
    for doc in _documents(f"{name}__norm1000", tmp_path)[:2]:
        for text in (FAILED, "", '<answer>{"joy": 1}</answer>', "<answer>[[1, 2, 3, 4]]</answer>"):
            json.dumps(process_results(doc, [text]), allow_nan=False)


@pytest.mark.parametrize("unit", ["norm1000", "px", "resized_px"])
def test_boxes_are_asked_for_and_read_in_the_declared_unit_alone(root, tmp_path, unit):
    """The truth in this unit scores 1; the same numbers read in another unit do not."""
    documents = _documents(f"scenes__{unit}", tmp_path)
    _, golds = _golds(root, "scenes")
    words = {
        "norm1000": "from 0 to 1000",
        "px": "224 wide and 224 high",
        "resized_px": "224 wide and 224 high",
    }
    assert words[unit] in documents[0]["prompt"]
    texts = [f"<answer>{render_gold(gold, AnswerFormat(unit=unit))}</answer>" for gold in golds]
    assert _aggregate(data.metrics__scenes, _run(documents, texts))["ap50"] == 1
    others = _documents(f"scenes__{'px' if unit == 'norm1000' else 'norm1000'}", tmp_path)
    assert _aggregate(data.metrics__scenes, _run(others, texts))["ap50"] < 0.2


def test_resized_px_shows_the_picture_in_the_size_that_the_prompt_states(tmp_path, monkeypatch):
    monkeypatch.setenv("RISE_BENCH_MAX_PIXELS", str(112 * 112))
    doc = _documents("scenes__resized_px", tmp_path)[0]
    (image,) = doc_to_visual(doc)
    assert image.size == (112, 112)
    assert "112 wide and 112 high" in doc["prompt"]
    gold = Boxes(tuple(tuple(box) for box in doc["objects"]["bbox"]))
    stated = json.dumps([[side / 2 for side in box] for box in gold.xywh])
    assert process_results(doc, [f"<answer>{stated}</answer>"])["similarity"] == pytest.approx(1)


def test_other_units_leave_the_picture_as_it_is(tmp_path):
    for unit in ("norm1000", "px"):
        (image,) = doc_to_visual(_documents(f"scenes__{unit}", tmp_path)[0])
        assert (image.size, image.mode) == ((224, 224), "RGB")


def test_a_processor_that_would_resize_again_gives_no_ap(root, tmp_path):
    documents = _documents("scenes__resized_px", tmp_path)
    values = _run(documents, ["<answer>[]</answer>"] * len(documents))
    args = SimpleNamespace(model="qwen2_5_vl", model_args="pretrained=x")
    with pytest.raises(ConfigError, match="add min_pixels=3136"):
        _aggregate(data.metrics__scenes, values, args)


def test_metadata_pins_dataset_prompt_and_versions(root):
    metadata = data.metadata__scenes__px
    dataset, _ = _golds(root, "scenes")
    assert metadata["dataset_sha256"] == dataset.sha256
    assert metadata["box_unit"] == "px"
    assert metadata["prompt_hash"] != data.metadata__scenes__norm1000["prompt_hash"]
    assert metadata["versions"]["rise-bench"]
    assert data.metadata__moods["win_rate_reference"] == "train_mean"


def test_win_rate_is_against_the_train_mean(root, tmp_path):
    documents = _documents("moods", tmp_path)
    dataset, golds = _golds(root, "moods")
    reference = win_rate_reference(dataset).values
    assert {doc["id"]: doc["reference"] for doc in documents} == reference
    best = process_results(documents[0], [f"<answer>{render_gold(golds[0])}</answer>"])
    assert (best["win_rate"], best["tie_rate"]) == (1, 0)
    worst = process_results(documents[0], ["no idea"])
    assert (worst["win_rate"], worst["jsd"]["score"]) == (0, math.log(2))


def test_custom_takes_the_dataset_that_the_variable_names(root, monkeypatch):
    monkeypatch.setenv("RISE_BENCH_CUSTOM", "scenes")
    assert data.metadata__custom__px["benchmark"] == "scenes"
    names = [
        [metric["metric"] for metric in listed] for listed in (data.metrics__custom, data.metrics__scenes)
    ]
    assert names[0] == names[1]


def test_an_absent_dataset_names_the_command_that_makes_it_and_breaks_no_other_task(monkeypatch):
    with pytest.raises(DataError, match="rise-bench build emotion6"):
        _ = data.files__emotion6
    assert data.files__moods["data_files"]["test"]


@pytest.mark.parametrize("attribute", ["nothing", "files__", "files", "nothing__moods"])
def test_an_attribute_that_does_not_exist_is_an_attribute_error(attribute):
    with pytest.raises(AttributeError, match=attribute):
        getattr(data, attribute)


@pytest.mark.parametrize(
    ("model", "stated", "used", "warned"),
    [
        ("qwen2_vl", "", (3136, 602_112), True),
        ("qwen2_vl", ",max_pixels=12544", (3136, 12544), False),
        ("qwen2_vl", ",max_pixels=50176,min_pixels=784", (784, 50176), False),  # on purpose
        ("rise_hf", "", (3136, 12544), False),  # it keeps those of the checkpoint
        ("rise_hf", ",max_pixels=50176", (3136, 50176), False),
    ],
)
def test_plain_lmms_eval_is_warned_of_another_resolution_than_the_checkpoints(
    monkeypatch, caplog, model, stated, used, warned
):
    args = f"pretrained={base_model_folder()},device=cpu{stated}"
    command = ["lmms-eval", "--tasks", "rise_moods", "--model", model, "--model_args", args]
    monkeypatch.setattr(sys, "argv", command)
    recorded = data.metadata__moods["image_pixels"]
    assert (recorded["smallest"], recorded["largest"]) == used
    assert ("add min_pixels=3136,max_pixels=12544 to --model_args" in caplog.text) == warned
    assert ("602112 pixels, but processor_config.json of" in caplog.text) == warned


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--tasks", "rise_moods"],
        ["--tasks", "rise_moods", "--model", "nothing"],
        ["--tasks", "rise_moods", "--model", "openai", "--model_args", "model=x,base_url=http://127.0.0.1"],
        ["--tasks", "rise_moods", "--model", "qwen2_vl", "--model_args", "max_pixels=x"],
        ["--tests/x.py", "-k", "y"],
    ],
)
def test_a_resolution_that_is_not_known_is_no_error(monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    assert data.metadata__moods["image_pixels"] is None


def test_answers_alone_are_asked_for_and_scored_in_their_own_form(root, monkeypatch, tmp_path):
    """The model of SFT on annotations never wrote a chain of thought; it is not marked down for that."""
    monkeypatch.setenv("RISE_BENCH_STYLE", "answer_only")
    documents = _documents("moods", tmp_path)
    assert all("<think>" not in doc["prompt"] and "Write only <answer>" in doc["prompt"] for doc in documents)
    assert data.metadata__moods["style"] == "answer_only"
    values = process_results(documents[0], ["<answer>{}</answer>".format(documents[0]["target"])])
    assert values["format_rate"] == 1.0 and values["jsd"]["style"] == "answer_only"
    monkeypatch.setenv("RISE_BENCH_STYLE", "short")
    with pytest.raises(
        ConfigError, match="RISE_BENCH_STYLE is 'short'; use one of think_answer, answer_only, caption"
    ):
        _documents("moods", tmp_path)


def test_the_caption_form_is_asked_for_and_scored(root, monkeypatch, tmp_path):
    """A model of `reward.response_form=caption` is asked as it was paid."""
    usual = data.metadata__moods["prompt_hash"]
    monkeypatch.setenv("RISE_BENCH_STYLE", "caption")
    (doc, *_) = _documents("moods", tmp_path)
    assert "<summary>" in doc["prompt"]
    thought = "<think>It is warm.</think><answer>{}</answer>".format(doc["target"])
    before = "<summary>Moods.</summary><caption>A field.</caption>"
    assert process_results(doc, [before + thought])["format_rate"] == 1.0
    values = process_results(doc, [thought])
    assert values["format_rate"] == 0.0 and values["jsd"]["style"] == "caption"
    assert data.metadata__moods["prompt_hash"] != usual  # a fifth prompt
