"""Composition gives upper bounds of Lipschitz constants: those of layers multiply along a path and add over paths.

All constants are with respect to the Euclidean norm, and upper bounds: where a layer's norm is not computed exactly, a
proven bound of it is used, never the value of an iteration that approaches it from below.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_lib import linalg
from resnet_lib.analysis.lipschitz import layers
from resnet_lib.linalg.convolutions import layout
from resnet_lib.nets.blocks import Absent, Block
from resnet_lib.nets.merges import formula
from resnet_lib.nets.networks import Stack

__all__ = ["UpperBound", "product_bound"]

EXACT = 2**20
"""Most entries of a convolution's matrix whose norm is computed exactly; beyond, `linalg.conv_bound` bounds it."""

BATCH = 3
"""Examples of the batch of zeros that shows the shapes: with one alone its axis could be taken for another."""


@dataclass(frozen=True)
class UpperBound:
    """A Lipschitz constant that no pair of inputs exceeds, up to rounding.

    Attributes:
        value: The bound.
        parts: The constant of each layer by name, in the order of the computation.
    """

    value: float
    parts: tuple[tuple[str, float], ...]


def product_bound(
    module: nn.Module,
    shape: Sequence[int],
    *,
    linear: Callable[[Tensor], float] | None = None,
) -> UpperBound:
    """The product of the layers' constants; over the two paths of a block `|skip| Lip(shortcut) + |scale| Lip(branch)`.

    For a block whose shortcut is the identity it is `1 + K`. A batch normalisation in evaluation mode is affine: behind
    a weight layer it is folded into it where both work on the same axis, elsewhere it counts as
    `max |gamma| / sqrt(var + eps)`.

    Every layer is taken for the map that its forward applies. Known are torch's own layers by their class, and classes
    that say themselves what they are (`effective()` for the weight of a linear layer or convolution,
    `lipschitz_constant()` for any other map, `formula()` for a merge); a subclass that does not say it is refused.

    Args:
        module: A network, block or layer, in evaluation mode.
        shape: Shape of one input example, which decides what a convolution's norm is.
        linear: Another measure of a linear map's matrix or kernel than its spectral norm, for comparison.

    Raises:
        ValueError: Where a part has no finite constant, is not known, or is in training mode, or the shapes do not fit.

    Example:
        >>> product_bound(nn.Sequential(nn.ReLU(), nn.Sigmoid()), (3,)).value
        0.25
    """
    sizes = tuple(shape)
    if not sizes or not all(size >= 1 for size in sizes):
        raise ValueError(f"shape={sizes} is that of one example, e.g. (64,) or (3, 32, 32), of sizes of at least 1")
    walk = _Walk([], linear or _norm)
    with torch.no_grad():
        _, value = walk.constant(module, "", torch.zeros(BATCH, *sizes, dtype=torch.float64), shared=False)
    if math.isnan(value):
        raise ValueError(f"the bound of this {type(module).__name__} is not a number; {dict(walk.parts)}")
    return UpperBound(value, tuple(walk.parts))


def _norm(matrix: Tensor) -> float:
    return float(linalg.spectral_norms(matrix)) if matrix.ndim == 2 else math.nan


def _times(a: float, b: float) -> float:
    """The product, rounded up where it underflows; a layer that is zero makes it zero whatever the others are."""
    product = 0.0 if not a or not b else a * b
    return max(product, sys.float_info.min) if a and b else product


