"""The lengths of steps against the rule in one line of arithmetic, and against a loop that is written out."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known_fields import START, smooth

from resnet_lib import ode
from resnet_lib.ode import steppers, tableaus
from resnet_lib.ode.step_sizes import MOST_STEPS, Adaptive, Equal
from resnet_lib.ode.steppers import Step

ZERO = torch.zeros(4, dtype=torch.float64)


def tried(error: float) -> Step:
    """A step from zero to zero, each of whose numbers has that error."""
    return Step(ZERO, 1, torch.full_like(ZERO, error))


def test_equal_steps_are_counted_and_end_at_multiples():
    control = Equal(1.0, 4.0, 6)
    assert control.first == 0.5
    assert [control.unfinished(count, 1.0, 0.5) for count in (0, 5, 6)] == [True, True, False]
    assert control.reached(5, 3.0, 0.5) == 1 + 5 * 0.5
    assert control.length(3.9, 0.5) == 0.5
    judged = control.judge(Step(ZERO, 1), ZERO)
    assert (judged.accepted, judged.factor, math.isnan(judged.error)) == (True, 1.0, True)
    assert not control.stuck(10**9, 0.0)
    assert not control.endless(10**9)


@given(st.floats(1e-12, 1e12), st.integers(1, 5))
def test_the_next_step_is_as_long_as_the_error_allows_within_bounds(ratio, order):
    """The local error of a method of that order grows as the step to the power `order + 1`."""
    tol = 1e-6
    judged = Adaptive(0.0, 1.0, tol, order).judge(tried(tol * ratio), ZERO)
    ideal = ratio ** (-1 / (order + 1))
    assert judged.factor == pytest.approx(min(5, max(0.2, 0.9 * ideal)), rel=1e-9)
    if abs(ratio - 1) > 1e-9:
        assert judged.accepted == (ratio < 1)
    if judged.accepted:
        assert judged.error == pytest.approx(2 * tol * ratio)  # four equal numbers


def test_the_error_is_relative_to_one_more_than_the_larger_state():
    control = Adaptive(0.0, 1.0, 1e-3, 2)
    step = Step(torch.full_like(ZERO, -9.0), 1, torch.full_like(ZERO, 0.0099))
    assert control.judge(step, ZERO).accepted
    assert control.judge(step, torch.full_like(ZERO, 4.0)).accepted
    assert not control.judge(Step(ZERO, 1, step.error), torch.full_like(ZERO, 8.0)).accepted


@pytest.mark.parametrize(
    ("error", "accepted", "factor"), [(0.0, True, 5.0), (math.nan, False, 0.2), (math.inf, False, 0.2)]
)
def test_an_error_that_is_no_ratio(error, accepted, factor):
    judged = Adaptive(0.0, 1.0, 1e-3, 4).judge(tried(error), ZERO)
    assert (judged.accepted, judged.factor) == (accepted, factor)


@pytest.mark.parametrize("end", [2.0, -2.0])
def test_adaptive_steps_end_at_the_end(end):
    control = Adaptive(0.0, end, 1e-3, 4)
    assert control.first == end * 1e-3 ** (1 / 3) or control.first == 0.1 * end
    h = end / 4
    assert control.length(0.9 * end, h) == end - 0.9 * end
    assert control.length(0.5 * end, h) == h
    assert control.reached(3, end - h - 1e-15 * end, h) == end
    assert control.reached(3, 0.0, h) == h
    assert control.unfinished(3, 0.5 * end, h)
    assert not control.unfinished(3, end, h)
    assert [control.stuck(1, 1e-14 * end), control.stuck(1, h), control.stuck(MOST_STEPS + 1, h)] == [True, False, True]
    assert [control.endless(MOST_STEPS - 1), control.endless(MOST_STEPS)] == [False, True]


@pytest.mark.parametrize("name", ["dormand-prince", "bogacki-shampine"])
@pytest.mark.parametrize("tol", [1e-3, 1e-7])
@pytest.mark.parametrize("end", [5.0, -1.0])
def test_the_solver_takes_the_steps_of_a_loop_that_is_written_out(name, tol, end):
    """Bit for bit: so the control, taken out of the loop, changes no number of it."""
    chosen = tableaus.METHODS[name]
    assert isinstance(chosen, tableaus.Tableau)
    t, x, h, last = 0.0, START, end * min(0.1, tol ** (1 / 3)), None
    times, states, rejected, error = [t], [x], 0, 0.0
    while (end - t) * h > 0:
        if abs(end - t) < abs(h) * (1 + 1e-12):
            h = end - t
        step = steppers.step(chosen, smooth, None, t, x, h, last)
        assert step.error is not None
        scale = tol * (1 + torch.maximum(x.abs(), step.x.abs()))
        ratio = float((step.error.abs() / scale).square().mean().sqrt())
        factor = min(5.0, max(0.2, 0.9 * ratio ** (-1 / (chosen.embedded_order + 1))))
        if ratio > 1:
            rejected, h, last = rejected + 1, h * factor, None
            continue
        error += float(step.error.norm())
        t = end if abs(end - t - h) <= 1e-14 * abs(end) else t + h
        x, last, h = step.x, step.last, h * factor
        times.append(t)
        states.append(x)
    found = ode.solve(smooth, START, (0.0, end), method=name, tol=tol)
    assert found.times.tolist() == times
    assert torch.equal(found.states, torch.stack(states))
    assert (found.rejected, found.error, found.steps) == (rejected, error, len(times) - 1)
