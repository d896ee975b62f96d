"""Check of a model's family by config.json, before the weights are fetched."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import MAX_PIXELS, MIN_PIXELS, frame_of
from rise_bench.catalog.families import FAMILIES, Family, family_named
from rise_bench.errors import ConfigError
from rise_bench.models.adapters import is_adapter
from rise_bench.models.names import CheckedModel, checked_model, local_model

#: Largest ratio of the sides of a picture for the processors of all families.
MAX_ASPECT_RATIO = min(family.max_aspect_ratio for family in FAMILIES.values())


def supported_model(name: str, revision: str = "", *, weights: bool = True) -> CheckedModel:
    """Return a model of a supported family, see `checked_model`; weights are fetched last.

    Raises:
        ConfigError: The model does not exist, has another family, or could run code of its author.
    """
    described = checked_model(name, revision, weights=False)
    path = described.folder / "config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"no model {name!r}: {path}: {error}") from error
    settings = settings if isinstance(settings, dict) else {}
    family = settings.get("model_type")
    if family not in FAMILIES:
        architectures = settings.get("architectures") or ["no architecture named"]
        raise ConfigError(
            f"{name} is of the family {family!r} ({architectures[0]}), which is not supported; choose a "
            "model of " + ", ".join(f"{known.name} ({known.label})" for known in FAMILIES.values())
        )
    return checked_model(name, revision) if weights else described


def family_of(name: str) -> Family:
    """Return the family of a model, by the config.json of a folder, else by its name; nothing is downloaded.

    Raises:
        ConfigError: Neither says so.
    """
    folder = Path(name).expanduser()
    family = None if folder.is_dir() else family_named(name)
    if family is None:
        place = Path(local_model(name))
        if is_adapter(place):
            place = checked_model(name, weights=False).folder
        described = place / "config.json"
        if not described.is_file():
            raise ConfigError(
                f"the name of {name} does not tell its family; name a model of "
                f"{', '.join(known.label for known in FAMILIES.values())}, or a folder with its config.json"
            )
        supported_model(name, weights=False)
        family = FAMILIES[json.loads(described.read_text(encoding="utf-8"))["model_type"]]
    return family


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Smallest and largest picture of a processor, in pixels."""

    min_pixels: int = MIN_PIXELS
    max_pixels: int = MAX_PIXELS

    @classmethod
    def of(cls, answer_format: AnswerFormat, smallest: int | None) -> Self:
        """Return the limits of a model that is asked in a format.

        Args:
            answer_format: With the largest picture.
            smallest: Smallest picture of its run or processor; the paper's if None, and for boxes in
                `resized_px`, which are read for that.
        """
        least = MIN_PIXELS if smallest is None or answer_format.unit == "resized_px" else smallest
        return cls(min(least, answer_format.max_pixels), answer_format.max_pixels)

    def to_record(self) -> dict[str, int]:
        """Return what records of settings say beside the answer format: nothing of the paper's smallest."""
        return {} if self.min_pixels == MIN_PIXELS else {"min_pixels": self.min_pixels}


def limit_pictures(processor: Any, min_pixels: int, max_pixels: int) -> None:
    """Set the smallest and largest picture of a processor, in pixels.

    A family with tiles has whole tiles only, see `limit_split` and `limit_crops`.
    """
    family = family_named(type(processor).__name__)
    if family is None:
        raise ConfigError(f"{type(processor).__name__} is the processor of no family; choose another model")
    family.limit(processor.image_processor, min_pixels, max_pixels)


def fitted_size(width_px: int, height_px: int, images: Any) -> tuple[int, int]:
    """Return the size to which an image processor of the Qwen-VL families resizes a picture."""
    frame = frame_of(
        "resized_px",
        width_px,
        height_px,
        max_pixels=images.size["longest_edge"],
        min_pixels=images.size["shortest_edge"],
        patch_px=images.patch_size * images.merge_size,
    )
    return round(frame.width), round(frame.height)


def is_too_thin(gold: Gold) -> bool:
    """Whether the processors of the families refuse the sample's picture."""
    short, long = sorted((gold.width_px, gold.height_px))
    return long > MAX_ASPECT_RATIO * short


def check_pictures(golds: Iterable[Gold]) -> None:
    """Raise `ConfigError` if a picture is too thin for the processors of the families."""
    thin = [gold for gold in golds if is_too_thin(gold)]
    if not thin:
        return
    first = thin[0]
    shape = "wide as high" if first.width_px > first.height_px else "high as wide"
    others = f" ({len(thin) - 1} more like it)" if len(thin) > 1 else ""
    raise ConfigError(
        f"the image of {first.id} ({first.width_px} x {first.height_px} px){others} is more than "
        f"{MAX_ASPECT_RATIO} times as {shape}, which the processors of the supported models refuse. Leave it "
        "out, or cut it into pieces, and build again."
    )
