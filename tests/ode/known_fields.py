"""Fields whose solutions are known, for the tests of this room."""

import math

import torch
from scipy.integrate import solve_ivp

from resnet_lib import ode

START = torch.tensor([1.0, 0.5, -0.3, 0.8], dtype=torch.float64)


COUPLING = torch.tensor(
    [[-0.5, 1.0, 0.2, 0.0], [-1.0, -0.3, 0.0, 0.4], [0.1, 0.0, -0.2, 1.5], [0.3, -0.2, -1.5, 0.1]], dtype=torch.float64
)


def smooth(t: float, x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(COUPLING @ x) * math.cos(t) - 0.2 * x


SPLIT = ode.SplitField(velocity=torch.sinh, force=lambda q: -torch.sin(q))


def reference(field, x0, span=(0.0, 1.0)) -> torch.Tensor:
    """By SciPy's DOP853, which shares nothing with ours."""
    solution = solve_ivp(
        lambda t, x: field(t, torch.from_numpy(x)).numpy(), span, x0.numpy(), method="DOP853", rtol=1e-13, atol=1e-14
    )
    return torch.from_numpy(solution.y[:, -1].copy())
