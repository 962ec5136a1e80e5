"""Upper bounds of Lipschitz constants by composition: constants of layers multiply along a path and add over paths.

All constants are with respect to the Euclidean norm, and upper bounds: where a layer's norm is not computed exactly, a
proven bound of it is used, never the value of an iteration that approaches it from below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from resnet_lib import linalg
from resnet_lib.blocks import Absent, Add, After, Block, BranchOnly, Scaled, ZeroPad
from resnet_lib.nets import Stack

__all__ = ["UpperBound", "product_bound"]

EXACT = 2**20
"""Most entries of a convolution's matrix whose norm is computed exactly; beyond, `linalg.conv_bound` bounds it."""

SLOPES: dict[type[nn.Module], float] = {
    nn.ReLU: 1.0,
    nn.ReLU6: 1.0,
    nn.LeakyReLU: 1.0,
    nn.ELU: 1.0,
    nn.Hardtanh: 1.0,
    nn.Identity: 1.0,
    nn.Flatten: 1.0,
    nn.Softplus: 1.0,
    nn.Tanh: 1.0,
    nn.Sigmoid: 0.25,
    nn.GELU: 1.1290,  # at sqrt(2): Phi(x) + x phi(x) = 1.12890
    nn.SiLU: 1.0999,  # at 2.3994: 1.09984
}
"""Steepest slope of activations, rounded up, and of what moves numbers about."""


@dataclass(frozen=True)
class UpperBound:
    """A Lipschitz constant that no pair of inputs exceeds.

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
    a weight layer it is folded into it, elsewhere it counts as `max |gamma| / sqrt(var + eps)`.

    Args:
        module: A network, block or layer, in evaluation mode.
        shape: Shape of one input example, which decides what a convolution's norm is.
        linear: Another measure of a linear map's matrix or kernel than its spectral norm, for comparison.

    Raises:
        ValueError: Where a part has no finite constant, or is in training mode.
    """
    parts: list[tuple[str, float]] = []
    with torch.no_grad():
        _, value = _constant(module, "", torch.zeros(1, *shape, dtype=torch.float64), parts, linear or _norm)
    return UpperBound(value, tuple(parts))


def _norm(matrix: Tensor) -> float:
    return float(linalg.spectral_norms(matrix)) if matrix.ndim == 2 else math.nan


def _constant(module: nn.Module, name: str, x: Tensor, parts: list, linear: Callable) -> tuple[Tensor, float]:
    """An output of the right shape, and the constant of the module; leaves are noted in `parts`."""
    if isinstance(module, Stack):
        return _chain([("stem", module.stem), *_numbered(module), ("head", module.head)], name, x, parts, linear)
    if isinstance(module, Block):
        return _block(module, name, x, parts, linear)
    if isinstance(module, nn.Sequential):
        return _chain(list(module.named_children()), name, x, parts, linear)
    y, value = _leaf(module, name, x, linear)
    if value != 1:
        parts.append((name or type(module).__name__, value))
    return y, value


def _numbered(stack: Stack) -> Iterator[tuple[str, nn.Module]]:
    return ((f"blocks.{i}", block) for i, block in enumerate(stack.blocks))


def _chain(children: list, name: str, x: Tensor, parts: list, linear: Callable) -> tuple[Tensor, float]:
    total, i = 1.0, 0
    while i < len(children):
        label, child = children[i]
        full = f"{name}.{label}" if name else label
        after = children[i + 1][1] if i + 1 < len(children) else None
        if isinstance(child, nn.Linear | nn.Conv2d) and isinstance(after, nn.modules.batchnorm._BatchNorm):
            gain = _batch_norm(after, f"{name}.{children[i + 1][0]}")
            x, value = _weight(child, x, linear, gain)
            parts.append((full, value))
            i += 1
        else:
            x, value = _constant(child, full, x, parts, linear)
        total *= value
        i += 1
    return x, total


def _block(block: Block, name: str, x: Tensor, parts: list, linear: Callable) -> tuple[Tensor, float]:
    merge, then = block.merge, []
    while isinstance(merge, After):
        then.append(merge.then)
        merge = merge.merge
    prefix = f"{name}." if name else ""
    y, branch = _constant(block.branch, f"{prefix}branch", x, parts, linear)
    if isinstance(merge, BranchOnly) or isinstance(block.shortcut, Absent):
        value = branch
    else:
        _, shortcut = _constant(block.shortcut, f"{prefix}shortcut", x, parts, linear)
        if isinstance(merge, Scaled):
            value = abs(merge.skip) * shortcut + abs(merge.branch) * branch
        elif isinstance(merge, Add):
            value = shortcut + branch
        else:
            raise _unknown(merge, f"{prefix}merge")
    for last in reversed(then):
        y, factor = _constant(last, f"{prefix}merge.then", y, parts, linear)
        value *= factor
    return y, value


