"""How a model is asked: as its run, its family or its name says."""

import json

import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.curation.annotate.model_choice import answer_format_of


@pytest.fixture
def checkpoint(tmp_path):
    def write(folder, family="qwen2_5_vl"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text(json.dumps({"model_type": family}))
        (tmp_path / folder / "model.safetensors").write_bytes(bytes(16))  # not read, only its name counts
        return str(tmp_path / folder)

    return write


def test_a_checkpoint_is_asked_as_its_family_was_trained(checkpoint):
    assert answer_format_of(checkpoint("a"), "", False, None, None).unit == "resized_px"
    assert answer_format_of(checkpoint("b", "qwen3_vl"), "", False, None, None).unit == "norm1000"


def test_a_run_is_asked_as_it_was_trained(checkpoint, tmp_path):
    final = checkpoint("run/grpo/final")
    (tmp_path / "run" / "config.yaml").write_text(
        "stage: rise_r1\nmodel: {name: x, box_unit: px, max_pixels: 50176}\n"
    )
    expected = AnswerFormat("think_answer", "px", 50176)
    for name in (final, str(tmp_path / "run")):
        assert answer_format_of(name, "", False, None, None) == expected
    stated = AnswerFormat("think_answer", "norm1000", 784)
    assert answer_format_of(final, "", False, "norm1000", 784) == stated


def test_a_served_model_is_asked_as_its_name_says():
    assert answer_format_of("org/Qwen2.5-VL-3B-Instruct", "", True, None, None).unit == "resized_px"
    assert answer_format_of("gpt-9", "", True, None, None).unit == "norm1000"
