"""This module holds the one abstraction behind every architecture, `y = merge(shortcut(x), branch(x))`: a `Block`.

A `units.Unit` says what a block is made of; `conv_block` and `linear_block` build it: plain, post-activation,
pre-activation, scaled, zero-gamma and bottleneck blocks are values of it, and all are this one `Block`.
Nothing works in place and no module is used twice, so a hook sees what the mathematics says.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib.nets import projections
from resnet_lib.nets.merges import Add, After, BranchOnly, Formula, Scaled, formula
from resnet_lib.nets.projections import Conv2d, Undrawn
from resnet_lib.nets.units import Unit

__all__ = [
    "Absent",
    "Add",
    "After",
    "Block",
    "BranchOnly",
    "Formula",
    "Linear",
    "Scaled",
    "conv_block",
    "formula",
    "linear_block",
    "series",
]


class Block(nn.Module):
    """`y = merge(shortcut(x), branch(x))`.

    Args:
        branch: What the block learns.
        shortcut: How `x` gets past the branch: `nn.Identity`, `Absent`, `ZeroPad`, or a projection.
        merge: How both become one: `Add`, `Scaled`, `BranchOnly`, or `After` one of them.

    Raises:
        ValueError: Where the branch or the shortcut begins with a layer that works in place, and so would change what
            the other path reads.
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module, merge: nn.Module):
        super().__init__()
        for name, path in (("branch", branch), ("shortcut", shortcut)):
            first = _first(path)
            if getattr(first, "inplace", False):
                raise ValueError(
                    f"{name} begins with {first}, which would overwrite what the other path reads; use inplace=False"
                )
        self.branch = branch
        self.shortcut = shortcut
        self.merge = merge

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape2"]:
        """One step of the stack."""
        return self.merge(self.shortcut(x), self.branch(x))


def _first(path: nn.Module) -> nn.Module | None:
    """The layer that reads the input of a path."""
    while isinstance(path, nn.Sequential):
        layers = [layer for layer in path if not isinstance(layer, nn.Identity)]
        if not layers:
            return None
        path = layers[0]
    return path


class Absent(nn.Module):
    """The shortcut of a plain block: there is none."""

    def forward(self, x: Tensor) -> None:
        """Nothing, for `BranchOnly` to ignore."""
        return


class Linear(Undrawn, nn.Linear):
    """`nn.Linear` whose weights are NaN until `initialise` draws them."""

    def effective(self) -> Float[Tensor, "out in"]:
        """The matrix that is applied."""
        return self.weight


_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def series(
    pattern: str,
    c_in: int,
    weights: Sequence[nn.Conv2d | nn.Linear],
    norm: type[nn.Module],
    activation: str = "relu",
) -> nn.Sequential:
    """The layers of a pattern such as `WNAWN`, named `weight1`, `norm1`, `act1`, `weight2`, ...

    Args:
        pattern: W for the next of `weights`, N for a normalisation, A for an activation.
        c_in: Channels that come in.
        weights: One layer for each W.
        norm: Makes a normalisation from a number of channels.
        activation: One of `units.ACTIVATIONS`.

    Example:
        >>> layers = series("NAW", 4, [nn.Linear(4, 2)], nn.BatchNorm1d)
        >>> [name for name, _ in layers.named_children()]
        ['norm1', 'act1', 'weight1']
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    remaining, channels = iter(weights), c_in
    for position, kind in enumerate(pattern):
        nth = pattern[: position + 1].count(kind)
        if kind == "W":
            weight = next(remaining)
            channels = weight.out_channels if isinstance(weight, nn.Conv2d) else weight.out_features
            layers[f"weight{nth}"] = weight
        elif kind == "N":
            layers[f"norm{nth}"] = norm(channels)
        else:
            layers[f"act{nth}"] = _ACTIVATIONS[activation]()
    return nn.Sequential(layers)


def _block(unit: Unit, branch: nn.Sequential, shortcut: nn.Module, width: int, norm: type[nn.Module]) -> Block:
    """The block of these two paths: the recipe's merge, and its zero scale."""
    if unit.zero_gamma:
        nn.init.zeros_(branch[-1].weight)  # pyright: ignore[reportArgumentType]
    if not unit.residual:
        shortcut, merge = Absent(), BranchOnly()
    elif (unit.alpha, unit.beta) == (1, 0):
        merge = Add()
    else:
        merge = Scaled(1 - unit.beta, unit.alpha)
    if unit.after:
        merge = After(merge, series(unit.after, width, (), norm, unit.activation))
    return Block(branch, shortcut, merge)


