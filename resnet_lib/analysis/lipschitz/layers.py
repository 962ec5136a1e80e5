"""This module knows of each layer what a bound needs: the map that its forward applies, its constant, and its shapes.

A layer is known by its class, not by what it inherits: a subclass may have another forward. What is not known is
refused. A class of its own says what it is by methods that it defines itself: `effective()` returns the weight that a
linear layer or convolution applies, `lipschitz_constant()` a constant of any other map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from resnet_lib.analysis.lipschitz.constraints import Projected, SpectrallyNormalised
from resnet_lib.linalg.applied import applied, own_class
from resnet_lib.nets.dynamics import Repeat
from resnet_lib.nets.networks import Stack
from resnet_lib.nets.projections import ZeroPad

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
"""Normalisations that are affine in evaluation mode, channel by channel of the first axis behind the batch's."""

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
"""The identity in evaluation mode."""

VIEWS = (nn.Identity, nn.Flatten, nn.Unflatten, *DROPOUTS)
"""Layers that may return the memory that they were given."""

SLOPES: dict[type[nn.Module], float] = {
    nn.ReLU: 1.0,
    nn.ReLU6: 1.0,
    nn.Hardtanh: 1.0,
    nn.Identity: 1.0,
    nn.Tanh: 1.0,
    nn.Softsign: 1.0,
    nn.LogSigmoid: 1.0,
    nn.Tanhshrink: 1.0,
    nn.Softshrink: 1.0,
    nn.Sigmoid: 0.25,
    nn.Hardsigmoid: 1 / 6 + 1e-9,
    nn.Hardswish: 1.5,  # just below 3
    nn.GELU: 1.1290,  # at sqrt(2): Phi(x) + x phi(x) = 1.12890; 1.12900 for the approximation by tanh
    nn.SiLU: 1.0999,  # at 2.3994: 1.09984
    nn.Mish: 1.0885,  # at 1.4906: 1.08850
    nn.SELU: 1.7581,  # just below 0: scale * alpha = 1.75810
}
"""Steepest slope of activations, rounded up."""


def known(module: nn.Module, name: str) -> type[nn.Module]:
    """The class whose forward a module runs.

    Raises:
        ValueError: Where hooks, a replaced forward or a parametrisation from elsewhere may change what it computes.
    """
    try:
        kind = own_class(module)
    except ValueError as error:
        raise ValueError(f"{name or 'module'!r}: {error}") from None
    if parametrize.is_parametrized(module):
        for parts in module.parametrizations.values():  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
            for part in parts:
                if type(part) not in (Projected, SpectrallyNormalised):
                    raise ValueError(
                        f"{name or 'module'!r} ({kind.__name__}) has a parametrisation ({type(part).__name__}) that is "
                        "not known here; make its weight plain by torch.nn.utils.parametrize.remove_parametrizations"
                    )
    return kind


def linear(kind: type[nn.Module]) -> bool:
    """Whether a class is one of the linear layers, known or not."""
    return issubclass(kind, nn.Linear)


def convolution(kind: type[nn.Module]) -> bool:
    """Whether a class is one of the two-dimensional convolutions, known or not."""
    return issubclass(kind, nn.Conv2d)


def weight(layer: nn.Module, name: str) -> Tensor:
    """The weight that a linear layer or convolution applies, in float64 on the CPU.

    Raises:
        ValueError: Where its class does not say which, or it is complex or not finite.
    """
    try:
        found = applied(layer)
    except ValueError as error:
        raise ValueError(f"{name or 'module'!r}: {error}; for a lower bound use lipschitz.search") from None
    return _numbers(found, name, layer)


def gain(norm: nn.Module, name: str) -> Tensor:
    """The factor by which a batch normalisation multiplies each channel, in float64.

    Raises:
        ValueError: Where it is in training mode, keeps no running statistics, or holds numbers that are not finite.
    """
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    if norm.training or norm.running_var is None or norm.running_mean is None:
        raise training(norm, name)
    factor = (_numbers(norm.running_var, name, norm) + norm.eps).rsqrt()
    factor = factor if norm.weight is None else factor * _numbers(norm.weight, name, norm)
    return _finite(factor, name, norm)


def _numbers(tensor: Tensor, name: str, layer: nn.Module) -> Tensor:
    if tensor.is_complex():
        raise ValueError(
            f"{name or 'module'!r} ({type(layer).__name__}) has complex numbers, which are not handled here"
        )
    if tensor.is_meta:
        raise ValueError(f"{name or 'module'!r} ({type(layer).__name__}) is on the device meta and has no numbers")
    return _finite(tensor.detach().to_dense().double().cpu(), name, layer)


