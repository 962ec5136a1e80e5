"""Random matrices whose spectrum is known, for the tests of this room."""

import numpy as np
import torch
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from resnet_lib import runtime

SEEDS = st.integers(0, 2**32)


def gaussian(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "test"), dtype=dtype)


def with_eigenvalues(values: Tensor, seed: int) -> Tensor:
    """A matrix that is not normal and has these eigenvalues, complex ones in conjugate pairs."""
    d = len(values)
    triangle = torch.triu(gaussian(seed, d, d), 1) * 0.1
    triangle.diagonal().copy_(values.real)
    for i in range(d - 1):
        if values[i].imag > 0:
            assert values[i + 1] == values[i].conj()
            triangle[i, i + 1], triangle[i + 1, i] = values[i].imag, -values[i].imag
    rotation = torch.linalg.qr(gaussian(seed + 1, d, d)).Q
    return rotation @ triangle @ rotation.T


def mismatch(a: Tensor, b: Tensor) -> float:
    """Largest distance in the one-to-one matching of least total distance."""
    distance = np.abs(a.numpy()[:, None] - b.numpy()[None, :])
    return float(distance[linear_sum_assignment(distance)].max())


CHOSEN = torch.tensor([3, 2 + 1j, 2 - 1j, -1.5, 0.5j, -0.5j, 0.25, 0], dtype=torch.complex128)
