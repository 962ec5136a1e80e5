"""Networks of vectors as one feedback of neurons: from a module to the matrices of the semidefinite bound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_lib.blocks import Absent, Add, After, Block, BranchOnly, Scaled
from resnet_lib.lipschitz.composition import _batch_norm
from resnet_lib.lipschitz.lipsdp import Normal
from resnet_lib.nets import Stack

__all__ = ["normal_form"]

MONOTONE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.Hardtanh, nn.Softplus, nn.Tanh, nn.Sigmoid)
"""Activations whose slopes lie in [0, 1] (for a leaky ReLU and an ELU with parameters in [0, 1])."""


@dataclass
class _Neurons:
    """The neurons found so far: rows of `a` and `b`."""

    a: list[Tensor]
    b: list[Tensor]

    @property
    def count(self) -> int:
        return sum(len(rows) for rows in self.a)


State = tuple[Tensor, Tensor]
"""A vector as `c z + d x`: its dependence on the neurons so far, and on the input."""


def normal_form(module: nn.Module, in_features: int) -> Normal:
    """The network as `v = A z + B x`, `z = phi(v)`, `y = C z + D x`, without its constants, in float64.

    Args:
        module: Of linear layers, batch normalisations in evaluation mode, activations whose slopes lie in [0, 1], and
            blocks of these.
        in_features: Entries of the input.

    Raises:
        ValueError: Where a part is none of these; for convolutions use `product_bound`.
    """
    neurons = _Neurons([], [])
    eye = torch.eye(in_features, dtype=torch.float64)
    with torch.no_grad():
        c, d = _walk(module, "", (eye.new_zeros(in_features, 0), eye), neurons)
    n = neurons.count
    a = torch.cat([_wide(rows, n) for rows in neurons.a]) if n else eye.new_zeros(0, 0)
    b = torch.cat(neurons.b) if n else eye.new_zeros(0, in_features)
    return Normal(a, b, _wide(c, n), d)


def _wide(rows: Tensor, n: int) -> Tensor:
    return nn.functional.pad(rows, (0, n - rows.shape[1]))


def _walk(module: nn.Module, name: str, state: State, neurons: _Neurons) -> State:
    prefix = f"{name}." if name else ""
    if isinstance(module, Stack):
        children = [
            ("stem", module.stem),
            *((f"blocks.{i}", b) for i, b in enumerate(module.blocks)),
            ("head", module.head),
        ]
    elif isinstance(module, nn.Sequential):
        children = list(module.named_children())
    elif isinstance(module, Block):
        return _merged(module, prefix, state, neurons)
    else:
        return _layer(module, name, state, neurons)
    for label, child in children:
        state = _walk(child, prefix + label, state, neurons)
    return state


def _layer(module: nn.Module, name: str, state: State, neurons: _Neurons) -> State:
    c, d = state
    if isinstance(module, nn.Linear):
        weight = module.weight.detach().double().cpu()
        return weight @ c, weight @ d
    if isinstance(module, nn.BatchNorm1d):
        gain = _batch_norm(module, name)[:, None]
        return gain * c, gain * d
    if isinstance(module, nn.Identity) or (isinstance(module, nn.Dropout) and not module.training):
        return state
    flat = (
        isinstance(module, nn.LeakyReLU | nn.ELU)
        and not 0 <= getattr(module, "negative_slope", getattr(module, "alpha", 0)) <= 1
    )
    if isinstance(module, MONOTONE) and not flat:
        before = neurons.count
        neurons.a.append(c)
        neurons.b.append(d)
        own = torch.eye(len(c), dtype=torch.float64)
        return torch.cat([own.new_zeros(len(c), before), own], dim=1), torch.zeros_like(d)
    raise ValueError(
        f"{name or 'module'!r} ({module}) is no linear layer, activation with slopes in [0, 1] or block of these, "
        "so the semidefinite bound does not apply; use product_bound"
    )


def _merged(block: Block, prefix: str, state: State, neurons: _Neurons) -> State:
    merge, then = block.merge, []
    while isinstance(merge, After):
        then.append(merge.then)
        merge = merge.merge
    c, d = _walk(block.branch, f"{prefix}branch", state, neurons)
    if not isinstance(merge, BranchOnly) and not isinstance(block.shortcut, Absent):
        c0, d0 = _walk(block.shortcut, f"{prefix}shortcut", state, neurons)
        skip, scale = (merge.skip, merge.branch) if isinstance(merge, Scaled) else (1.0, 1.0)
        if not isinstance(merge, Add | Scaled):
            raise ValueError(f"{prefix}merge ({merge}) is neither a sum nor the branch alone; use product_bound")
        n = neurons.count
        c, d = skip * _wide(c0, n) + scale * _wide(c, n), skip * d0 + scale * d
    for last in reversed(then):
        c, d = _walk(last, f"{prefix}merge.then", (c, d), neurons)
    return c, d
