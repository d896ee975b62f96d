"""A model sees pictures in the resolution that its checkpoint was made for, or somebody is told."""

import json
import shutil

import pytest

from rise_bench.errors import ConfigError
from rise_bench.evaluation.image_limits import check_frames, checkpoint_limits, lmms_limits, missing_arguments
from rise_bench.evaluation.lmms_models import pixel_limits
from rise_bench.models.base_model import base_model_folder
from rise_bench.models.names import local_model

VGA = [(640, 480)]
PUBLISHED = {"min_pixels": 3136, "max_pixels": 12_845_056, "patch_size": 14}  # as Qwen2-VL's


@pytest.fixture
def checkpoint(tmp_path):
    def write(files):
        folder = tmp_path / "model"
        folder.mkdir()
        for name, content in files.items():
            if content is not None:
                (folder / f"{name}.json").write_text(json.dumps(content))
        return folder

    return write


IN_SIZE = {"size": {"shortest_edge": 3136, "longest_edge": 12544}}


@pytest.mark.parametrize(
    ("preprocessor", "processor", "limits"),
    [
        (PUBLISHED, None, (3136, 12_845_056)),
        (IN_SIZE, None, (3136, 12544)),
        ({"size": {"min_pixels": 4, "max_pixels": 9}}, None, (4, 9)),
        (PUBLISHED | IN_SIZE, None, (3136, 12_845_056)),
        (None, {"image_processor": PUBLISHED}, (3136, 12_845_056)),
        (IN_SIZE, {"image_processor": PUBLISHED}, (3136, 12_845_056)),
        (PUBLISHED, {"processor_class": "X"}, (3136, 12_845_056)),
        ({"size": {"shortest_edge": 224}}, None, None),  # of another family: pixels of a side
        ({"size": 224}, None, None),
        ({"min_pixels": "3136", "max_pixels": None}, None, None),
        ({"min_pixels": 9, "max_pixels": 4}, None, None),
        ([], None, None),
        (None, None, None),
    ],
)
def test_limits_that_a_checkpoint_states(checkpoint, preprocessor, processor, limits):
    files = {"preprocessor_config": preprocessor, "processor_config": processor}
    found = checkpoint_limits(str(checkpoint(files)))
    assert (found and (found.smallest, found.largest)) == limits


def test_a_run_states_them_in_its_recipe_whatever_its_model_was_saved_with(tmp_path):
    run = tmp_path / "run"
    (run / "grpo").mkdir(parents=True)
    shutil.copytree(base_model_folder(), run / "grpo" / "final")
    (run / "config.yaml").write_text("stage: rise_r1\nmodel:\n  min_pixels: 784\n  max_pixels: 50176\n")
    for place in (run, run / "grpo" / "final"):
        found = checkpoint_limits(str(place))
        assert (found.smallest, found.largest, found.trained) == (784, 50176, True)
        assert str(run) in found.source


@pytest.mark.parametrize("recipe", ["- 1", "model: big", "{", "model: {max_pixels: 9, min_pixels: 4}"])
@pytest.mark.parametrize("place", [".", "..", "../.."])
def test_a_config_yaml_that_is_no_recipe_of_the_model_is_left_alone(tmp_path, recipe, place):
    model = tmp_path / "a" / "b" / "model"
    shutil.copytree(base_model_folder(), model)
    (model / place / "config.yaml").write_text(recipe)
    found = checkpoint_limits(str(model))
    assert (found.smallest, found.largest, found.trained) == (3136, 12544, False)
    assert local_model(str(model)) == str(model)


def test_a_broken_processor_file_is_named(checkpoint):
    folder = checkpoint({})
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"preprocessor_config.json is not JSON"):
        checkpoint_limits(str(folder))


@pytest.mark.parametrize(
    ("stated", "added"),
    [
        ("", {"min_pixels": 3136, "max_pixels": 12544}),
        ("pretrained=x,device=cpu", {"min_pixels": 3136, "max_pixels": 12544}),
        ("max_pixels=50176", {"min_pixels": 3136}),
        ("max_pixels=784", {"min_pixels": 784}),  # a smallest image above the largest would mean nothing
        ("min_pixels=784", {"max_pixels": 12544}),
        ("min_pixels=1,max_pixels=2", {}),
    ],
)
def test_what_is_stated_is_left_alone_and_the_rest_added(stated, added):
    limits = checkpoint_limits(str(base_model_folder()))
    assert missing_arguments(stated, limits) == added


@pytest.mark.parametrize("text", ["many", "-1", "0", "1e6", "12544.0", ""])
def test_limits_that_are_no_whole_numbers_are_refused(text):
    with pytest.raises(ConfigError, match=f"--model_args has max_pixels={text}; use a whole number"):
        lmms_limits("qwen2_vl", f"pretrained=x,max_pixels={text}")


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("qwen2_vl", (3136, 602_112)),
        ("qwen2_5_vl", (256 * 28 * 28, 1_605_632)),
        ("qwen3_vl", (256 * 28 * 28, 1_605_632)),
        ("qwen3_5", (64 * 32 * 32, 128 * 32 * 32)),  # its own go before those of the model it builds on
    ],
)
def test_lmms_evals_own_limits_are_read_from_its_source(name, limits):
    assert pixel_limits(name) == limits


@pytest.mark.parametrize(
    "name", ["rise_hf", "huggingface", "openai", "vllm", "sglang", "async_openai", "nothing"]
)
def test_models_that_leave_the_limits_of_a_checkpoint_alone(name):
    """What some of them call `max_pixels` is for videos."""
    assert pixel_limits(name) is None


@pytest.mark.parametrize(
    ("model", "model_args", "sizes"),
    [
        ("qwen2_5_vl", "pretrained=x", VGA),  # 644 x 476 is within lmms-eval's own limits
        ("qwen2_5_vl", "pretrained=x,max_pixels=401408,min_pixels=3136", [(100, 100), (4000, 3000)]),
        ("openai", "model=x", [(100, 100)]),  # nothing is known of the server
    ],
)
def test_a_processor_that_leaves_the_stated_size_is_accepted(model, model_args, sizes):
    check_frames(sizes, model, model_args, max_pixels=401_408)


@pytest.mark.parametrize(
    ("model", "model_args", "sizes"),
    [
        ("qwen2_5_vl", "pretrained=x", [(224, 224)]),  # lmms-eval would blow it up to 200,704 pixels
        ("qwen2_5_vl", "pretrained=x,max_pixels=200704", VGA),
        ("vllm", "model=x,max_pixels=200704", VGA),
        ("qwen2_5_vl", "min_pixels=800000", VGA),
    ],
)
def test_a_processor_that_resizes_again_is_refused(model, model_args, sizes):
    with pytest.raises(ConfigError, match=r"add min_pixels=3136,max_pixels=401408 to --model_args"):
        check_frames(sizes, model, model_args, max_pixels=401_408)
