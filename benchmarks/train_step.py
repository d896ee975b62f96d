"""Seconds of one optimiser step at equal work, all loops in one process on one randomly initialised model.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --shape qwen2-vl-2b        on a GPU: bf16, FlashAttention-2 if installed

- ours: the closed loop as `rise-bench train rise_cot` runs it, gradient on both segments;
- grpo: stock TRL GRPO, think-answer, with completions as long as CoT and reconstruction together, so that as
  many tokens are sampled and trained on;
- authors: the way the authors' released trainer is written, extended to the paper's objective: one prompt at
  a time, a reference model always on, the image encoded again for every row, and a log-softmax over the whole
  vocabulary row by row.

Nothing ends early: end tokens are not sampled. The fastest step of all rounds counts; on a CPU the clock is
the CPU time of the process, so that other programs on the machine do not count. The small shape has the
proportions of Qwen2-VL-2B: the vision tower has 0.4 of the language model's weights and sees four patches for
each image token of the prompt.
"""

import argparse
import copy
import json
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rise_bench.prompts import reason_prompt, reconstruct_prompt, think_answer_prompt
from rise_bench.registry import get_benchmark
from rise_bench.tiny_model import SPECIAL_TOKENS, make_tiny_model
from rise_bench.trainers.closed_loop import ClosedLoop, ClosedLoopTrainer
from rise_bench.trainers.config import ModelConfig
from rise_bench.trainers.grpo_rows import prompt_rows
from rise_bench.trainers.image_dedup import deduplicated_images
from rise_bench.trainers.loading import load_processor
from rise_bench.values import Distribution, Gold

SHAPES = {
    "small": SimpleNamespace(
        text={
            "vocab_size": 2048,
            "hidden_size": 256,
            "intermediate_size": 1024,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        vision={"depth": 4, "embed_dim": 192, "num_heads": 4, "mlp_ratio": 4},
        mrope=[8, 12, 12],
        cot=32,
        reconstruction=16,
    ),
    "qwen2-vl-2b": SimpleNamespace(
        text={
            "vocab_size": 151936,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
        },
        vision={"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4},
        mrope=[16, 24, 24],
        cot=192,
        reconstruction=96,
    ),
}


def make_model(folder, shape, dtype):
    """Write a checkpoint of the shape with random weights and the tokenizer of the tiny models."""
    from transformers import AutoProcessor, GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    processor = AutoProcessor.from_pretrained(make_tiny_model(folder / "tiny"))
    ids = {token: processor.tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": shape.mrope}
    text = shape.text | {
        "max_position_embeddings": 4096,
        "rope_parameters": rope,
        "tie_word_embeddings": True,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "bos_token_id": None,
    }
    vision = shape.vision | {"hidden_size": shape.text["hidden_size"], "patch_size": 14}
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(config).to(dtype)
    model.generation_config = GenerationConfig(
        eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"]
    )
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    return folder / "model", sum(p.numel() for p in model.parameters())


def make_samples(image_px, count):
    """Noise images with a uniform distribution over the emotions."""
    spec = get_benchmark("emotion6")
    uniform = Distribution(spec.classes, tuple(1 / len(spec.classes) for _ in spec.classes))
    width, height = image_px
    golds = [Gold(f"sample-{i}", uniform, width, height) for i in range(count)]
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)) for _ in golds]
    return SimpleNamespace(spec=spec, golds=golds, images=images)


class StepTimer(TrainerCallback):
    """Seconds of each optimiser step, generation included."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *_, **__):
        """Start the clock."""
        self.begun = now()

    def on_step_end(self, *_, **__):
        """Stop it."""
        self.seconds.append(now() - self.begun)


def now():
    """Wall time once the GPU has done what it was given; without a GPU, CPU time of this process."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def trl_arguments(setup, folder, rows):
    """GRPOConfig of both TRL loops; `rows` is rows a rollout."""
    dtype = "bfloat16" if setup.gpu else "float32"
    return GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=setup.generations * rows,
        num_generations=setup.generations * rows,
        gradient_accumulation_steps=setup.prompts,
        max_completion_length=setup.shape.cot + setup.shape.reconstruction,
        generation_kwargs={"suppress_tokens": setup.not_sampled},
        max_steps=setup.steps + 1,
        learning_rate=1e-6,
        bf16=setup.gpu,
        use_cpu=not setup.gpu,
        gradient_checkpointing=setup.gpu,
        model_init_kwargs={"dtype": dtype, "attn_implementation": setup.attention},
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
    )


