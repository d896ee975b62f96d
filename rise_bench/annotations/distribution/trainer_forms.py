"""The most probable class as the rewards of other trainers compare it."""

from collections.abc import Sequence

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.trainer_form import TrainerForm


class ClassForms:
    """A class name as the answer."""

    vlm_r1_reward = ""

    def visual_rft(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return the name in answer tags."""
        ask, name, _ = self.vlm_r1(gold, classes)
        return TrainerForm(ask, f"<answer>{name}</answer>", "<answer>name</answer>")

    def vlm_r1(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return the name."""
        assert isinstance(gold.annotation, Distribution)
        return TrainerForm(f"Answer with one of: {', '.join(classes)}.", gold.annotation.top)
