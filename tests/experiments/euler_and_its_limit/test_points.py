"""Fixed points are found, and the criteria of stability are those of the powers."""

import numpy as np
import pytest
import torch

from resnet_lib.experiments.euler_and_its_limit import points


@pytest.mark.parametrize("seed", [44, 63])
def test_a_field_on_which_newton_s_method_stagnates_from_zero_has_its_equilibrium(seed):
    weight = points.gaussian([seed], "fixed", shape=(2, 16, 16))[0][0] / 4
    bias = points.gaussian([seed], "bias", shape=(2, 16))[0][0]
    assert not points.newton.newton(points._settling(weight, bias), torch.zeros(16, dtype=torch.float64)).converged
    found = points._equilibrium(points._settling(weight, bias), seed, 16)
    torch.testing.assert_close(torch.tanh(weight @ found + bias), found, rtol=0, atol=1e-10)


def test_fixed_points_and_criteria():
    table = points.fixed_point_trial(points.FixedPoints(8, fields=50), (0, 1, 2))
    assert points.fixed_equal(table).values.max() < 1e-10
    assert points.fixed_equal(table).control.min() > 1e-3
    assert points.fixed_block(table).values.min() > 0.99
    assert points.fixed_flow(table).values.mean() < 0.99
    assert (points.determinant(table).values == 1).all()


def test_convergence_by_squaring_is_that_of_the_powers():
    a = torch.tensor([[[-3.0, 0.0], [0.0, -0.5]], [[-1.0, 5.0], [0.0, -0.5]], [[0.0, -0.1], [0.1, 0.0]]]).double()
    assert points._converges(a, 1001).tolist() == [False, True, False]
    shrinks = [np.linalg.norm(np.linalg.matrix_power(np.eye(2) + m.numpy(), 37)) < 1 for m in a]
    assert points._converges(a, 37).tolist() == shrinks
