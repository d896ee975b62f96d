"""How a model is asked: as its run, its family or its name says."""

import json
from pathlib import Path

import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.boxes.values import MAX_PIXELS, MIN_PIXELS
from rise_bench.curation.annotate import cvat
from rise_bench.curation.annotate.model_choice import answer_format_of
from rise_bench.models import local
from rise_bench.models.families import PictureLimits
from rise_bench.models.loading import load_endpoints
from rise_bench.models.sampler import Sampling

from ...support.drawn_data import write_drawn
from ...support.in_process import invoke


def format_of(*arguments, **engine):
    return answer_format_of(*arguments, **engine)[0]


@pytest.fixture
def checkpoint(tmp_path):
    def write(folder, family="qwen2_5_vl"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text(json.dumps({"model_type": family}))
        (tmp_path / folder / "model.safetensors").write_bytes(bytes(16))  # not read, only its name counts
        return str(tmp_path / folder)

    return write


def test_a_checkpoint_is_asked_as_its_family_was_trained(checkpoint):
    assert format_of(checkpoint("a"), "", False, None, None).unit == "resized_px"
    assert format_of(checkpoint("b", "qwen3_vl"), "", False, None, None).unit == "norm1000"


def test_a_run_is_asked_as_it_was_trained(checkpoint, tmp_path):
    final = checkpoint("run/grpo/final")
    (tmp_path / "run" / "config.yaml").write_text(
        "stage: rise_r1\nmodel: {name: x, box_unit: px, max_pixels: 50176}\n"
    )
    expected = AnswerFormat("think_answer", "px", 50176)
    for name in (final, str(tmp_path / "run")):
        assert format_of(name, "", False, None, None) == expected
    stated = AnswerFormat("think_answer", "norm1000", 784)
    assert format_of(final, "", False, "norm1000", 784) == stated


@pytest.mark.parametrize(
    ("recipe", "style"),
    [
        ("stage: sft", "answer_only"),
        ("stage: visual_rft\nreward: {response_form: caption}", "caption"),
        ("stage: visual_rft", "think_answer"),
        ("stage: of_the_future", "think_answer"),
    ],
)
def test_a_run_is_asked_in_its_own_form_also_on_a_server(checkpoint, tmp_path, recipe, style):
    final = checkpoint("run/grpo/final")
    (tmp_path / "run" / "config.yaml").write_text(f"{recipe}\nmodel: {{box_unit: px}}\n")
    for served in (True, False):
        assert format_of(final, "", served, None, None) == AnswerFormat(style, "px")


@pytest.mark.parametrize(("largest", "asked"), [(12_544, 12_544), (12_845_056, MAX_PIXELS)])
def test_pictures_are_no_larger_than_the_processor_or_the_paper_has_them(checkpoint, largest, asked):
    folder = checkpoint("a")
    sizes = {"image_processor": {"min_pixels": 3136, "max_pixels": largest}}
    (Path(folder) / "processor_config.json").write_text(json.dumps(sizes))
    assert format_of(folder, "", False, None, None).max_pixels == asked


#: Family, limits of its processor, limits of the run, unit and largest picture stated -> limits.
LIMITS = {
    "processor": ("qwen3_vl", (65_536, 16_777_216), None, (), (65_536, MAX_PIXELS)),
    "a smaller largest": ("qwen3_vl", (65_536, 16_777_216), None, (None, 50_176), (50_176, 50_176)),
    "paper": ("qwen3_vl", None, None, (), (MIN_PIXELS, MAX_PIXELS)),
    "boxes of resized pictures": ("qwen2_5_vl", (784, 12_544), None, (), (MIN_PIXELS, 12_544)),
    "another unit": ("qwen2_5_vl", (784, 12_544), None, ("px", None), (784, 12_544)),
    "run": ("qwen2_vl", (65_536, 16_777_216), (784, 12_544), (), (784, 12_544)),
}


@pytest.mark.parametrize("case", LIMITS)
def test_pictures_have_the_limits_of_the_run_else_the_processor_else_the_paper(checkpoint, tmp_path, case):
    family, own, trained, stated, expected = LIMITS[case]
    folder = checkpoint("run/grpo/final", family)
    if own:
        sizes = {"image_processor": {"min_pixels": own[0], "max_pixels": own[1]}}
        (Path(folder) / "processor_config.json").write_text(json.dumps(sizes))
    if trained:
        model = {"box_unit": "px", "min_pixels": trained[0], "max_pixels": trained[1]}
        (tmp_path / "run" / "config.yaml").write_text(json.dumps({"stage": "rise_r1", "model": model}))
    assert answer_format_of(folder, "", False, *(stated or (None, None)))[1] == PictureLimits(*expected)


class LoadedError(Exception):
    """A model was to be loaded, with these limits."""


@pytest.mark.parametrize("command", ["annotate", "verify", "collect", "cvat"])
def test_every_command_shows_pictures_within_the_limits_of_the_model(
    checkpoint, monkeypatch, pictures, tmp_path, command
):
    def load(name, *, min_pixels, max_pixels, **others):
        raise LoadedError(min_pixels, max_pixels)

    monkeypatch.setattr(local, "LocalModel", load)
    model = checkpoint("model", "qwen2_vl")
    sizes = {"image_processor": {"min_pixels": 784, "max_pixels": 12_544}}
    (Path(model) / "processor_config.json").write_text(json.dumps(sizes))
    moods = write_drawn(tmp_path / "moods", "moods", train=1, test=1)
    options = ("--model", model, "--benchmark", moods.root, "--out", tmp_path / "out")
    cots = tmp_path / "cots.jsonl"
    (gold,) = moods.golds("train")
    cots.write_text(json.dumps({"id": gold.id, "cot": "Warm."}))
    with pytest.raises(LoadedError) as loaded:
        if command == "cvat":
            cvat.create(model, str(moods.root))
        else:
            invoke(command, *{"annotate": [pictures], "verify": [cots], "collect": []}[command], *options)
    assert loaded.value.args == (784, 12_544)


def test_an_engine_starts_any_family_and_its_unit_is_that_of_the_description(checkpoint, tmp_path):
    folder = checkpoint("mine")
    assert format_of(folder, "", False, None, None, engine=True).unit == "resized_px"
    (tmp_path / "mine" / "modeling.py").write_text("")
    (tmp_path / "mine" / "config.json").write_text('{"model_type": "minicpmv"}')
    assert format_of(folder, "", False, None, None, engine=True).unit == "norm1000"
    assert load_endpoints([], folder, Sampling(), "OPENAI_API_KEY", 4, 30.0).model == folder
    (tmp_path / "mine" / "config.json").unlink()
    assert format_of(folder, "", False, None, None, engine=True).unit == "norm1000"
    assert format_of("org/Qwen2.5-VL-mine", "", False, None, None, engine=True).unit == "resized_px"


def test_servers_start_from_the_model_of_a_run(checkpoint, tmp_path):
    final = checkpoint("run/grpo/final")
    (tmp_path / "run" / "config.yaml").write_text("stage: rise_r1\n")
    given = (Sampling(), "OPENAI_API_KEY", 4, 30.0)
    assert load_endpoints([], str(tmp_path / "run"), *given).model == final
    assert load_endpoints(["http://127.0.0.1:1/v1"], str(tmp_path / "run"), *given).model.endswith("run")
    assert load_endpoints([], "org/model", *given).model == "org/model"


def test_a_served_model_is_asked_as_its_name_says():
    assert format_of("org/Qwen2.5-VL-3B-Instruct", "", True, None, None).unit == "resized_px"
    assert format_of("gpt-9", "", True, None, None).unit == "norm1000"
