"""One network is one Euler step, and the orders of the methods are found and lost where they should be."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from resnet_lib.experiments.euler_and_its_limit import orders
from tests.experiments.euler_and_its_limit.made_tables import table_of


def test_smooth_weights_have_the_size_that_is_said_and_a_derivative():
    weights = orders.smooth_weights(tuple(range(50)), "x", d=8)
    sizes = [float(weights(t).square().mean()) * 8 for t in (0.0, 0.3, 0.7)]
    np.testing.assert_allclose(sizes, 1, atol=0.1)  # 1 + sum of cos^2 + sin^2, over 1 + 3
    slopes = [float((weights(0.4 + h) - weights(0.4)).norm() / h) for h in (1e-3, 1e-5)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.01)


def test_step_tells_the_network_from_the_original_unit():
    table = table_of(orders.step_trial, (orders.Step("inside", 4), orders.Step("post", 4)), (0, 1))
    evidence = orders.step(table)
    assert evidence.values.max() < 1e-12
    assert evidence.control.min() > 0.01


def test_the_turning_field_is_solved_as_by_the_matrix_exponential():
    setting = orders.Order("dormand-prince", "turning")
    field, _, end = orders._field(setting, (3,), 0.5)
    start = torch.ones(1, 6, dtype=torch.float64)
    weight = orders.smooth_weights((3,), "order", d=6)(0.0)[0]
    exact = expm(end * (weight - weight.T).numpy()) @ np.ones(6)
    np.testing.assert_allclose(orders._reference(field, start, (end,))[0], exact, atol=1e-10)


def test_orders_are_found_and_lost_where_they_should_be():
    settings = [orders.Order(m, "smooth") for m in ("euler", "rk4", "leapfrog", "implicit-midpoint")]
    settings += [orders.Order("rk4", "jump"), orders.Order("dormand-prince", "turning")]
    settings += [orders.Order("euler", "independent", 64)]
    table = table_of(orders.order_trial, settings, (0, 1))
    evidence = orders.all_orders(table)
    assert np.abs(evidence.values).max() < 0.1
    assert evidence.control.max() < -0.5
    euler = orders.euler_order(table)
    np.testing.assert_allclose(euler.values, 1, atol=0.1)
    np.testing.assert_allclose(euler.control, 0.5, atol=0.1)


def test_refined_networks_use_the_same_path():
    start = torch.zeros(1, 4, dtype=torch.float64)  # tanh 0 = 0: nothing moves
    assert orders.independent_end((0,), 4, 8, 0.5, start).norm() == 0
    # With large states tanh is a sign, so that the end is start + sum of the weights: the same at every depth.
    start = 1e6 * torch.ones(1, 4, dtype=torch.float64)
    ends = [orders.independent_end((0,), depth, 16, 0.5, start) for depth in (4, 16)]
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-8)
    assert (ends[0] - start).norm() > 0.1
