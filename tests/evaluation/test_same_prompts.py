"""Each family is scored with the prompt that it was trained with, token by token and pixel by pixel."""

import io
from importlib import import_module

import numpy as np
import pytest
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models import MODEL_REGISTRY_V2
from PIL import Image

from rise_bench.catalog.families import FAMILIES
from rise_bench.models.local import LocalModel
from rise_bench.models.sampler import Prompt
from rise_bench.models.tiny import make_tiny_model

TEXT = "Which mood does the picture have, and why?"
LIMITS = {"min_pixels": 3136, "max_pixels": 12_544}


class SeenError(Exception):
    """Carries the inputs of a model."""


def look(**inputs):
    raise SeenError(inputs["input_ids"], inputs["pixel_values"].float())


def of_training(folder, picture):
    stored = io.BytesIO()
    picture.save(stored, "PNG")
    model = LocalModel(str(folder), **LIMITS)
    model._generate = look
    with pytest.raises(SeenError) as seen:
        model.sample([Prompt((stored.getvalue(),), TEXT)], 1, 4)
    return seen.value.args


def of_evaluation(family, folder, picture):
    path, _, name = MODEL_REGISTRY_V2.resolve(family.lmms_model).class_path.rpartition(".")
    model = getattr(import_module(path), name)(
        pretrained=str(folder), device="cpu", device_map="cpu", batch_size=1, **LIMITS
    )
    model._model.generate = look
    said = [{"role": "user", "content": [{"type": "image", "url": picture}, {"type": "text", "text": TEXT}]}]
    model.task_dict = {"task": {"test": [said]}}
    settings = {"max_new_tokens": 4, "temperature": 0, "until": []}
    arguments = ("", lambda document: document, settings, 0, "task", "test")
    if model.is_simple:
        arguments = (TEXT, settings, lambda _: [picture], 0, "task", "test")
    asked = Instance("generate_until", arguments, 0, {"task": "task", "doc_id": 0, "repeats": 1})
    with pytest.raises(SeenError) as seen:
        model.generate_until([asked])
    return seen.value.args


@pytest.mark.parametrize("name", FAMILIES)
def test_training_and_evaluation_show_a_model_the_same(name, tmp_path):
    family, noise = FAMILIES[name], np.random.default_rng(0).integers(0, 255, (12, 18), np.uint8)
    picture = Image.fromarray(noise).resize((90, 60), Image.Resampling.BICUBIC).convert("RGB")
    folder = make_tiny_model(tmp_path / name, name)
    tokens, pixels = of_training(folder, picture)
    scored_tokens, scored_pixels = of_evaluation(family, folder, picture)
    assert torch.equal(tokens, scored_tokens)
    assert pixels.shape == scored_pixels.shape
    rounding = 0.25 if family.lmms_model == "qwen2_vl" else 0.02  # JPEG of quality 85, or bfloat16
    torch.testing.assert_close(pixels, scored_pixels, rtol=0, atol=rounding)
