"""Effect, interval, sign-flip test and detectable difference against what is known of them."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.experiments.study.paired_test import (
    detectable_difference,
    holm,
    least_seeds,
    paired_test,
)

PAIRS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=8)


def test_numbers_of_a_test() -> None:
    """Gains .1, .2, .3: mean .2, standard error .1/sqrt(3), t of .975 with two degrees of freedom 4.303."""
    test = paired_test([0.1, 0.1, 0.1], [0.2, 0.3, 0.4], lower_is_better=True)
    assert (test.gain, test.sd) == (pytest.approx(0.2), pytest.approx(0.1))
    assert (test.low, test.high) == (
        pytest.approx(0.2 - 4.3027 * 0.1 / 3**0.5, abs=1e-4),
        pytest.approx(0.2 + 4.3027 * 0.1 / 3**0.5, abs=1e-4),
    )
    assert (test.seeds, test.wins, test.losses, test.p) == (3, 3, 0, 0.25)


@pytest.mark.parametrize(
    ("gains", "p"),
    [
        ([1.0], 1.0),
        ([1.0, 2.0], 0.5),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 2 / 32),  # the least that five seeds can have
        ([-1.0, -2.0, -3.0, -4.0, -5.0], 2 / 32),
        ([2.0, 2.0, 2.0], 0.25),  # the same difference on every seed
        ([-1.0, 2.0, 3.0, 4.0, 5.0], 4 / 32),
        ([0.0, 0.0, 0.0], 1.0),
        ([1.0, -1.0], 1.0),
    ],
)
def test_p_is_the_share_of_sign_patterns(gains: list[float], p: float) -> None:
    assert paired_test(gains, [0.0] * len(gains), lower_is_better=False).p == pytest.approx(p)


@given(pairs=PAIRS)
def test_p_is_that_of_all_sign_patterns_counted_one_by_one(pairs: list[tuple[int, int]]) -> None:
    test = paired_test(*zip(*pairs, strict=True), lower_is_better=False)
    gains = [a - b for a, b in pairs]
    sums = [
        sum(sign * gain for sign, gain in zip(signs, gains, strict=True))
        for signs in product((-1, 1), repeat=len(gains))
    ]
    expected = sum(abs(total) >= abs(sum(gains)) for total in sums) / len(sums)
    assert test.p == pytest.approx(min(1.0, expected))


@given(pairs=PAIRS, lower_is_better=st.booleans())
def test_swapping_the_methods_mirrors_the_test(pairs: list[tuple[int, int]], lower_is_better: bool) -> None:
    first, second = ([float(pair[i]) for pair in pairs] for i in (0, 1))
    there = paired_test(first, second, lower_is_better=lower_is_better)
    back = paired_test(second, first, lower_is_better=lower_is_better)
    assert (back.gain, back.wins, back.losses) == (-there.gain, there.losses, there.wins)
    assert (back.p, back.sd) == (pytest.approx(there.p), pytest.approx(there.sd, nan_ok=True))
    assert (back.low, back.high) == (
        pytest.approx(-there.high, nan_ok=True),
        pytest.approx(-there.low, nan_ok=True),
    )


@pytest.mark.parametrize(("level", "seeds"), [(0.05, 6), (0.01, 8), (0.0625, 5), (1.0, 1)])
def test_fewer_seeds_cannot_reach_a_level(level: float, seeds: int) -> None:
    assert least_seeds(level) == seeds
    assert math.isinf(detectable_difference(0.1, seeds - 1, level)) if seeds > 1 else True


@pytest.mark.parametrize(
    ("seeds", "level"),
    [
        (8, 0.01),  # only 8 : 0 reaches it, as for the registered claims
        (8, 0.05),
        (10, 0.01),
    ],
)
def test_the_detectable_difference_is_found_four_times_in_five(seeds: int, level: float) -> None:
    advantage = detectable_difference(2.0, seeds, level)
    rng = np.random.default_rng(1)
    found = [
        paired_test(run, [0.0] * seeds, lower_is_better=False).p <= level
        for run in rng.normal(advantage, 2.0, size=(400, seeds)).tolist()
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_with_many_seeds_it_is_that_of_the_t_test() -> None:
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(1)
    runs = rng.normal(detectable_difference(2.0, 14, 0.05), 2.0, size=(4000, 14))
    assert np.mean(ttest_1samp(runs, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)


@given(st.floats(0.01, 10), st.sampled_from([8, 9, 10, 13, 19]))
def test_more_seeds_and_less_spread_detect_less(spread: float, seeds: int) -> None:
    here = detectable_difference(spread, seeds, 0.01)
    assert detectable_difference(spread, seeds + 1, 0.01) < here
    assert detectable_difference(spread, seeds, 0.02) <= here
    assert detectable_difference(2 * spread, seeds, 0.01) == pytest.approx(2 * here)


def test_no_seeds_are_an_error() -> None:
    with pytest.raises(ValueError, match="make no pairs"):
        paired_test([], [], lower_is_better=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_corrected_p_keep_their_order_and_are_never_smaller(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(p <= a <= 1 for p, a in zip(ps, adjusted, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)
