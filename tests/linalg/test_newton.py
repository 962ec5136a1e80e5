"""Newton's method: its roots, its implicit gradient, and why it failed."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib.linalg import newton


@given(st.integers(0, 2**32))
def test_newton_finds_roots_of_random_contractions(seed):
    random = np.random.default_rng(seed)
    matrix, shift = torch.from_numpy(random.normal(size=(4, 4)) / 8), torch.from_numpy(random.normal(size=4))
    root = newton.newton(lambda x: x - torch.tanh(matrix @ x + shift), torch.zeros(4, dtype=torch.float64))
    point = torch.zeros(4, dtype=torch.float64)
    for _ in range(200):
        point = torch.tanh(matrix @ point + shift)
    assert root.converged
    torch.testing.assert_close(root.value, point, rtol=0, atol=1e-11)


def test_newton_carries_the_implicit_gradient():
    a = torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True)
    root = newton.newton(lambda x: x**2 - a, torch.ones(2, dtype=torch.float64))
    root.value.sum().backward()
    torch.testing.assert_close(a.grad, 0.5 / a.detach().sqrt())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x**2 + 1, "stagnates|singular|no root"),
        (lambda x: 0 * x + 1, "singular"),
        (lambda x: x * math.nan, "not finite"),
    ],
)
def test_newton_says_why_it_failed(function, reason):
    root = newton.newton(function, torch.full((1,), 0.7, dtype=torch.float64))
    assert not root.converged
    assert re.search(reason, root.failure)


def test_newton_refuses_what_is_no_system():
    with pytest.raises(ValueError, match="keep the size"):
        newton.newton(lambda x: x[:1], torch.ones(2))
    with pytest.raises(ValueError, match="iterations=0"):
        newton.newton(lambda x: x, torch.ones(2), iterations=0)
    assert not newton.newton(lambda x: x**3, torch.ones(1, dtype=torch.float64), iterations=3).converged
