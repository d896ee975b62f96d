"""Forms of an answer that the rewards of trainers outside this project compare."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rise_bench.annotations.base import Gold


class TrainerForm(NamedTuple):
    """Form of an annotation for a trainer.

    Attributes:
        ask: Sentence of the prompt.
        answer: Ground truth in the comparison of the trainer's reward.
        form: Form of the answer, if the prompt has to show it.
    """

    ask: str
    answer: str
    form: str = ""


class TrainerForms(Protocol):
    """Forms of a kind's annotations for Visual-RFT and VLM-R1.

    Attributes:
        vlm_r1_reward: Name of VLM-R1's reward, if it is not the usual one.
    """

    vlm_r1_reward: str

    def visual_rft(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return the form of Visual-RFT."""

    def vlm_r1(self, gold: Gold, classes: Sequence[str]) -> TrainerForm:
        """Return the form of VLM-R1, which adds the think-answer instruction itself."""
