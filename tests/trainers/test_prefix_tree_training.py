"""Training on packed rows is training on padded rows."""

import pytest
import torch

from rise_bench.errors import ConfigError
from rise_bench.trainers.rollouts import prefix_tree_trainer
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.recipe_loader import dump_config, load_config, load_recorded


def kept_batches(trainer):
    """Train, and return the micro-batches of the last step."""
    kept = []
    compute = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: kept.append(inputs) or compute(model, inputs)
    trainer.train()
    trainer._compute_loss = compute
    return kept


def loss_and_gradients(trainer, batch):
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, batch)
    loss.backward()
    found = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
    return loss.item(), found


def gradients_like_padded(trainer):
    """Train, and return the gradients of the last step; they and the loss are those of padded rows."""
    batch = kept_batches(trainer)[-1]
    assert trainer._packs
    loss, packed = loss_and_gradients(trainer, batch)
    trainer._packs = False
    expected, padded = loss_and_gradients(trainer, batch)
    assert loss == pytest.approx(expected, abs=1e-6)
    assert packed.keys() == padded.keys()
    for name, gradient in padded.items():
        scale = gradient.abs().max().item() + 1e-6
        assert (packed[name] - gradient).abs().max().item() <= 2e-4 * scale, name
    return packed


@pytest.mark.parametrize("gradient", ["both", "cot"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_loss_and_gradients_are_those_of_padded_rows(make_loop, graded, family, gradient, beta):
    trainer = make_loop(family=family, generations=4, gradient=gradient, beta=beta, learning_rate=0.01)
    assert len(gradients_like_padded(trainer)) > 20


def test_a_micro_batch_is_a_group(make_loop):
    trainer = make_loop(generations=4, per_device_train_batch_size=8, gradient_accumulation_steps=2)
    for batch in kept_batches(trainer):
        grids = batch["image_grid_thw"].tolist()
        pictures = torch.split(batch["pixel_values"], [t * h * w for t, h, w in grids])
        assert len(pictures) == 8 and all(picture.equal(pictures[0]) for picture in pictures)


def test_what_cannot_be_packed_is_padded_and_said_once(make_loop, monkeypatch, capsys):
    monkeypatch.setattr(prefix_tree_trainer, "use_tree_attention", lambda _: False)
    trainer = make_loop(generations=4)
    trainer.train()
    said = capsys.readouterr().err
    assert said.count("grpo.prefix_tree: ") == 1 and "each row is computed by itself" in said
    assert trainer.state.global_step > 0


def test_a_setting_of_an_earlier_version(tmp_path):
    recorded = tmp_path / "config.yaml"
    recorded.write_text(dump_config(TrainConfig()).replace("prefix_tree: true", "dedup_images: false"))
    assert load_recorded(recorded).grpo.prefix_tree is False
    with pytest.raises(ConfigError, match=r"grpo\.dedup_images was replaced by grpo\.prefix_tree\. Set that"):
        load_config(None, ["grpo.dedup_images=false"])
