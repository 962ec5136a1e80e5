"""What a rule decides about any numbers at all: the right verdict, whatever their size, or a clear refusal."""

import math
from decimal import Decimal
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
    lambda ends: math.nextafter(ends[0], math.inf) < ends[1]
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
    assert found.low is not None
    assert found.high is not None
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
    ends = np.array([a.effect, a.low, a.high], np.float64)
    assert (b.effect, b.low, b.high) == tuple(np.ldexp(ends, exponent))
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


@pytest.mark.parametrize(
    ("text", "statistic", "low", "high"),
    [
        ("mean < 5", "mean", -np.inf, 5),
        ("median > -1", "median", -1, np.inf),
        ("-1e-9 < every < +1e-9", "every", -1e-9, 1e-9),
        (" .5<mean<1. ", "mean", 0.5, 1),
        ("2 < median", "median", 2, np.inf),
    ],
)
def test_rules_are_parsed(text: str, statistic: str, low: float, high: float) -> None:
    rule = Rule.parse(text)
    assert (rule.statistic, rule.low, rule.high) == (statistic, low, high)


@pytest.mark.parametrize(
    "text",
    ["", "mean", "mean = 3", "mean <= 3", "max < 3", "mean < x", "3 > mean", "1 < mean > 2", "mean < 1 < 2", "< 3"],
)
def test_what_is_no_rule_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no rule; write <statistic> < x, .*every, mean or median"):
        Rule.parse(text)


def test_a_rule_that_nothing_satisfies_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'2 < mean < 1' is satisfied by no number; write the lower bound first"):
        Rule.parse("2 < mean < 1")
    with pytest.raises(ValueError, match=r"is satisfied by no number"):
        Rule.parse("1 < mean < 1.0000000000000002")  # neighbours: no float64 lies between them


@pytest.mark.parametrize("statistic", ["every", "mean", "median"])
@pytest.mark.parametrize("bound", ["1e999", "1.7976931348623157e308", "1e-999", "0.000000e-999", "4e-324", "0", "-0.0"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_bound_that_decides_nothing_is_refused(statistic: str, bound: str, sign: str) -> None:
    number = sign + bound.lstrip("-")
    for text in (f"{statistic} < {number}", f"{statistic} > {number}", f"-7 < {statistic} < {number}"):
        if "e999" in bound or "e308" in bound or bound == "1e-999":
            with pytest.raises(ValueError, match=rf"'{text}' has the bound {number}, which float64 knows as"):
                Rule.parse(text)
        else:  # zero, however it is written, and the smallest number are bounds
            assert float(number) in (Rule.parse(text).low, Rule.parse(text).high)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_rule_is_satisfied_by_every_number(bound: Decimal) -> None:
    for text in (f"mean < {bound:f}", f"mean > {bound:f}", f"every < {bound:e}"):
        try:
            rule = Rule.parse(text)
        except ValueError:
            continue
        largest = np.array([-np.finfo(float).max, np.finfo(float).max])
        assert 0 < rule.satisfied(largest).sum() < 2, text


@pytest.mark.parametrize(
    ("text", "low", "high", "status"),
    [
        ("mean < 1", 0.0, 0.9, "holds"),
        ("mean < 1", 0.0, 1.0, "undecided"),
        ("mean < 1", 1.0, 2.0, "fails"),
        ("mean > 1", 1.0, 2.0, "undecided"),
        ("mean > 1", 1.1, 2.0, "holds"),
        ("mean > 1", 0.0, 1.0, "fails"),
        ("0 < mean < 1", 0.1, 0.9, "holds"),
        ("0 < mean < 1", -0.1, 0.9, "undecided"),
        ("0 < mean < 1", -0.1, 1.1, "undecided"),
        ("0 < mean < 1", 1.0, 1.1, "fails"),
        ("0 < mean < 1", -2.0, 0.0, "fails"),
    ],
)
def test_the_whole_interval_decides(text: str, low: float, high: float, status: str) -> None:
    assert Rule.parse(text).decide(np.array(low), np.array(high)) == status
