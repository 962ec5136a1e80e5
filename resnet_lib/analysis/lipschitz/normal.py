"""This module writes a network of vectors as one feedback of neurons, with the matrices that `lipsdp` bounds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_lib.analysis.lipschitz import layers
from resnet_lib.analysis.lipschitz.lipsdp import Normal
from resnet_lib.nets.blocks import Absent, Block
from resnet_lib.nets.merges import formula

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
            blocks of these; each is taken for the map that its forward applies, as by `product_bound`.
        in_features: Entries of the input.

    Raises:
        ValueError: Where a part is none of these, or does not fit; for convolutions use `product_bound`.

    Example:
        >>> form = normal_form(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), 2)
        >>> tuple(form.b.shape), tuple(form.c.shape)
        ((3, 2), (1, 3))
    """
    if in_features < 1:
        raise ValueError(f"in_features={in_features} must be at least 1")
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


def _walk(module: nn.Module, name: str, state: State, neurons: _Neurons, *, shared: bool = False) -> State:
    prefix = f"{name}." if name else ""
    kind = layers.known(module, name)
    inside = layers.children(module, kind)
    if isinstance(module, Block) and kind is Block:
        return _merged(module, prefix, state, neurons)
    if inside is None:
        layers.in_place(module, name, shared=shared)
        return _layer(module, kind, name, state, neurons)
    for label, child in inside:
        state = _walk(child, prefix + label, state, neurons, shared=shared)
        # What is no view has memory of its own; of a container it is not known here.
        shared = shared and type(child) in (*layers.VIEWS, nn.Sequential, Block)
    return state


def _layer(module: nn.Module, kind: type[nn.Module], name: str, state: State, neurons: _Neurons) -> State:
    c, d = state
    if layers.linear(kind):
        weight = layers.weight(module, name)
        _fits(weight.shape[1], module, name, d)
        return weight @ c, weight @ d
    if kind is nn.BatchNorm1d:
        gain = layers.gain(module, name)[:, None]
        _fits(len(gain), module, name, d)
        return gain * c, gain * d
    if kind is nn.Identity or (kind in layers.DROPOUTS and not module.training):
        return state
    if kind in (nn.LeakyReLU, nn.ELU):
        steep = getattr(module, "negative_slope" if kind is nn.LeakyReLU else "alpha")
        monotone = 0 <= steep <= 1
    else:
        monotone = kind in MONOTONE and (kind is not nn.Softplus or layers.smooth(module))
    if monotone:
        before = neurons.count
        neurons.a.append(c)
        neurons.b.append(d)
        own = torch.eye(len(d), dtype=torch.float64)
        return torch.cat([own.new_zeros(len(d), before), own], dim=1), torch.zeros_like(d)
    raise ValueError(
        f"{name or 'module'!r} ({module}) is no linear layer, activation with slopes in [0, 1] or block of these, "
        "so the semidefinite bound does not apply; use product_bound"
    )


def _fits(count: int, module: nn.Module, name: str, rows: Tensor) -> None:
    if count != len(rows):
        raise ValueError(f"{name or 'module'!r} ({module}) expects {count} numbers; it is given {len(rows)}")


def _merged(block: Block, prefix: str, state: State, neurons: _Neurons) -> State:
    try:
        sum_ = formula(block.merge)
    except ValueError as error:
        raise ValueError(f"{prefix}merge: {error}") from None
    c, d = _walk(block.branch, f"{prefix}branch", state, neurons, shared=True)
    if sum_.skip is not None:
        if type(block.shortcut) is Absent:
            raise ValueError(f"{prefix}shortcut is Absent, but the merge reads it; use BranchOnly")
        c0, d0 = _walk(block.shortcut, f"{prefix}shortcut", state, neurons, shared=True)
        if len(d0) != len(d):
            raise ValueError(
                f"{prefix}shortcut gives {len(d0)} numbers and {prefix}branch {len(d)}, so that the sum repeats one of "
                "them; use paths of one shape"
            )
        n = neurons.count
        c, d = sum_.skip * _wide(c0, n) + sum_.branch * _wide(c, n), sum_.skip * d0 + sum_.branch * d
    else:
        c, d = sum_.branch * c, sum_.branch * d
    for last in sum_.then:
        c, d = _walk(last, f"{prefix}merge.then", (c, d), neurons)
    return c, d
