"""Kernels of convolutions, and the matrix of a convolution written entry by entry, for the tests of this room."""

import itertools

import numpy as np
import torch
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.linalg import Convolution


def kernel(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "kernel"), dtype=dtype)


def by_hand(c: Convolution) -> np.ndarray:
    """`y[o, p] = sum x[i, stride p + t - before]`, each term an entry."""
    weight = c.weight.numpy()
    o_all, i_all, kh, kw = weight.shape
    (h, w), (h2, w2), (top, _, left, _) = c.size, c.out_size, c.edges
    matrix = np.zeros((o_all * h2 * w2, i_all * c.groups * h * w), weight.dtype)
    for o, i, p, q, a, b in itertools.product(*map(range, (o_all, i_all, h2, w2, kh, kw))):
        y, x = c.stride * p + a - top, c.stride * q + b - left
        if c.padding == "circular":
            y, x = y % h, x % w
        elif not (0 <= y < h and 0 <= x < w):
            continue
        channel = i + o // (o_all // c.groups) * i_all
        matrix[(o * h2 + p) * w2 + q, (channel * h + y) * w + x] += weight[o, i, a, b]
    return matrix