def random_reward(completions, **_):
    """Rewards that give every group an advantage."""
    return torch.rand(len(completions)).tolist()


def time_trainer(trainer, dedup):
    """Seconds of each step after the first."""
    timer = StepTimer()
    trainer.add_callback(timer)
    with deduplicated_images(trainer.model, dedup):
        trainer.train()
    return timer.seconds[1:]


def ours(setup, folder):
    """The closed loop of rise_bench."""
    golds = {gold.id: gold for gold in setup.samples.golds}
    loop = ClosedLoop(
        lambda uid, cot: reconstruct_prompt(setup.samples.spec, golds[uid], cot),
        setup.shape.cot,
        setup.shape.reconstruction,
    )
    trainer = ClosedLoopTrainer(
        loop=loop,
        model=str(setup.model),
        reward_funcs=lambda cot, **_: torch.rand(len(cot) // 2).repeat_interleave(2).tolist(),
        args=trl_arguments(setup, folder, 2),
        train_dataset=rows(setup, reason_prompt),
        processing_class=setup.processor,
    )
    return time_trainer(trainer, dedup=True)


def grpo(setup, folder):
    """Stock TRL."""
    trainer = GRPOTrainer(
        model=str(setup.model),
        reward_funcs=random_reward,
        args=trl_arguments(setup, folder, 1),
        train_dataset=rows(setup, think_answer_prompt),
        processing_class=setup.processor,
    )
    return time_trainer(trainer, dedup=False)


def rows(setup, prompt):
    """The samples with a prompt each."""
    samples = setup.samples
    return prompt_rows(
        samples.golds,
        lambda i: samples.images[i],
        lambda gold: prompt(samples.spec, gold),
        minimum=setup.prompts,
    )


def authors(setup, _folder):
    """One prompt at a time, reference model, image per row, log-softmax per row."""
    from transformers import AutoModelForImageTextToText

    dtype = torch.bfloat16 if setup.gpu else torch.float32
    model = AutoModelForImageTextToText.from_pretrained(
        setup.model, dtype=dtype, attn_implementation=setup.attention
    ).to(setup.device)
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    if setup.gpu:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    seconds = []
    for _ in range(setup.steps + 1):
        begun = now()
        for gold, image in zip(setup.samples.golds, setup.samples.images, strict=True):
            authors_prompt(setup, model, reference, gold, image)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(now() - begun)
    return seconds[1:]


def authors_prompt(setup, model, reference, gold, image):
    """Sample, score and back-propagate the group of one prompt."""
    n, shape = setup.generations, setup.shape
    spec = setup.samples.spec
    first = sampled(setup, model, [reason_prompt(spec, gold)] * n, [image] * n, shape.cot)
    width = first["input_ids"].size(1) - shape.cot
    cots = setup.processor.batch_decode(first["input_ids"][:, width:], skip_special_tokens=True)
    prompts = [reconstruct_prompt(spec, gold, cot) for cot in cots]
    second = sampled(setup, model, prompts, [image] * n, shape.reconstruction)
    rewards = torch.rand(n, device=setup.device)
    advantages = ((rewards - rewards.mean()) / (rewards.std() + 1e-4))[:, None]
    for batch, length in ((first, shape.cot), (second, shape.reconstruction)):
        with torch.no_grad():
            reference_logps = row_logps(reference, batch, length)
        logps = row_logps(model, batch, length)
        gap = reference_logps - logps
        kl = gap.exp() - gap - 1
        loss = -((logps - logps.detach()).exp() * advantages - 0.04 * kl).mean() / (2 * setup.prompts)
        loss.backward()


def sampled(setup, model, texts, images, length):
    """Inputs of the rows with their sampled completions appended."""
    chats = [
        setup.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
            tokenize=False,
            add_generation_prompt=True,
        )
        for text in texts
    ]
    inputs = setup.processor(text=chats, images=images, padding=True, return_tensors="pt").to(setup.device)
    with torch.no_grad():
        model.eval()
        ids = model.generate(
            **inputs,
            do_sample=True,
            max_new_tokens=length,
            top_k=0,
            use_cache=True,
            suppress_tokens=setup.not_sampled,
        )
        model.train()
    new = torch.ones_like(ids[:, inputs["input_ids"].size(1) :])
    return {
        **inputs,
        "input_ids": ids,
        "attention_mask": torch.cat([inputs["attention_mask"], new], dim=1),
        "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(new)], dim=1),
    }


