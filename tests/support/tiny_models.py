"""Fixtures of tiny checkpoints, one of each model family; a conftest imports what its tests ask for."""

import pytest

from rise_bench.catalog.families import FAMILIES


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """`tiny(family)` is the folder of a tiny checkpoint."""
    from rise_bench.models.tiny import make_tiny_model

    folder = tmp_path_factory.mktemp("tiny")
    return lambda family="qwen2_vl": make_tiny_model(folder / family, family)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(params=[family.name for family in FAMILIES.values() if not family.tiles])
def grid_family(request):
    """A family that encodes pictures as grids of patches."""
    return request.param


def images_of(batch):
    """The image inputs of a batch, as arguments of the model."""
    names = ("pixel_values", "image_grid_thw", "pixel_attention_mask", "mm_token_type_ids")
    return {name: batch[name] for name in names if batch.get(name) is not None}


def write_adapter(folder, base, name="", *, effect=True):
    """Write a random adapter of a model with peft, or one without effect; return peft's model."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    layers = r".*\b(language|text)_model\..*\.[qv]_proj"
    settings = LoraConfig(r=2, lora_alpha=6, target_modules=layers, init_lora_weights=not effect)
    model = get_peft_model(AutoModelForImageTextToText.from_pretrained(base), settings)
    model.peft_config["default"].base_model_name_or_path = name or str(base)
    model.peft_config["default"].task_type = "CAUSAL_LM"
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    return model.eval()
