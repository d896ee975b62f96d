import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from rise_bench.models.image_dedup import deduplicated_images, first_copies


def picture(seed, size=(112, 84)):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def model_and_batch(tiny, family):
    model = AutoModelForImageTextToText.from_pretrained(tiny(family))
    processor = AutoProcessor.from_pretrained(tiny(family), padding_side="left")
    images = [picture(0), picture(1), picture(0), picture(2, (84, 112)), picture(0), picture(1)]
    content = [{"type": "image"}, {"type": "text", "text": "what?"}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    texts = [text + "word " * i for i in range(len(images))]
    batch = processor(text=texts, images=images, padding=True, return_tensors="pt")
    return model, batch


def forward(model, batch, enabled):
    encoded = []
    hook = model.model.visual.register_forward_pre_hook(lambda _, args: encoded.append(len(args[0])))
    model.zero_grad()
    with deduplicated_images(model, enabled):
        logits = model(**batch).logits
    weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    (logits * weights).sum().backward()
    hook.remove()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters()}, sum(encoded)


def test_logits_and_gradients_are_those_of_the_stock_forward(model_and_batch):
    model, batch = model_and_batch
    logits, gradients, patches = forward(model, batch, enabled=False)
    logits_once, gradients_once, patches_once = forward(model, batch, enabled=True)
    torch.testing.assert_close(logits_once, logits, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients.items():
        scale = gradient.abs().max().item() + 1e-12
        assert (gradients_once[name] - gradient).abs().max().item() <= 1e-4 * scale, name
    assert any("visual" in name and gradient.abs().sum() > 0 for name, gradient in gradients_once.items())
    grids = batch["image_grid_thw"]
    assert patches == grids.prod(-1).sum().item()
    assert patches_once == grids[[0, 1, 3]].prod(-1).sum().item()


def test_the_stock_method_is_back_after_the_context(tiny):
    model = AutoModelForImageTextToText.from_pretrained(tiny())
    with deduplicated_images(model):
        assert "get_image_features" in vars(model.model)
    assert "get_image_features" not in vars(model.model)


def test_same_patches_in_another_order_are_another_image():
    image = torch.arange(24.0).view(4, 6)
    grids = torch.tensor([[1, 2, 2]] * 3 + [[1, 4, 1]])
    assert first_copies((image, image.flip(0), image.clone(), image), grids) == [0, 1, 0, 3]


def test_a_single_changed_value_is_another_image():
    image = torch.zeros(4, 6)
    changed = image.clone()
    changed[3, 5] = 1e-30  # lost in any sum, seen by the comparison
    assert first_copies((image, changed), torch.tensor([[1, 2, 2]] * 2)) == [0, 1]
