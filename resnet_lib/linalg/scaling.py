"""Norms are computed here without overflow: numbers whose squares would be lost are brought to a size of one first."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def factors(sizes: Tensor) -> Tensor:
    """The factors of numbers of these sizes before they are squared: 1 where their squares keep their digits.

    So what is of ordinary size is computed as it would be without, bit for bit. It is 1 for zero and for what is not
    finite, too.
    """
    tiny = torch.finfo(sizes.dtype).tiny
    far = (sizes > 0) & ((sizes < tiny**0.4) | (sizes > tiny**-0.4)) & torch.isfinite(sizes)
    return torch.where(far, 1 / sizes.clamp(min=tiny), torch.ones_like(sizes))


def row_norms(x: Tensor) -> Tensor:
    """The Euclidean norm of each entry of a batch, flattened; differentiable, the scale being a constant.

    Example:
        >>> row_norms(torch.tensor([[3e-30, 4e-30]])).item() > 0  # where the squares would be zero
        True
    """
    rows = x.flatten(1)
    if not rows.shape[1]:
        return rows.norm(dim=1)
    scale = factors(rows.detach().abs().amax(1))
    return (rows * scale[:, None]).norm(dim=1) / scale


def power_of_two(size: float, *, low: float, high: float) -> float:
    """The power of two that brings a size to about one; 1 where it lies between the limits, is zero or not finite."""
    if not size or not math.isfinite(size) or low <= size <= high:
        return 1.0
    return math.ldexp(1.0, max(-1000, min(1000, -math.frexp(size)[1])))
