"""Image resolution of a checkpoint, and of lmms-eval.

Some models of lmms-eval (qwen2_vl, qwen2_5_vl, qwen3_vl) replace the limits of the checkpoint's processor. A
model that was trained on small images then gets large images, is slower and scores worse.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.boxes.values import MIN_PIXELS, frame_of
from rise_bench.data.hub_files import model_file
from rise_bench.errors import ConfigError
from rise_bench.evaluation.lmms_command import stated_in
from rise_bench.evaluation.lmms_models import pixel_limits
from rise_bench.models.trained_model import recipe_of, run_of

#: Names of the two limits in `--model_args`.
_ARGUMENTS = ("min_pixels", "max_pixels")

#: Files with the settings of an image processor, in the order in which transformers prefers them.
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Smallest and largest image of a processor, in pixels.

    Attributes:
        smallest: Size to which smaller images are enlarged.
        largest: Size to which larger images are shrunk.
        source: Origin of the limits, for messages.
        trained: Whether they are those of the training run.
        stated: Whether `--model_args` contain the largest.
    """

    smallest: int
    largest: int
    source: str
    trained: bool = False
    stated: bool = False

    @property
    def pixels(self) -> tuple[int, int]:
        """Smallest and largest."""
        return self.smallest, self.largest


def checkpoint_limits(checkpoint: str, revision: str = "", *, local_only: bool = False) -> ImageLimits | None:
    """Return the limits of a checkpoint (folder or Hub id); None if unknown.

    Args:
        checkpoint: Folder or Hub id.
        revision: Revision on the Hub; the head of main if empty.
        local_only: Search only the local Hub cache.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return _of_run(folder) or _of_processor(folder, lambda name: folder / name)
    return _of_processor(
        checkpoint, lambda name: model_file(checkpoint, name, revision, local_only=local_only)
    )


def lmms_limits(model: str, model_args: str, otherwise: tuple[int, int] | None = None) -> ImageLimits | None:
    """Return the limits of lmms-eval for the processor; `otherwise` if it sets none.

    Args:
        model: `--model`.
        model_args: `--model_args`.
        otherwise: Limits of the checkpoint or server.

    Raises:
        ConfigError: If a limit in `model_args` is not a whole number.
    """
    own = pixel_limits(model) or otherwise
    if own is None:
        return None
    stated = {name: _pixels(text, name) for name, text in stated_in(model_args).items() if name in _ARGUMENTS}
    smallest, largest = (stated.get(name, default) for name, default in zip(_ARGUMENTS, own, strict=True))
    chosen = "max_pixels" in stated
    source = "--model_args" if chosen else f"lmms-eval's {model}"
    return ImageLimits(smallest, largest, source, stated=chosen)


def missing_arguments(model_args: str, limits: ImageLimits) -> dict[str, int]:
    """Return the `--model_args` to add so that a checkpoint sees images at its own limits."""
    stated = stated_in(model_args)
    largest = _pixels(stated["max_pixels"], "max_pixels") if "max_pixels" in stated else limits.largest
    own = {"min_pixels": min(limits.smallest, largest), "max_pixels": largest}
    return {name: value for name, value in own.items() if name not in stated}


def check_frames(
    sizes_px: Iterable[tuple[int, int]],
    model: str,
    model_args: str,
    *,
    max_pixels: int,
    otherwise: tuple[int, int] | None = None,
) -> None:
    """Check that a run with boxes in `resized_px` keeps images at the size in the prompts.

    Args:
        sizes_px: (width, height) of the original images.
        model: `--model`.
        model_args: `--model_args`.
        max_pixels: Limit in the prompts.
        otherwise: Limits of the checkpoint, where lmms-eval sets none; those in the prompts if unknown.

    Raises:
        ConfigError: If the processor's limits would resize such an image again.
    """
    limits = lmms_limits(model, model_args, otherwise=otherwise or (0, max_pixels))
    smallest, largest = (limits.smallest, limits.largest) if limits else (0, max_pixels)
    for width, height in sizes_px:
        frame = frame_of("resized_px", width, height, max_pixels=max_pixels)
        if not smallest <= frame.width * frame.height <= largest:
            raise ConfigError(
                f"boxes are asked for in pixels of an image of {frame.width:g} x {frame.height:g}, but the "
                f"processor takes {smallest} to {largest} pixels and would resize it again; add "
                f"min_pixels={MIN_PIXELS},max_pixels={max_pixels} to --model_args"
            )


def _pixels(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"--model_args has {name}={text}; use a whole number of pixels")
    return int(text)


def _of_run(folder: Path) -> ImageLimits | None:
    """Return the limits in the recipe of a training run, given its folder or a model in it."""
    run = run_of(folder)
    if run is None:
        return None
    model = recipe_of(run).get("model")
    model = model if isinstance(model, dict) else {}
    return _limits(model.get("min_pixels"), model.get("max_pixels"), f"the recipe of {run}", trained=True)


def _of_processor(checkpoint: Path | str, find: Callable[[str], Path | None]) -> ImageLimits | None:
    for name in _PROCESSOR_FILES:
        path = find(name)
        if path is None or not path.is_file():
            continue
        try:
            settings: Any = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON ({error}); fetch the checkpoint again") from error
        settings = settings.get("image_processor", settings) if isinstance(settings, dict) else {}
        size = settings.get("size") if isinstance(settings.get("size"), dict) else {}
        smallest = settings.get("min_pixels") or size.get("shortest_edge") or size.get("min_pixels")
        largest = settings.get("max_pixels") or size.get("longest_edge") or size.get("max_pixels")
        if limits := _limits(smallest, largest, f"{name} of {checkpoint}"):
            return limits
    return None


def _limits(smallest: object, largest: object, source: str, *, trained: bool = False) -> ImageLimits | None:
    if type(smallest) is int and type(largest) is int and 0 < smallest <= largest:
        return ImageLimits(smallest, largest, source, trained)
    return None
