"""Pictures of a prompt that states their size."""

import io

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import frame_of
from rise_bench.annotations.kinds import KINDS
from rise_bench.files.images import ImageBytes, decode_rgb


def sized(images: tuple[bytes, ...], gold: Gold, answer_format: AnswerFormat) -> tuple[bytes, ...]:
    """Return the pictures in the size that the prompt states, where it states one (`resized_px`).

    A server has limits of its own and tells nobody. The filter is that of the Qwen processors, which keep a
    picture of this size as it is.

    Args:
        images: Encoded images.
        gold: Sample that the prompt is about, with the size of its images as shown.
        answer_format: With the unit of boxes.
    """
    if answer_format.unit != "resized_px" or not KINDS[gold.kind].in_frame:
        return images
    frame = frame_of("resized_px", gold.width_px, gold.height_px, max_pixels=answer_format.max_pixels)
    return tuple(_resized(image, (int(frame.width), int(frame.height)), gold.id) for image in images)


def _resized(image: bytes, size_px: tuple[int, int], name: str) -> bytes:
    file = io.BytesIO()
    decode_rgb(image, name).resize(size_px).save(file, "PNG", compress_level=1)
    return ImageBytes(file.getvalue())