def _finite(tensor: Tensor, name: str, layer: nn.Module) -> Tensor:
    if not torch.isfinite(tensor).all():
        raise ValueError(
            f"{name or 'module'!r} ({type(layer).__name__}) holds NaN or infinite values; leave out networks that "
            "diverged, and draw weights with blocks.initialise"
        )
    return tensor


def training(module: nn.Module, name: str) -> ValueError:
    """The error for a module that makes no map of one example."""
    mode = "is in training mode" if module.training else "keeps no running statistics"
    cure = "use .eval()" if module.training else "use track_running_stats=True"
    return ValueError(
        f"{name!r} ({type(module).__name__}) {mode}, where an output depends on the whole batch and no "
        f"map of one example exists; {cure}"
    )


def unknown(module: nn.Module, name: str) -> ValueError:
    """The error for a layer whose constant is not known, with the way out."""
    reasons: dict[type[nn.Module], str] = {
        nn.MultiheadAttention: "dot-product attention is not Lipschitz on unbounded inputs; search a bounded set "
        "with lipschitz.search, or replace it",
        nn.LayerNorm: "its gain grows to 1 / sqrt(eps) where all inputs are equal; use batch normalisation",
        nn.GroupNorm: "its gain grows to 1 / sqrt(eps) where all inputs are equal; use batch normalisation",
        nn.Bilinear: "a product of two inputs has no global constant; search a bounded set with lipschitz.search",
        nn.GLU: "a product of two inputs has no global constant; search a bounded set with lipschitz.search",
        nn.Hardshrink: "it jumps, and so has no constant; use nn.Softshrink",
        nn.Threshold: "it jumps where value differs from threshold, and so has no constant; use nn.ReLU",
    }
    reason = next((text for kind, text in reasons.items() if isinstance(module, kind)), None)
    names = ", ".join(sorted(kind.__name__ for kind in SLOPES))
    own = type(module).__module__.partition(".")[0] not in ("torch", "resnet_lib")
    reason = reason or (
        f"its Lipschitz constant is not known here; known are weight layers, batch normalisation, pooling, {names}"
        + ("; a class of your own says it by a method lipschitz_constant() that it defines itself" if own else "")
        + "; for a lower bound use lipschitz.search"
    )
    return ValueError(f"{name or 'module'!r} ({type(module).__name__}): {reason}")


def children(module: nn.Module, kind: type[nn.Module]) -> list[tuple[str, nn.Module]] | None:
    """What a module applies one after the other, by name, as often as it does; None where it is no container."""
    if kind is Stack:
        assert isinstance(module, Stack)
        named: Iterator[tuple[str, nn.Module]] = ((f"blocks.{i}", block) for i, block in enumerate(module.blocks))
        return [("stem", module.stem), *named, ("head", module.head)]
    if kind is Repeat:
        assert isinstance(module, Repeat)
        return [("block", module.block)] * module.times
    if kind is nn.Sequential:
        assert isinstance(module, nn.Sequential)
        return list(zip(module._modules, module, strict=True))  # `named_children` names a repeated module once
    return None


def in_place(module: nn.Module, name: str, *, shared: bool) -> None:
    """Refuse a layer that works in place on what another path of a block reads too."""
    if shared and getattr(module, "inplace", False):
        raise ValueError(
            f"{name or 'module'!r} ({module}) works in place on the input of a block, which its other path reads too; "
            "use inplace=False"
        )


def slope(module: nn.Module, kind: type[nn.Module], name: str, x: Tensor) -> float | None:
    """The steepest slope of an activation that works on each number by itself; None where it is none, or jumps."""
    if kind is nn.LeakyReLU:
        return max(1.0, abs(_number(module, name, "negative_slope")))
    if kind is nn.ELU:
        return max(1.0, abs(_number(module, name, "alpha")))
    if kind is nn.CELU:
        return 1.0 if _number(module, name, "alpha") > 0 else None  # else it grows like an exponential
    if kind is nn.RReLU:
        if module.training:
            raise training(module, name)
        return max(1.0, abs(_number(module, name, "lower") + _number(module, name, "upper")) / 2)
    if kind is nn.PReLU:
        slopes = _numbers(module.weight, name, module).abs()  # pyright: ignore[reportArgumentType]
        if len(slopes) not in (1, x.shape[1]):
            raise ValueError(
                f"{name or 'module'!r} ({module}) reads {tuple(x.shape[1:])}, of another number of channels"
            )
        return max(1.0, float(slopes.max()))
    if kind is nn.Softplus:
        return 1.0 if smooth(module) else None
    if kind is nn.Threshold:
        return 1.0 if _number(module, name, "threshold") == _number(module, name, "value") else None
    return SLOPES.get(kind)


