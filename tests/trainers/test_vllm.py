"""The closed loop when vLLM samples: what it is asked for, and that its answers are what is trained on.

vLLM needs a GPU, so that the object by which TRL drives it is replaced here; all the rest is the real thing.
"""

import random

import pytest
import torch

from rise_bench.cot.row_log import read_rows


class Engine:
    """Answers like `trl.generation.vllm_generation.VLLMGeneration`, and keeps what it was asked."""

    max_completion_length = 99

    def __init__(self, tokenizer):
        self.asked, self.synced = [], 0
        self._draw, self._tokenizer = random.Random(0), tokenizer

    def sync_weights(self):
        self.synced += 1

    def generate(self, *, prompts, images, num_generations, profiler):
        self.asked.append((prompts, images, num_generations, self.max_completion_length))
        texts = [
            [self._draw.randrange(50, 100) for _ in range(3)] + [self._tokenizer.eos_token_id]
            for _ in prompts
        ]
        return prompts, texts, [[[-1.0 - i / 10] for i in range(4)] for _ in texts], None


@pytest.mark.parametrize("mode", ["server", "colocate"])
def test_both_segments_are_asked_of_vllm_with_their_own_limits(make_loop, graded, tmp_path, mode):
    trainer = make_loop(generations=4)
    tokenizer = trainer.processing_class.tokenizer
    engine = Engine(tokenizer)
    trainer.use_vllm, trainer.vllm_mode, trainer.vllm_generation = True, mode, engine
    trainer._last_loaded_step = -1
    seen = []
    compute = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: seen.append(inputs) or compute(model, inputs)
    trainer.train()
    (cots, reconstructions), (inputs,) = engine.asked, seen
    assert [(asked[2], asked[3]) for asked in engine.asked] == [(4, 10), (1, 6)]
    assert engine.max_completion_length == 99 and engine.synced == 1
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    for prompts, images, *_ in (cots, reconstructions):
        assert len(prompts) == len(images) == 4
        counts = {ids.count(pad) for ids in prompts}
        assert counts == {1} if mode == "colocate" else min(counts) > 1  # colocate expands it once more
    trained = [ids[mask.bool()].tolist() for ids, mask in zip(*padded(inputs, "prompt"), strict=True)]
    assert all(ids.count(pad) > 1 for ids in trained)  # the forward always has all image tokens
    rows = [located.row for located in read_rows([tmp_path / "rollouts"])]
    texts = {text for row in rows for text in (row["cot"], row["reconstruction"])}
    completions = [ids[mask.bool()].tolist() for ids, mask in zip(*padded(inputs, "completion"), strict=True)]
    assert set(tokenizer.batch_decode(completions, skip_special_tokens=True)) == texts
    assert torch.isfinite(inputs["importance_sampling_ratio"]).all()  # vLLM's log-probs were taken over
    assert not torch.equal(
        inputs["importance_sampling_ratio"], torch.ones_like(inputs["importance_sampling_ratio"])
    )


def padded(inputs, segment):
    return inputs[f"{segment}_ids"], inputs[f"{segment}_mask"]
