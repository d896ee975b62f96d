"""The gradient that reaches the optimiser is that of eq. 7 with group advantages, written down anew."""

import torch
from transformers import AutoModelForImageTextToText

from ..support.tiny_models import images_of


def test_the_gradient_is_that_of_the_objective(make_loop, graded, tiny, family):
    trainer = make_loop(family=family, generations=4, learning_rate=0.0)
    kept = {}
    compute = trainer._compute_loss

    def keep(model, inputs):
        kept.update(inputs)
        return compute(model, inputs)

    trainer._compute_loss = keep
    trainer.train()
    trainer.model.zero_grad()
    compute(trainer.model, kept).backward()
    fresh = AutoModelForImageTextToText.from_pretrained(tiny(family), dtype=torch.float32)
    objective(fresh, kept).neg().backward()
    independent = dict(fresh.named_parameters())
    checked = 0
    for name, parameter in trainer.model.named_parameters():
        if parameter.grad is None or independent[name].grad is None:
            continue
        scale = independent[name].grad.abs().max().item()
        if scale < 1e-6:  # a key bias has no gradient but rounding
            continue
        assert (parameter.grad - independent[name].grad).abs().max().item() <= 1e-3 * scale, name
        checked += 1
    assert checked > 20


def objective(model, batch):
    """Mean over all tokens of both segments of advantage times log-probability."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    logits = model(
        input_ids=ids,
        attention_mask=torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
        **images_of(batch),
    ).logits
    length = batch["completion_ids"].size(1)
    logps = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0][:, -length:]
    mask = batch["completion_mask"]
    assert batch["advantages"].abs().max() > 0.5
    return (batch["advantages"][:, None] * logps * mask).sum() / mask.sum()
