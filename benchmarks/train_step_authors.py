"""The loop as the authors' released trainer is written, extended to the paper's objective."""

import copy

import torch
from train_step_clock import now

from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt


def authors(setup, _folder):
    """One prompt at a time, reference model, image per row, log-softmax per row."""
    from transformers import AutoModelForImageTextToText

    dtype = torch.bfloat16 if setup.gpu else torch.float32
    model = AutoModelForImageTextToText.from_pretrained(
        setup.model,
        dtype=dtype,
        attn_implementation=setup.attention,
        trust_remote_code=False,
        use_safetensors=True,
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
