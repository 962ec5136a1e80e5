"""What a rule decides about any numbers at all: the right verdict, whatever their size, or a clear refusal."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resnet_lib.evidence import rules
from resnet_lib.evidence.rules import Rule

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
STATISTICS = st.sampled_from(["every", "mean", "median"])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def rule(statistic: str, low: float, high: float) -> Rule:
    return Rule(f"{low} < {statistic} < {high}", statistic, low, high)


BOUNDS = st.tuples(FINITE | st.just(-np.inf), FINITE | st.just(np.inf)).filter(
    lambda ends: np.nextafter(ends[0], np.inf) < ends[1]
)


def average(statistic: str, values: np.ndarray) -> Fraction:
    """By whole numbers, which have no largest one."""
    exact = sorted(map(Fraction, values.tolist()))
    middle = exact[(len(exact) - 1) // 2], exact[len(exact) // 2]
    return sum(exact, Fraction(0)) / len(exact) if statistic == "mean" else sum(middle, Fraction(0)) / 2


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 12), elements=ANY), STATISTICS, BOUNDS)
def test_any_sample_has_a_right_verdict_or_a_clear_refusal(values, statistic, bounds):
    made = rule(statistic, *bounds)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        for call in (
            lambda: made.judge(values, rng=rng()),
            lambda: made.statuses(values[None], rng=rng()),
            lambda: rules.interval(values, "mean", rng=rng()),
        ):
            with pytest.raises(ValueError, match=rf"{bad} of {len(values)} are NaN or infinite, .* say which finite"):
                call()
        return
    found = made.judge(values, rng=rng())
    inside = sum(bounds[0] < value < bounds[1] for value in values.tolist())
    assert (found.n, found.inside) == (len(values), inside)
    assert np.isfinite(found.effect)
    if statistic == "every":
        assert found.status == ("holds" if inside == len(values) else "fails")
        assert (found.low, found.high) == (values.min(), values.max())
        assert found.effect in values
        assert inside == len(values) or not bounds[0] < found.effect < bounds[1]
        return
    exact = average(statistic, values)
    assert abs(Fraction(found.effect) - exact) <= max(abs(exact), Fraction(np.abs(values).max())) * Fraction(1e-14)
    if len(values) < rules.FEWEST:
        assert (found.status, found.low, found.high) == ("undecided", None, None)
        return
    assert values.min() <= found.low <= found.high <= values.max()
    if inside == len(values):
        assert found.status == "holds"
    if (values <= bounds[0]).all() or (values >= bounds[1]).all():
        assert found.status == "fails"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from(["mean", "median"]), st.integers(-1000, 1000), st.sampled_from([7, 40]))
def test_a_verdict_does_not_depend_on_the_unit(seed, statistic, exponent, n):
    """In units of a power of two, down to where numbers end and up to there, every digit is the same."""
    values = np.random.default_rng(seed).normal(0.1, 1, n)
    one = rule(statistic, -0.2, 0.4)
    other = rule(statistic, *(float(np.ldexp(bound, exponent)) for bound in (-0.2, 0.4)))
    scaled = np.ldexp(values, exponent)
    a, b = one.judge(values, rng=rng()), other.judge(scaled, rng=rng())
    assert (a.status, a.reason, a.inside) == (b.status, b.reason, b.inside)
    ends = [np.ldexp(end, exponent) for end in (a.effect, a.low, a.high)]
    assert (b.effect, b.low, b.high) == tuple(ends)
    (status,), (again,) = one.statuses(values[None], rng=rng()), other.statuses(scaled[None], rng=rng())
    assert status == again


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("values", [np.zeros(0), np.zeros((2, 3)), np.array(1.0)])
@pytest.mark.parametrize("statistic", ["every", "mean", "median"])
def test_what_is_no_sample_is_refused(values, statistic):
    with pytest.raises(ValueError, match=r"values has shape .*; a rule decides about 1 axes of at least one number"):
        rule(statistic, 0, 1).judge(values, rng=rng())


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match="an interval needs two values at least"):
        rules.interval(np.ones((3, 1)), "mean", rng=rng())