def row_logps(model, batch, length):
    """Log-probabilities of the last `length` tokens, row by row over the whole vocabulary."""
    logits = model(**batch, use_cache=False).logits[:, :-1]
    picked = []
    for row, ids in zip(logits, batch["input_ids"][:, 1:], strict=True):
        picked.append(row.log_softmax(dim=-1).gather(1, ids[:, None])[:, 0])
    return torch.stack(picked)[:, -length:]


def attention_of(gpu):
    """FlashAttention-2 where there is one."""
    from transformers.utils import is_flash_attn_2_available

    return "flash_attention_2" if gpu and is_flash_attn_2_available() else "sdpa"


def measure(setup, rounds, folder):
    """Fastest step of each loop, and its peak memory on a GPU."""
    seconds, memory = {}, {}
    for number in range(rounds):
        for loop in (ours, grpo, authors):
            if setup.gpu:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            taken = loop(setup, folder / f"{loop.__name__}-{number}")
            name = loop.__name__
            seconds[name] = min([*taken, seconds.get(name, float("inf"))])
            memory[name] = torch.cuda.max_memory_allocated() / 2**30 if setup.gpu else None
    return seconds, memory


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--prompts", type=int, default=2, help="prompts a step")
    parser.add_argument("--generations", type=int, default=8, help="G")
    parser.add_argument("--steps", type=int, default=2, help="timed steps a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--image-px", type=int, nargs=2, default=(896, 448), metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    shape = SHAPES[options.shape]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path, weights = make_model(folder, shape, torch.bfloat16 if gpu else torch.float32)
        bounds = ModelConfig(name=str(path))
        processor = load_processor(bounds)
        setup = SimpleNamespace(
            shape=shape,
            prompts=options.prompts,
            generations=options.generations,
            steps=options.steps,
            gpu=gpu,
            device="cuda" if gpu else "cpu",
            attention=attention_of(gpu),
            model=path,
            processor=processor,
            not_sampled=sorted(processor.tokenizer.all_special_ids),
            samples=make_samples(options.image_px, options.prompts),
        )
        seconds, memory = measure(setup, options.rounds, folder)
    print(
        json.dumps(
            {
                "shape": options.shape,
                "weights_millions": round(weights / 1e6, 1),
                "device": torch.cuda.get_device_name() if gpu else f"cpu, {torch.get_num_threads()} threads",
                "attention": setup.attention,
                "clock": "wall" if gpu else "cpu",
                "image_px": list(options.image_px),
                "prompts": options.prompts,
                "generations": options.generations,
                "trained_tokens": options.prompts * options.generations * (shape.cot + shape.reconstruction),
                "seconds_per_step": {name: round(value, 3) for name, value in seconds.items()},
                "ours_over_grpo": round(seconds["ours"] / seconds["grpo"], 3),
                "authors_over_ours": round(seconds["authors"] / seconds["ours"], 3),
                "peak_memory_gib": {n: round(m, 2) if m is not None else None for n, m in memory.items()},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
