import pytest

from rise_bench.catalog.families import family_named
from rise_bench.errors import ConfigError
from rise_bench.prompts.asked_format import box_unit_of, max_pixels


@pytest.mark.parametrize(
    ("model", "unit"),
    [
        ("qwen2_vl", "norm1000"),
        ("qwen2_5_vl", "resized_px"),
        ("qwen3_vl", "norm1000"),
        ("Qwen/Qwen2-VL-2B-Instruct", "norm1000"),
        ("Qwen/Qwen2.5-VL-3B-Instruct", "resized_px"),
        ("Qwen/Qwen3-VL-4B-Instruct", "norm1000"),
        ("HuggingFaceTB/SmolVLM-256M-Instruct", "norm1000"),
        ("OpenGVLab/InternVL3-1B-hf", "norm1000"),
        ("openai", "norm1000"),  # nothing is known of it; the prompt says the unit
    ],
)
def test_unit_of_a_family(model, unit):
    assert box_unit_of(model) == unit


def test_the_variable_decides_where_the_name_says_nothing(monkeypatch):
    monkeypatch.setenv("RISE_BENCH_BOX_UNIT", "px")
    assert box_unit_of("vllm") == box_unit_of("qwen2_5_vl") == "px"


def test_a_wrong_unit_is_refused_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("RISE_BENCH_BOX_UNIT", "pixels")
    with pytest.raises(
        ConfigError, match="RISE_BENCH_BOX_UNIT is 'pixels'; use one of px, norm1000, resized_px"
    ):
        box_unit_of("qwen2_vl")


def test_max_pixels_is_the_papers_unless_declared(monkeypatch):
    assert max_pixels() == 401_408
    monkeypatch.setenv("RISE_BENCH_MAX_PIXELS", "200704")
    assert max_pixels() == 200_704


@pytest.mark.parametrize("text", ["-1", "783", "4e5", "many"])
def test_an_impossible_limit_is_refused(monkeypatch, text):
    monkeypatch.setenv("RISE_BENCH_MAX_PIXELS", text)
    with pytest.raises(ConfigError, match="RISE_BENCH_MAX_PIXELS"):
        max_pixels()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("HuggingFaceTB/SmolVLM-500M-Instruct", "idefics3"),
        ("HuggingFaceTB/SmolVLM2-500M-Video-Instruct", None),  # of another architecture
        ("OpenGVLab/InternVL3-1B-hf", "internvl"),
        ("Idefics3Processor", "idefics3"),
        ("InternVLProcessor", "internvl"),
    ],
)
def test_a_family_is_told_by_the_name_of_a_model_or_class(model, family):
    found = family_named(model)
    assert (found and found.name) == family
