"""The observed order of methods."""

import math

import pytest
from known_fields import SPLIT, START, reference, smooth

from resnet_lib.ode import order as orders
from resnet_lib.ode.tableaus import METHODS, Splitting


@pytest.mark.parametrize("name", METHODS)
def test_observed_orders_are_those_of_theory(name):
    field = SPLIT if isinstance(METHODS[name], Splitting) else smooth
    order = METHODS[name].order
    steps = (10, 14, 20, 28) if order > 3 else (32, 64, 128)
    found = orders.observed(field, START, reference(field, START), method=name, steps=steps)
    assert found.order == pytest.approx(order, abs=0.1)
    assert found.spread < 0.2


def test_a_jump_in_time_costs_the_order():
    def jumps(t, x):
        return smooth(t, x) if t < 1 / math.pi else -smooth(t, x)

    first = reference(smooth, START, (0, 1 / math.pi))
    exact = reference(lambda t, x: -smooth(t, x), first, (1 / math.pi, 1))
    found = orders.observed(jumps, START, exact, method="rk4", steps=(16, 32, 64, 128, 256, 512))
    assert found.order < 2


def test_convergence_needs_two_sizes_and_an_error():
    with pytest.raises(ValueError, match="at least two different numbers"):
        orders.observed(smooth, START, START, method="rk4", steps=(4,))
    with pytest.raises(ValueError, match="positive and finite"):
        orders.observed(lambda t, x: 0 * x, START, START, method="rk4")


@pytest.mark.parametrize(
    ("steps", "text"), [((16, 16, 32), "each once"), ((16,), "at least two different numbers"), ((8, 8), "each once")]
)
def test_an_order_needs_different_numbers_of_steps(steps, text):
    with pytest.raises(ValueError, match=text):
        orders.observed(smooth, START, START, method="euler", steps=steps)
    with pytest.raises(ValueError, match=r"exact has shape \(1,\), and the state \(4,\)"):
        orders.observed(smooth, START, START[:1], method="euler")
