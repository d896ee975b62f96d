"""Skipping the positions that are not trained changes the time of a step and nothing else."""

import pytest

pytest.importorskip("trl")

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl.trainer.utils import add_fused_lm_head

from rise_bench.trainers.phases.cpu_logprob_patch import trained_positions_only


def test_log_probabilities_entropy_and_gradient_are_those_of_all_positions(monkeypatch):
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    model = Qwen2ForCausalLM(config)
    add_fused_lm_head(model, temperature=0.7, outputs=("log_probs", "entropy"))
    ids = torch.randint(0, 50, (3, 12))
    labels = ids.clone()
    labels[:, :7] = -100
    rows: list[int] = []
    head = model.get_output_embeddings().weight

    def scored():
        model.zero_grad()
        output = model(input_ids=ids, labels=labels, fused_lm_head=True)
        output.log_probs.sum().backward()
        return output.log_probs.detach(), output.entropy.detach(), head.grad.clone()

    usual = torch.Tensor.masked_scatter
    monkeypatch.setattr(
        torch.Tensor, "masked_scatter", lambda self, mask, x: rows.append(len(x)) or usual(self, mask, x)
    )
    every = scored()
    assert rows == []
    with trained_positions_only():
        trained = scored()
    assert rows == [15, 15]  # log-probability and entropy of 3 x 5 positions, not of 3 x 11
    assert scored()[0].equal(every[0]) and rows == [15, 15]  # closed again
    for one, other in zip(every, trained, strict=True):
        torch.testing.assert_close(one, other)
