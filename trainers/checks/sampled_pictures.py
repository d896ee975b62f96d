"""Pictures that a colocated vLLM samples from are those that are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.errors import ConfigError
from rise_bench.evaluation.image_limits import checkpoint_limits
from rise_bench.models.families import family_of, fitted_size, supported_model
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


def check_sampled_pictures(
    config: TrainConfig, run: RunFolder, processor: Any, golds: Sequence[Gold]
) -> None:
    """Check that a colocated vLLM leaves pictures of the trainer's size alone, by each size in the data.

    It resizes by the limits of the folder that it loads: the base model's, or those of the run, which a model
    that an earlier phase wrote has; an adapter has none of its own.

    Args:
        config: Resolved config.
        run: The run folder.
        processor: The model's processor, with the limits of the run.
        golds: Samples that are trained on.

    Raises:
        ConfigError: It would resize a picture again.
    """
    if config.grpo.vllm != "colocate" or "grpo" not in config.active_phases:
        return
    if not family_of(config.model.name).by_vllm:
        return  # refused by `check_vllm`
    from_base = config.active_phases[0] == "grpo" and run.start_of(config, "grpo") == config.model.name
    if not from_base and not config.model.lora.adapter_only:
        return
    model = config.model
    limits = checkpoint_limits(str(supported_model(model.name, model.revision, weights=False).folder))
    if limits is None:
        return
    sizes = {(gold.width_px, gold.height_px): gold for gold in reversed(golds)}
    fitted = {size: fitted_size(*size, processor.image_processor) for size in sizes}
    areas = {size: width * height for size, (width, height) in fitted.items()}
    changed = [s for s in sizes if not limits.smallest <= areas[s] <= limits.largest]
    if not changed:
        return
    first, (width, height) = sizes[changed[-1]], fitted[changed[-1]]
    fixes = [f"model.max_pixels={limits.largest}"] if max(areas.values()) > limits.largest else []
    if min(areas.values()) < limits.smallest:
        fixes.append(f"model.min_pixels={limits.smallest}")
        if model.box_unit == "resized_px" or limits.smallest > model.max_pixels:
            fixes = []
    raise ConfigError(
        f"grpo.vllm = colocate: vLLM resizes pictures to {limits.smallest} to {limits.largest} pixels "
        f"({limits.source}), also {first.id}, which training sees in {width} x {height}, and pictures of "
        f"{len(changed)} of {len(sizes)} sizes in the data. Set "
        f"{' and '.join(fixes) + ', or ' if fixes else ''}grpo.vllm=none."
    )
