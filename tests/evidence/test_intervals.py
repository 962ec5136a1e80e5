"""The bootstrap interval against its definition and its limit law."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from resnet_lib.evidence import intervals


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_ends_are_quantiles_of_all_resamples(statistic: str) -> None:
    """Oracle: the bootstrap distribution itself, by listing all 6^6 resamples."""
    values = np.array([0.3, -1.2, 2.2, 0.9, 5.1, -0.4])
    n, resamples = len(values), 99_999
    everything = getattr(np, statistic)(np.array(list(itertools.product(values, repeat=n))), axis=-1)
    tail = special.ndtr(np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, 0.025))
    low, high = intervals.interval(values, statistic, rng=np.random.default_rng(1), resamples=resamples)
    slack = 5 * np.sqrt(tail / resamples)
    for end, distribution in ((low, everything), (-high, -everything)):
        assert (distribution < end - 1e-9).mean() < tail + slack
        assert (distribution < end + 1e-9).mean() > tail - slack


def test_for_many_normal_values_it_is_students_interval() -> None:
    values = np.random.default_rng(2).normal(size=100)
    low, high = intervals.interval(values, "mean", rng=np.random.default_rng(3), resamples=49_999)
    half = special.stdtrit(99, 0.975) * values.std(ddof=1) / 10
    assert np.array([low, high]) == pytest.approx(values.mean() + np.array([-half, half]), abs=0.1 * half)


def test_samples_of_a_batch_do_not_see_each_other() -> None:
    values = np.random.default_rng(4).normal(size=(3, 2, 8))
    low, high = intervals.interval(values, "mean", rng=np.random.default_rng(5), resamples=500)
    alone_low, alone_high = intervals.interval(values[2, 1], "mean", rng=np.random.default_rng(5), resamples=500)
    assert low.shape == high.shape == (3, 2)
    assert (low[2, 1], high[2, 1]) == (alone_low, alone_high)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-100, 100), min_size=5, max_size=12),
    st.sampled_from(["mean", "median"]),
    st.floats(0.1, 10),
    st.floats(-50, 50),
)
def test_a_change_of_units_changes_nothing_else(
    values: list[float], statistic: str, scale: float, shift: float
) -> None:
    x = np.array(values)
    low, high = intervals.interval(x, statistic, rng=np.random.default_rng(6), resamples=199)
    other_low, other_high = intervals.interval(
        scale * x + shift, statistic, rng=np.random.default_rng(6), resamples=199
    )
    assert x.min() <= low <= high <= x.max()
    assert [other_low, other_high] == pytest.approx([scale * low + shift, scale * high + shift], rel=1e-9, abs=1e-9)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64, np.float16, np.float32])
@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_values_of_few_bits_lose_no_digit(dtype: type, statistic: str) -> None:
    values = np.array([100, 101, 127, 100, 99, 103, 3], dtype=dtype)
    wide = values.astype(np.float64)
    assert intervals.average(values, statistic) == intervals.average(wide, statistic)
    ends = [intervals.interval(x, statistic, rng=np.random.default_rng(8), resamples=99) for x in (values, wide)]
    assert ends[0] == ends[1]
    batches = [np.tile(x, (1, 6)) for x in (values, wide)]
    (low, high), expected = (intervals.limits(batch, statistic) for batch in batches)
    assert (low, high) == expected


@pytest.mark.usefixtures("unchecked")
def test_the_least_integer_of_eight_bits_has_a_size() -> None:
    assert intervals.average(np.array([-128, -128, 127], dtype=np.int8), "mean") == pytest.approx(-43)


def test_values_that_cancel_have_a_mean_of_zero_whatever_their_unit():
    cancelling = 100 * (np.array([0.1, 0.2, 0.3]) - 0.2)
    assert cancelling.mean() != 0
    for exponent in (-300, 0, 300):
        assert intervals.average(np.ldexp(cancelling, exponent), "mean") == 0
    assert intervals.average(np.array([1.0, -1.0, 3e-15]), "mean") == pytest.approx(1e-15)
    assert intervals.average(np.full(5, 3e-16), "mean") == 3e-16