def _widths(unit: Unit, c_out: int) -> list[int]:
    """Output widths of the branch's weight layers."""
    if not unit.bottleneck:
        return [c_out] * unit.branch.count("W")
    if c_out % 4:
        raise ValueError(f"width={c_out} of a bottleneck must be a multiple of 4; use {c_out // 4 * 4 or 4}")
    return [c_out // 4, c_out // 4, c_out]


def _branch_pattern(unit: Unit) -> str:
    """The branch's layers; a bottleneck repeats what lies between its two weight layers."""
    return re.sub(r"W([NA]*)W", r"W\1W\1W", unit.branch) if unit.bottleneck else unit.branch


def conv_block(unit: Unit, c_in: int, c_out: int, *, stride: int = 1) -> Block:
    """A block of 3x3 convolutions (1x1, 3x3, 1x1 with a bottleneck) that maps `c_in` channels to `c_out`.

    The stride is that of the first 3x3 convolution. The projection of a post-activation block (B, C, `pool`) has a
    normalisation as in he2016deep; that of the other blocks is the bare convolution of `x`, and so are the orthonormal
    ones everywhere, which a normalisation would rescale.

    Args:
        unit: The recipe.
        c_in: Channels of the input.
        c_out: Channels of the output.
        stride: 2 halves the image.

    Returns:
        The block; its weights are NaN until `initialise` draws them.

    Raises:
        ValueError: Where the shortcut cannot join these shapes, or a bottleneck's width is no multiple of 4.

    Example:
        >>> import torch
        >>> block = conv_block(Unit(shortcut="A"), 3, 8, stride=2)
        >>> block(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """
    widths = _widths(unit, c_out)
    kernels = (1, 3, 1) if unit.bottleneck else (3,) * len(widths)
    strided = kernels.index(3)
    weights = [
        Conv2d(a, b, k, stride=stride if i == strided else 1, padding=k // 2, bias=unit.norm == "none")
        for i, (a, b, k) in enumerate(zip([c_in, *widths], widths, kernels, strict=False))
    ]
    branch = series(_branch_pattern(unit), c_in, weights, nn.BatchNorm2d, unit.activation)
    shortcut = None
    if unit.residual:
        shortcut = projections.build(unit.shortcut or "B", c_in, c_out, stride=stride)
        if shortcut is None:
            unit = unit.plain()
        elif unit.shortcut in (None, *projections.NORMALISED) and not isinstance(shortcut, nn.Identity):
            shortcut = _projection(unit, shortcut, c_out)
    return _block(unit, branch, Absent() if shortcut is None else shortcut, c_out, nn.BatchNorm2d)


def _projection(unit: Unit, layer: nn.Module, c_out: int) -> nn.Sequential:
    """The layers of a learned projection, named as in a branch; with a normalisation in a post-activation block."""
    *before, weight = layer if isinstance(layer, nn.Sequential) else [layer]
    layers = OrderedDict((f"pool{i}", part) for i, part in enumerate(before, start=1))
    layers["weight1"] = weight
    if unit.branch.startswith("W") and unit.norm == "batch":
        layers["norm1"] = nn.BatchNorm2d(c_out)
    return nn.Sequential(layers)


def linear_block(unit: Unit, width: int) -> Block:
    """A block of linear layers that maps vectors of `width` entries to such vectors.

    Without normalisation the branch of `inside` is `W2 relu(W1 x + b1) + b2`.

    Args:
        unit: The recipe; `shortcut="C"` makes the shortcut a linear map, all others leave it the identity.
        width: Entries of the input and of the output.

    Returns:
        The block; its weights are NaN until `initialise` draws them.

    Example:
        >>> block = linear_block(Unit(order="inside", norm="none"), 4)
        >>> [name for name, _ in block.branch.named_children()]
        ['weight1', 'act1', 'weight2']
    """
    widths = _widths(unit, width)
    weights = [Linear(a, b, bias=unit.norm == "none") for a, b in zip([width, *widths], widths, strict=False)]
    branch = series(_branch_pattern(unit), width, weights, nn.BatchNorm1d, unit.activation)
    project = unit.shortcut == "C" and unit.residual
    shortcut = series("W", width, [Linear(width, width, bias=False)], nn.BatchNorm1d) if project else nn.Identity()
    return _block(unit, branch, shortcut, width, nn.BatchNorm1d)
