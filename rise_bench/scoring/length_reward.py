"""Length reward of Kimi k1.5 (arXiv 2501.12599), an option of Reason-RFT: short if right.

Over the responses to one prompt, l = 0.5 - (length - shortest) / (longest - shortest); a right response gets
l, a wrong one min(0, l); all get 0 if they are equally long. Reason-RFT (tanhuajie/Reason-RFT,
train/stage_rl/reward.py) counts characters, weights it by 0.05 and pays nothing before step 800.
"""

from __future__ import annotations

from collections.abc import Sequence


def length_rewards(lengths: Sequence[int], right: Sequence[bool]) -> list[float]:
    """Return the length reward of each response to a prompt, in [-0.5, 0.5].

    Args:
        lengths: Length of each response.
        right: Whether each is right.

    >>> length_rewards([10, 20, 30], [True, True, False])
    [0.5, 0.0, -0.5]
    """
    shortest, span = min(lengths, default=0), max(lengths, default=0) - min(lengths, default=0)
    if not span:
        return [0.0] * len(lengths)
    scores = [0.5 - (length - shortest) / span for length in lengths]
    return [score if good else min(0.0, score) for score, good in zip(scores, right, strict=True)]
