"""The derivative of a map of tensors at a point is known here by its products with vectors, and never formed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Tangent", "tangent"]


@dataclass(frozen=True)
class Tangent:
    """A map at a point, to first order.

    Attributes:
        value: What the map makes of the point, with a graph.
        push: `J v` of a tensor of the point's shape.
        pull: `J^T u` of a tensor of the value's shape.
    """

    value: Tensor
    push: Callable[[Tensor], Tensor]
    pull: Callable[[Tensor], Tensor]


def tangent(f: Callable[[Tensor], Tensor], x: Tensor) -> Tangent:
    """The derivative of `f` at `x`, of which `f` is given a copy, so that it may work in place.

    `pull` is a backward pass of a graph that is recorded once. `push` walks the same graph: `u -> J^T u` is linear, and
    its own transpose is `v -> J v`. Where the value does not depend on the point both give zeros.

    Example:
        >>> square = tangent(lambda x: x**2, torch.tensor([3.0, 5.0]))
        >>> square.push(torch.ones(2)).tolist(), square.pull(torch.tensor([1.0, 0.0])).tolist()
        ([6.0, 10.0], [6.0, 0.0])
    """
    with torch.inference_mode(False), torch.enable_grad():
        point = x.detach().clone().requires_grad_()
        y = f(point.clone())
        u = torch.zeros_like(y, requires_grad=True)
        pulled = _gradient(y, point, u, create_graph=True)

    def push(v: Tensor) -> Tensor:
        return _gradient(pulled, u, v.reshape(point.shape))

    def pull(v: Tensor) -> Tensor:
        return _gradient(y, point, v.reshape(y.shape))

    return Tangent(y, push, pull)


def _gradient(output: Tensor, source: Tensor, weights: Tensor, *, create_graph: bool = False) -> Tensor:
    if not output.requires_grad:
        return torch.zeros_like(source)
    (found,) = torch.autograd.grad(
        output, source, weights, retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    return torch.zeros_like(source) if found is None else found
