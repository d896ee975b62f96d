"""Sampling from a local checkpoint with transformers; torch is imported when a model is loaded."""

import os
import zlib
from collections.abc import Sequence
from typing import Any

from rise_bench.annotations.boxes.values import MAX_PIXELS, MIN_PIXELS
from rise_bench.catalog.extras import require_extra
from rise_bench.errors import ConfigError
from rise_bench.files.images import decode_rgb
from rise_bench.models.families import limit_pictures, supported_model
from rise_bench.models.generate_settings import special_tokens_not_sampled
from rise_bench.models.sampler import Prompt, Sampling, TokenCount
from rise_bench.scoring.response_text import opens_thinking


def load_checkpoint(name: str, revision: str = "", **settings: Any) -> tuple[Any, Any, str]:
    """Load a checkpoint without running code of its author and without its generation settings.

    Args:
        name: Name of the model, see `local_model`.
        revision: Hub revision; empty means the default branch.
        settings: Further arguments of `from_pretrained` for the weights, e.g. `dtype`.

    Returns:
        Processor, padding on the left; model; commit on the Hub, empty for a folder.

    Raises:
        ConfigError: The checkpoint does not exist, has another family, or could run code of its author.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from rise_bench.models.prepared_pictures import prepare_pictures_once

    checked = supported_model(name, revision)
    try:
        processor = AutoProcessor.from_pretrained(
            checked.folder, padding_side="left", trust_remote_code=False
        )
        model: Any = AutoModelForImageTextToText.from_pretrained(
            checked.folder, trust_remote_code=False, use_safetensors=True, **settings
        )
    except OSError as error:
        raise ConfigError(f"no model {name!r}: {str(error).splitlines()[0]}") from error
    keep_end_tokens_only(model)
    prepare_pictures_once(processor.image_processor)
    return processor, model, checked.revision


def keep_end_tokens_only(model: Any) -> None:
    """Drop the generation settings of a checkpoint (beams, lengths, ...) except the ids that end a text.

    transformers takes every setting that a call does not give from the checkpoint.
    """
    from transformers import GenerationConfig

    own = model.generation_config
    ends = {key: getattr(own, key, None) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ends)


def _own_gpu(gpus: int) -> int:
    """Return the number of this process's GPU, by torchrun, accelerate or Slurm, of those that it sees."""
    number = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
    return int(number) % gpus


class LocalModel:
    """Checkpoint on the device of this process: the GPU of its local rank, else the CPU."""

    workers = 1

    def __init__(
        self,
        name: str,
        *,
        revision: str = "",
        sampling: Sampling | None = None,
        max_pixels: int = MAX_PIXELS,
        min_pixels: int = MIN_PIXELS,
        batch_rows: int = 4,
        attn_implementation: str = "sdpa",
        use_cpu: bool = False,
    ) -> None:
        """Load the model.

        Args:
            name: Name of the model, see `local_model`.
            revision: Hub revision; empty means the default branch.
            sampling: Sampling settings.
            max_pixels: Largest image of the processor.
            min_pixels: Smallest image of the processor.
            batch_rows: Prompts per call of `generate`.
            attn_implementation: Attention kernel of transformers: sdpa, flash_attention_2 or eager.
            use_cpu: Whether to leave a GPU alone.

        Raises:
            PrerequisiteError: torch or transformers is not installed.
            ConfigError: The checkpoint does not exist, or could run code of its author.
        """
        require_extra("train")
        import torch

        from rise_bench.models.shared_prefill import SharedPrefill

        self.batch_rows = batch_rows
        self.tokens = TokenCount()
        self._name = name
        self._sampling = sampling or Sampling()
        on_gpu = torch.cuda.is_available() and not use_cpu
        self._device = f"cuda:{_own_gpu(torch.cuda.device_count())}" if on_gpu else "cpu"
        self._processor, model, self._revision = load_checkpoint(
            name,
            revision,
            dtype=torch.bfloat16 if on_gpu else torch.float32,
            attn_implementation=attn_implementation,
        )
        self._model = model.to(self._device).eval()
        self._generate: Any = SharedPrefill(self._model).generate
        limit_pictures(self._processor, min_pixels, max_pixels)
        self.may_think_first = opens_thinking(self._chat(Prompt((), "")))

    def describe(self) -> dict[str, Any]:
        """Return model and sampling settings."""
        return {
            "model": self._name,
            "revision": self._revision,
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
            "seed": self._sampling.seed,
        }

    def sample(self, prompts: Sequence[Prompt], n: int, max_tokens: int) -> list[list[str]]:
        """Draw `n` texts for each prompt, reproducibly; at temperature 0 all `n` are the greedy text."""
        import torch

        asked = b"".join(prompt.text.encode() + b"".join(prompt.images) for prompt in prompts)
        torch.manual_seed(self._sampling.seed ^ zlib.crc32(asked))
        how: dict[str, Any] = {"do_sample": False}
        if self._sampling.temperature > 0:
            drawing = {"temperature": self._sampling.temperature, "top_p": self._sampling.top_p, "top_k": 0}
            how = {"do_sample": True, "num_return_sequences": n, **drawing}
        drawn = how.get("num_return_sequences", 1)
        shown = [image for prompt in prompts for image in prompt.images]
        decoded = {image: decode_rgb(image) for image in set(shown)}
        inputs = self._processor(
            text=[self._chat(prompt) for prompt in prompts],
            images=[decoded[image] for image in shown] or None,
            padding=True,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            output = self._generate(
                **inputs,
                **how,
                max_new_tokens=max_tokens,
                repetition_penalty=1.0,
                suppress_tokens=special_tokens_not_sampled(self._processor),
                pad_token_id=self._processor.tokenizer.pad_token_id,
            )
        new = output[:, inputs["input_ids"].shape[1] :]
        self.tokens.prompt += int(inputs["attention_mask"].sum())
        self.tokens.completion += int((new != self._processor.tokenizer.pad_token_id).sum())
        texts: list[str] = self._processor.batch_decode(new, skip_special_tokens=True)
        return [texts[i * drawn : (i + 1) * drawn] * (n // drawn) for i in range(len(prompts))]

    def close(self) -> None:
        """Free the memory of the model."""
        self._model = self._generate = None

    def _chat(self, prompt: Prompt) -> str:
        content = [*({"type": "image"} for _ in prompt.images), {"type": "text", "text": prompt.text}]
        chat: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        return chat