@dataclass
class _Walk:
    """A walk through a module in the order of its computation; leaves are noted in `parts`."""

    parts: list[tuple[str, float]]
    linear: Callable[[Tensor], float]
    shared: bool = False  # whether what was just computed may lie in memory that another path reads

    def constant(self, module: nn.Module, name: str, x: Tensor, *, shared: bool) -> tuple[Tensor, float]:
        """An output of the right shape, and the constant of the module; `shared` is about its input."""
        kind = layers.known(module, name)
        if isinstance(module, Stack) and kind is Stack:
            module._check(x)
        inside = layers.children(module, kind)
        if inside is not None:
            return self.chain(inside, name, x, shared=shared)
        if isinstance(module, Block) and kind is Block:
            return self.block(module, name, x)
        layers.in_place(module, name, shared=shared)
        y, value = self.leaf(module, kind, name, x)
        if y.ndim < 2 or len(y) != len(x):
            raise ValueError(
                f"{name or 'module'!r} ({module}) makes {tuple(y.shape)} of a batch of {tuple(x.shape)}; it has to "
                "keep the examples apart"
            )
        self.shared = shared and (kind in layers.VIEWS or "lipschitz_constant" in vars(kind))
        if value != 1:
            self.parts.append((name or type(module).__name__, value))
        return y, value

    def chain(self, children: Sequence[tuple[str, nn.Module]], name: str, x: Tensor, *, shared: bool):
        """Modules one after the other."""
        total, i = 1.0, 0
        self.shared = shared
        while i < len(children):
            label, child = children[i]
            full = f"{name}.{label}" if name else label
            kind = layers.known(child, full)
            after = children[i + 1] if i + 1 < len(children) else None
            norm = f"{name}.{after[0]}" if after else ""
            weights = layers.convolution(kind) or (layers.linear(kind) and x.ndim == 2)
            if weights and after and layers.known(after[1], norm) in layers.NORMS:
                x, value = self.weight(child, full, x, layers.gain(after[1], norm))
                self.parts.append((full, value))
                self.shared = False
                i += 1
            else:
                x, value = self.constant(child, full, x, shared=self.shared)
            total = _times(total, value)
            i += 1
        return x, total

    def block(self, block: Block, name: str, x: Tensor) -> tuple[Tensor, float]:
        """Both paths of a block."""
        prefix = f"{name}." if name else ""
        try:
            sum_ = formula(block.merge)
        except ValueError as error:
            raise ValueError(f"{prefix}merge: {error}") from None
        y, branch = self.constant(block.branch, f"{prefix}branch", x, shared=True)
        value, same = _times(abs(sum_.branch), branch), self.shared
        if sum_.skip is not None:
            if type(block.shortcut) is Absent:
                raise ValueError(f"{prefix}shortcut is Absent, but the merge reads it; use BranchOnly")
            s, shortcut = self.constant(block.shortcut, f"{prefix}shortcut", x, shared=True)
            if s.shape != y.shape:
                raise ValueError(
                    f"{prefix}shortcut gives {tuple(s.shape[1:])} and {prefix}branch {tuple(y.shape[1:])}, so that the "
                    "sum repeats one of them; use paths of one shape"
                )
            value, same = _times(abs(sum_.skip), shortcut) + value, False
        self.shared = same
        for last in sum_.then:
            y, factor = self.constant(last, f"{prefix}merge.then", y, shared=self.shared)
            value = _times(value, factor)
        return y, value

    def leaf(self, module: nn.Module, kind: type[nn.Module], name: str, x: Tensor) -> tuple[Tensor, float]:
        """Output and constant of a layer."""
        if layers.linear(kind) or layers.convolution(kind):
            return self.weight(module, name, x, None)
        if kind in layers.NORMS:
            gain = layers.gain(module, name)
            _channels(len(gain), module, name, x)
            return x, float(gain.abs().max())
        slope = layers.slope(module, kind, name, x)
        if slope is not None:
            return x, slope
        found = layers.other(module, kind, name, x)
        if found is not None:
            return found
        if "lipschitz_constant" in vars(kind):
            value = float(module.lipschitz_constant())  # pyright: ignore[reportCallIssue]
            if not value >= 0:
                raise ValueError(
                    f"{name or 'module'!r} ({kind.__name__}) gives lipschitz_constant()={value}; at least 0"
                )
            example = next(module.parameters(), x)
            return module(torch.zeros_like(x, dtype=example.dtype, device=example.device)).to(x), value
        raise layers.unknown(module, name)

    def weight(self, layer: nn.Module, name: str, x: Tensor, gain: Tensor | None) -> tuple[Tensor, float]:
        """Output and norm of a weight layer whose outputs are multiplied by `gain`."""
        weight = layers.weight(layer, name)
        if gain is not None:
            if len(gain) != len(weight):
                raise ValueError(
                    f"{name!r} ({layer}) makes {len(weight)} channels, and the norm behind it takes {len(gain)}"
                )
            weight = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
        if isinstance(layer, nn.Linear):
            if weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
                raise ValueError(f"{layer} expects {layer.in_features} numbers; shape gives it {tuple(x.shape[1:])}")
            return x.new_zeros(*x.shape[:-1], len(weight)), self.linear(weight)
        assert isinstance(layer, nn.Conv2d)
        if weight.ndim != 4 or x.ndim != 4 or x.shape[1] != weight.shape[1] * layer.groups:
            raise ValueError(f"{layer} expects {layer.in_channels} channels; shape gives it {tuple(x.shape[1:])}")
        convolution = linalg.Convolution(weight, (x.shape[-2], x.shape[-1]), *layout(layer))
        y = x.new_zeros(len(x), len(weight), *convolution.out_size)
        if self.linear is not _norm:
            return y, self.linear(weight.flatten(1))
        if convolution.periodic or math.prod(convolution.shape) > EXACT:
            return y, linalg.conv_bound(convolution)
        return y, float(linalg.spectral_norms(convolution.dense()))


def _channels(count: int, module: nn.Module, name: str, x: Tensor) -> None:
    if x.ndim < 2 or x.shape[1] != count:
        raise ValueError(
            f"{name or 'module'!r} ({module}) expects {count} channels; shape gives it {tuple(x.shape[1:])}"
        )
