"""Wrong labels made of calls, to test what finds them."""

import random

from rise_bench.annotations.steps.values import Call, Steps, vocabulary


def planted_errors(steps: Steps, other: Steps, rng: random.Random) -> dict[str, Steps]:
    """Return wrong labels by the name of their error.

    - `dropped`: one of several calls is missing;
    - `changed`: a call has another value of its function, where the vocabulary or the other label has one;
    - `added`: a call of the other label is there too;
    - `swapped`: the calls of the other label.
    """
    calls, errors = list(steps.calls), {}
    index = rng.randrange(len(calls))
    if len(calls) > 1:
        errors["dropped"] = calls[:index] + calls[index + 1 :]
    if changed := _changed(calls[index], steps, other, rng):
        errors["changed"] = [*calls[:index], changed, *calls[index + 1 :]]
    if foreign := [call for call in other.calls if call not in calls]:
        errors["added"] = [*calls, rng.choice(foreign)]
        errors["swapped"] = list(other.calls)
    return {name: Steps(steps.classes, tuple(wrong)) for name, wrong in errors.items()}


def _changed(call: Call, steps: Steps, other: Steps, rng: random.Random) -> Call | None:
    """Return a call with another value."""
    known = {
        *vocabulary(steps.classes).get(call.name, ()),
        *(c.value for c in other.calls if c.name == call.name),
    }
    values = sorted(known - {call.value})
    return call._replace(value=rng.choice(values)) if values else None