def smooth(softplus: nn.Module) -> bool:
    """Whether torch's softplus goes over into the identity without a jump that can be seen.

    Above `threshold / beta` it is the identity, which lies `log(1 + exp(-threshold)) / beta` below softplus.
    """
    assert isinstance(softplus, nn.Softplus)
    return softplus.beta > 0 and softplus.threshold >= 20


def _number(module: nn.Module, name: str, field: str) -> float:
    value = float(getattr(module, field))
    if not math.isfinite(value):
        raise ValueError(f"{name or 'module'!r} ({type(module).__name__}) has {field}={value}, which is not finite")
    return value


def other(module: nn.Module, kind: type[nn.Module], name: str, x: Tensor) -> tuple[Tensor, float] | None:
    """Output and constant of a layer that moves, pools or pads numbers; None where it is none of these."""
    if kind in DROPOUTS:
        if module.training:
            raise training(module, name)
        return x, 1.0
    if kind is nn.Flatten or (kind is nn.Unflatten and module.dim not in (0, -x.ndim)):
        return module(x), 1.0
    if kind in (nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle):
        return (module(x), 1.0) if x.ndim == 4 else None  # an image without a batch would be taken for one
    if kind is ZeroPad or kind in _PADDINGS:
        return module(x), 1.0
    if kind in _MAXIMA or kind in _ADAPTIVE_MAXIMA:
        if module.return_indices:
            raise ValueError(f"{name or 'module'!r} ({module}) gives two tensors; use return_indices=False")
        y = module(x)
        n = (*_MAXIMA, *_ADAPTIVE_MAXIMA).index(kind) % 3 + 1
        # Each input is in at most so many windows, and a maximum moves no more than its window does.
        windows = (
            (_windows(*each) for each in zip(*(_each(module, field, n) for field in FIELDS), strict=True))
            if kind in _MAXIMA
            else (_adaptive(a, b) for a, b in zip(x.shape[-n:], y.shape[-n:], strict=True))
        )
        return y, math.sqrt(math.prod(windows))
    if kind in _ADAPTIVE_MEANS:
        y = module(x)
        n = _ADAPTIVE_MEANS.index(kind) + 1
        ratios = [a / b for a, b in zip(x.shape[-n:], y.shape[-n:], strict=True)]
        if not any(ratio % 1 for ratio in ratios):
            return y, 1 / math.sqrt(math.prod(ratios))  # a mean of n numbers has the norm 1 / sqrt(n)
        return y, _schur(module, x)
    return (module(x), _schur(module, x)) if kind in _MEANS else None


FIELDS = ("kernel_size", "stride", "dilation")
_PADDINGS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
_MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_ADAPTIVE_MAXIMA = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
_MEANS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_ADAPTIVE_MEANS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


def _each(module: nn.Module, field: str, n: int) -> tuple[int, ...]:
    value = getattr(module, field)
    return (value,) * n if isinstance(value, int) else tuple(value)


def _windows(size: int, step: int, dilation: int) -> int:
    """How many windows of one direction per pixel is in: those `j < size` for which `p - dilation j` is a multiple."""
    return math.ceil(size * math.gcd(dilation, step) / step)


def _adaptive(n_in: int, n_out: int) -> int:
    """How many of the windows that cover `n_in` pixels by `n_out` windows a pixel is in, at most."""
    counts = [0] * n_in
    for i in range(n_out):
        for pixel in range(i * n_in // n_out, -(-(i + 1) * n_in // n_out)):
            counts[pixel] += 1
    return max(counts)


def _schur(pool: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The root of the largest sum of a row and the largest of a column: no norm of a non-negative matrix is larger."""
    with torch.enable_grad():
        ones = torch.ones_like(x[:1]).requires_grad_()
        y = pool(ones)
        (columns,) = torch.autograd.grad(y.abs().sum(), ones)
    return math.sqrt(float(y.detach().abs().max()) * float(columns.abs().max()))
