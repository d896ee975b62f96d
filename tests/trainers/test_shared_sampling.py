"""Training draws the same rollouts whether a prompt is read once or once for each of its samples."""

import pytest
import torch

from rise_bench.models.adapters import without_peft
from rise_bench.models.image_units import decoder_of
from rise_bench.models.local import LocalModel
from rise_bench.models.sampler import Prompt, Sampling

from .conftest import png


def run(trainer):
    """Completions of all steps, tokens read while sampling, and the weights afterwards."""
    completions, tokens = [], []
    sampled, single = trainer._generate, trainer._generate_single_turn

    def kept(prompts):
        output = sampled(prompts)
        completions.append(output[1])
        return output

    def counted(*arguments):
        language = decoder_of(without_peft(trainer.model))
        hook = language.register_forward_pre_hook(
            lambda _, __, kwargs: tokens.append(kwargs["inputs_embeds"].shape[:2].numel()), with_kwargs=True
        )
        try:
            return single(*arguments)
        finally:
            hook.remove()

    trainer._generate, trainer._generate_single_turn = kept, counted
    trainer.train()
    return completions, sum(tokens), trainer.model.state_dict()


@pytest.mark.parametrize("gradient", ["both", "cot"])
def test_the_closed_loop_trains_on_the_same_rollouts(make_loop, graded, family, gradient):
    rows = 8 * (2 if gradient == "both" else 1)  # two prompts
    options = {"family": family, "max_steps": 2, "per_device_train_batch_size": rows}
    options |= {"gradient": gradient, "gradient_checkpointing": gradient == "cot"}
    plain, plain_tokens, expected = run(make_loop(share_prefill=False, **options))
    shared, tokens, weights = run(make_loop(share_prefill=True, **options))
    assert shared == plain
    assert tokens < 0.6 * plain_tokens
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, atol=1e-5, rtol=1e-4)


def test_autocast_to_bfloat16_reads_prompts_once_too(make_loop, graded):
    trainer = make_loop(bf16=True)
    _, plain_tokens, _ = run(make_loop(bf16=True, share_prefill=False))
    dtypes = set()
    attention = trainer.model.model.language_model.layers[0].self_attn
    attention.k_proj.register_forward_hook(lambda _, __, output: dtypes.add((output.dtype, len(output) == 1)))
    _, tokens, _ = run(trainer)
    assert tokens < 0.6 * plain_tokens
    assert (torch.bfloat16, True) in dtypes and (torch.float32, True) not in dtypes  # a single prompt


@pytest.mark.parametrize("temperature", [1.0, 0.0])
def test_a_local_model_samples_the_same_texts(tiny, toy, family, temperature):
    model = LocalModel(str(tiny(family)), sampling=Sampling(temperature), max_pixels=28 * 28 * 16)
    red, blue = (png(image) for image in toy.images[:2])
    pictures = [(red,), (blue,), (red, blue)]
    cots = [Prompt(shown, "Which colours does it show?" + " Say." * len(shown)) for shown in pictures]
    answers = [Prompt(shown, "Which colours? Reasoning: " + "red " * i) for shown in pictures for i in (1, 3)]
    calls = [(cots, 2, 8), (answers, 1, 8)]
    shared = [model.sample(*call) for call in calls]
    model._generate = model._model.generate
    assert shared == [model.sample(*call) for call in calls]
