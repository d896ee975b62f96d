"""Boxes as the rewards of other trainers compare them."""

import json
from collections.abc import Sequence

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.values import TARGET, Boxes
from rise_bench.annotations.trainer_form import TrainerForm

_THOUSANDTHS = Frame(1000, 1000)


class CornerForms:
    """Whole left, top, right and bottom as the answer."""

    vlm_r1_reward = "map"

    def visual_rft(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return corners in thousandths, with a confidence."""
        boxes = [{"Position": box, "Confidence": 1.0} for box in corners(gold, _THOUSANDTHS)]
        return TrainerForm(
            "Give each box as left, top, right and bottom in whole thousandths of the image, and a "
            "confidence between 0 and 1; answer No Objects if there is none.",
            f"<answer>{boxes or 'No Objects'}</answer>",
            "<answer>[{'Position': [x1, y1, x2, y2], 'Confidence': number}, ...]</answer>",
        )

    def vlm_r1(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return corners in pixels, with a label."""
        label = gold.category or TARGET
        boxes = [{"bbox_2d": box, "label": label} for box in corners(gold, gold.frame_px)]
        form = f'[{{"bbox_2d": [x1, y1, x2, y2], "label": "{label}"}}]'
        return TrainerForm(
            f"Answer with a ```json block of boxes in pixels, like {form}.",
            f"```json\n{json.dumps(boxes)}\n```",
        )


def corners(gold: Gold, frame: Frame) -> list[list[int]]:
    """Return boxes as whole [left, top, right, bottom] in a frame, no side empty."""
    assert isinstance(gold.annotation, Boxes)
    scaled = gold.annotation.rescale(gold.frame_px, frame).xywh
    return [
        [round(x), round(y), max(round(x) + 1, round(x + w)), max(round(y) + 1, round(y + h))]
        for x, y, w, h in scaled
    ]
