"""Wrong labels made of a distribution, to test what finds them."""

import random

from rise_bench.annotations.distribution.values import Distribution

#: Share of the most probable class from which a label is hard, so that shifted mass would give it away.
_HARD = 0.99


def planted_errors(annotation: Distribution, rng: random.Random) -> dict[str, Distribution]:
    """Return wrong labels by the name of their error.

    - `swapped`: the most probable class and another one, drawn evenly, exchange their probabilities;
    - `shifted`: about half of the most probable class's mass goes to another one, a multiple of the smallest
      probability, so that shares of votes stay such shares; not of a hard label.
    """
    probs = list(annotation.probs)
    top = probs.index(max(probs))
    other = rng.choice([i for i in range(len(probs)) if i != top])
    swapped, shifted = list(probs), list(probs)
    swapped[top], swapped[other] = probs[other], probs[top]
    step = min(p for p in probs if p > 0)
    moved = step * max(1, int(probs[top] / 2 / step + 1e-6))
    shifted[top], shifted[other] = probs[top] - moved, probs[other] + moved
    errors = {"swapped": Distribution(annotation.classes, tuple(swapped))}
    if probs[top] < _HARD:
        errors["shifted"] = Distribution(annotation.classes, tuple(shifted))
    return errors