def _leaf(module: nn.Module, name: str, x: Tensor, linear: Callable) -> tuple[Tensor, float]:
    """Output and constant of a layer."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        return _weight(module, x, linear, None)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return x, float(_batch_norm(module, name).abs().max())
    if isinstance(module, nn.modules.dropout._DropoutNd):
        if module.training:
            raise _training(module, name)
        return x, 1.0
    if isinstance(module, ZeroPad):
        return module(x), 1.0
    if isinstance(module, nn.AdaptiveAvgPool2d):
        y = module(x)
        rows, columns = (a / b for a, b in zip(x.shape[-2:], y.shape[-2:], strict=True))
        if rows % 1 or columns % 1:
            raise ValueError(
                f"{name} ({module}) averages windows of unequal size over {tuple(x.shape[-2:])}; use a divisor"
            )
        return y, 1 / math.sqrt(rows * columns)  # a mean of n numbers has the norm 1 / sqrt(n)
    if isinstance(module, nn.MaxPool2d):
        size, step = (_pair(v) for v in (module.kernel_size, module.stride))
        # Each input is in at most so many windows, and a maximum moves no more than its window does.
        return module(x), math.sqrt(math.prod(math.ceil(a / b) for a, b in zip(size, step, strict=True)))
    if isinstance(module, nn.PReLU):
        return x, max(1.0, float(module.weight.detach().abs().max()))
    if isinstance(module, nn.LeakyReLU):
        return x, max(1.0, abs(module.negative_slope))
    for kind, slope in SLOPES.items():
        if type(module) is kind:
            return module(x), slope
    raise _unknown(module, name)


def _weight(layer: nn.Linear | nn.Conv2d, x: Tensor, linear: Callable, gain: Tensor | None) -> tuple[Tensor, float]:
    """Output and norm of a weight layer whose outputs are multiplied by `gain`."""
    weight = layer.weight.detach().double().cpu()
    if gain is not None:
        weight = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
    if isinstance(layer, nn.Linear):
        if x.shape[-1] != layer.in_features:
            raise ValueError(f"{layer} expects {layer.in_features} numbers; shape gives it {tuple(x.shape[1:])}")
        return x.new_zeros(*x.shape[:-1], layer.out_features), linear(weight)
    convolution = linalg.Convolution.of(layer, (x.shape[-2], x.shape[-1]))
    convolution = replace(convolution, weight=weight)
    y = x.new_zeros(len(x), len(weight), *convolution.out_size)
    if linear is not _norm:
        return y, linear(weight.flatten(1))
    if convolution.periodic or math.prod(convolution.shape) > EXACT:
        return y, linalg.conv_bound(convolution)
    return y, float(linalg.spectral_norms(convolution.dense()))


def _batch_norm(norm: nn.modules.batchnorm._BatchNorm, name: str) -> Tensor:
    """What it multiplies each channel by."""
    if norm.training or norm.running_var is None:
        raise _training(norm, name)
    gain = (norm.running_var.double() + norm.eps).rsqrt().cpu()
    return gain if norm.weight is None else gain * norm.weight.detach().double().cpu()


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value


def _training(module: nn.Module, name: str) -> ValueError:
    return ValueError(
        f"{name!r} ({type(module).__name__}) is in training mode, where an output depends on the whole batch and no "
        "map of one example exists; use .eval()"
    )


def _unknown(module: nn.Module, name: str) -> ValueError:
    reasons = {
        nn.MultiheadAttention: "dot-product attention is not Lipschitz on unbounded inputs; search a bounded set "
        "with lipschitz.search, or replace it",
        nn.LayerNorm: "its gain grows to 1 / sqrt(eps) where all inputs are equal; use batch normalisation",
        nn.GroupNorm: "its gain grows to 1 / sqrt(eps) where all inputs are equal; use batch normalisation",
        nn.Bilinear: "a product of two inputs has no global constant; search a bounded set with lipschitz.search",
    }
    reason = next((text for kind, text in reasons.items() if isinstance(module, kind)), None)
    known = ", ".join(sorted(kind.__name__ for kind in SLOPES))
    reason = (
        reason or f"its Lipschitz constant is not known here; known are weight layers, batch normalisation, {known}"
    )
    return ValueError(f"{name or 'module'!r} ({type(module).__name__}): {reason}")
