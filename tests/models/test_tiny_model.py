import json

import numpy as np
import pytest
from PIL import Image

from rise_bench.catalog.families import FAMILIES, Family
from rise_bench.errors import ConfigError
from rise_bench.models.families import supported_model
from rise_bench.models.tiny import make_tiny_model
from rise_bench.prompts.asked_format import box_unit_of


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tiny_checkpoint_loads_like_a_released_one_and_sees_its_image(family, tmp_path):
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = make_tiny_model(tmp_path / family, family)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    assert model.config.model_type == family
    content = [{"type": "image"}, {"type": "text", "text": "Give the boxes. Größe 你好"}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    logits = []
    for seed in (0, 1):
        pixels = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), dtype=np.uint8)
        inputs = processor(text=[text], images=[Image.fromarray(pixels)], return_tensors="pt")
        with torch.no_grad():
            logits.append(model(**inputs).logits[0, -1])
    assert torch.isfinite(logits[0]).all()
    assert not torch.allclose(logits[0], logits[1], atol=1e-4)


def test_the_same_seed_writes_the_same_weights_and_another_seed_does_not(tmp_path):
    first, again, other = (
        make_tiny_model(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    weights = [(folder / "model.safetensors").read_bytes() for folder in (first, again, other)]
    assert weights[0] == weights[1] != weights[2]


def test_any_text_survives_the_tokenizer(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(make_tiny_model(tmp_path / "m"))
    text = '<think>\n80 % "naïve" 😀 </think>\t<answer>{"joy": 0.5}</answer>'
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_an_unknown_family_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"qwen9_vl.*qwen2_vl, qwen2_5_vl, qwen3_vl"):
        make_tiny_model(tmp_path / "m", "qwen9_vl")
    assert not (tmp_path / "m").exists()


def test_a_new_family_is_one_entry(tmp_path, monkeypatch):
    entry = Family(
        "toy9_vl", "Toy9-VL", "Qwen2VL", FAMILIES["qwen2_vl"].tiny_vision, box_unit="px", patch_px=7
    )
    monkeypatch.setitem(FAMILIES, "toy9_vl", entry)
    assert box_unit_of("ORG/Toy9-VL-2B") == "px"
    made = make_tiny_model(tmp_path / "m", "toy9_vl")
    settings = json.loads((made / "config.json").read_text())
    assert settings["vision_config"]["patch_size"] == 7
    (made / "config.json").write_text(json.dumps(settings | {"model_type": "toy9_vl"}))
    assert supported_model(str(made)).folder == made
