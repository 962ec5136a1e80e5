"""One step of a method against its formula."""

import numpy as np
import pytest
import torch
from known_fields import COUPLING, START, smooth
from scipy.integrate import solve_ivp

from resnet_lib import ode


def test_one_step_of_an_embedded_pair_is_scipys():
    scipy = solve_ivp(
        lambda t, x: smooth(t, torch.from_numpy(x)).numpy(), (0, 0.1), START.numpy(), first_step=0.1, rtol=1, atol=1
    )
    step = ode.solve(smooth, START, (0.0, 0.1), method="dormand-prince", steps=1)
    np.testing.assert_allclose(step.end, scipy.y[:, -1], atol=1e-13)
    assert step.evaluations == 7
    assert ode.solve(smooth, START, (0.0, 0.1), method="dormand-prince", steps=10).evaluations == 61


@pytest.mark.parametrize("name", ["implicit-euler", "implicit-midpoint", "crank-nicolson"])
def test_implicit_steps_on_linear_fields_are_their_matrices(name):
    h, eye = 0.1, torch.eye(4, dtype=torch.float64)
    forward, backward = {"implicit-euler": (0, 1), "implicit-midpoint": (0.5, 0.5), "crank-nicolson": (0.5, 0.5)}[name]
    matrix = torch.linalg.solve(eye - backward * h * COUPLING, eye + forward * h * COUPLING)
    solution = ode.solve(lambda t, x: COUPLING @ x, START, method=name, steps=10)
    torch.testing.assert_close(solution.end, torch.linalg.matrix_power(matrix, 10) @ START, rtol=0, atol=1e-12)
    given_ = ode.solve(lambda t, x: COUPLING @ x, START, method=name, steps=10, jacobian=lambda t, x: COUPLING)
    torch.testing.assert_close(given_.end, solution.end, rtol=0, atol=1e-13)
    assert solution.residual < 1e-13
