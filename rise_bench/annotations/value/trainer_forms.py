"""A value as the rewards of other trainers compare it."""

from collections.abc import Sequence

from rise_bench.annotations.base import Gold
from rise_bench.annotations.trainer_form import TrainerForm
from rise_bench.annotations.value.values import Value

ASK = "Answer with one number in digits, one letter or one short word."


class ValueForms:
    """The value alone as the answer."""

    vlm_r1_reward = ""

    def visual_rft(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return the value in answer tags."""
        ask, value, _ = self.vlm_r1(gold, classes)
        return TrainerForm(ask, f"<answer>{value}</answer>", "<answer>value</answer>")

    def vlm_r1(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return the value."""
        assert isinstance(gold.annotation, Value)
        return TrainerForm(ASK, gold.annotation.text)
