"""These parametrisations bound the norm of weights, by projection onto a ball (Gouk) or normalisation (Miyato)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from resnet_lib import linalg
from resnet_lib.linalg.applied import own_class
from resnet_lib.linalg.convolutions import layout
from resnet_lib.linalg.scaling import factors
from resnet_lib.nets.blocks import Linear
from resnet_lib.nets.projections import Conv2d, Patches, Principal

__all__ = ["Projected", "SpectrallyNormalised", "constrain", "release"]

M = TypeVar("M", bound=nn.Module)

COVERED = (nn.Linear, nn.Conv2d, Linear, Conv2d, Patches, Principal)
"""Layers whose map is that of their weight, by their class; a subclass may have another."""


def _spectral_norm(weight: Tensor, torus: tuple[int, int] | None) -> Tensor:
    """The norm of a matrix; of a kernel that on a torus: the image itself, or one with zeros around (`conv_bound`)."""
    scale = factors(weight.detach().abs().amax())  # 1 but for weights whose squares would be lost
    if torus is None:
        # Scaled once for each factor, and in this order, so that gradients add up to the same bits as without a scale.
        turned, straight = (weight * scale).mT, weight * scale
        gram = straight @ turned if weight.shape[0] <= weight.shape[1] else turned @ straight
    else:
        waves = torch.fft.rfft2(_folded(weight * scale, torus), torus).flatten(2).movedim(2, 0)
        gram = waves @ waves.mH if waves.shape[1] <= waves.shape[2] else waves.mH @ waves
    # A seed that diverged goes on as NaN and disturbs no other; LAPACK would raise for all of them.
    finite = torch.isfinite(gram).all()
    largest = torch.linalg.eigvalsh(torch.where(finite, gram, torch.zeros_like(gram)))[..., -1].amax()
    return torch.where(finite, largest.clamp(min=0).sqrt(), math.nan) / scale


def _folded(weight: Tensor, torus: tuple[int, int]) -> Tensor:
    """A kernel that is larger than the torus as the one that does the same there: what meets is added up."""
    turns = [-(-k // n) for k, n in zip(weight.shape[-2:], torus, strict=True)]
    if turns == [1, 1]:
        return weight
    missing = [t * n - k for t, n, k in zip(turns, torus, weight.shape[-2:], strict=True)]
    padded = nn.functional.pad(weight, (0, missing[1], 0, missing[0]))
    return padded.unflatten(-1, (turns[1], torus[1])).unflatten(-3, (turns[0], torus[0])).sum((-4, -2))


class Projected(nn.Module):
    """`W min(1, bound / ||W||_2)`: the multiple of `W` in the ball (gouk2021regularisation, there after each step).

    The norm counts as a constant in the gradient, as it does where one projects between the steps.

    Args:
        bound: Largest norm that is allowed.
        torus: Of a convolution, the size of image on which its norm is taken.
    """

    def __init__(self, bound: float, torus: tuple[int, int] | None = None):
        super().__init__()
        if not 0 < bound < math.inf:
            raise ValueError(f"bound={bound} must be positive and finite")
        self.bound, self.torus = bound, torus

    def forward(self, weight: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The weight in the ball."""
        norm = _spectral_norm(weight.detach(), self.torus)
        return weight / (norm / self.bound).clamp(min=1)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """A weight that is set is kept as it is, and projected where it is used."""
        return weight


class SpectrallyNormalised(Projected):
    """`W bound / ||W||_2`: every weight has exactly this norm (miyato2018spectral, eq. 8, with the exact norm)."""

    def forward(self, weight: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The weight on the sphere."""
        norm = _spectral_norm(weight if self.torus is None else weight.detach(), self.torus)
        return weight * (self.bound / norm)


def constrain(
    module: M,
    bound: float,
    *,
    kind: type[Projected] = Projected,
    size: tuple[int, int] | None = None,
    where: Callable[[str], bool] = lambda name: True,
) -> M:
    """Bound the norms of the weight layers of a module, from now on and through training.

    On a convolution's images the bound holds with zero padding for every size up to `size`, and with circular padding
    for that size alone, on which another norm is taken: on smaller images it may be larger. So a call that covers
    circular convolutions covers none that changes the size, unless it is the only one.

    Args:
        module: What to constrain, in place; its linear layers and convolutions of one group. Where this raises nothing
            of it has changed.
        bound: Largest norm of each.
        kind: `Projected` or `SpectrallyNormalised`.
        size: Largest height and width of images that convolutions see; needed where there are any.
        where: Which layers, by their names in `module`.

    Returns:
        `module`.

    Raises:
        ValueError: Where nothing is there to constrain, a weight is zero and has to be normalised, no size is given, or
            a layer with weights is not covered: by its class, because it is constrained already, or because it has
            groups, a dilation, two strides or a padding for which the bound would not hold.

    Example:
        >>> layer = constrain(nn.Linear(3, 3), 0.1)
        >>> round(linalg.spectral_norms(layer.weight).item(), 4)
        0.1
    """
    chosen: list[tuple[str, nn.Module, tuple[int, int] | None]] = []
    circular, moving = [], []
    for name, layer in module.named_modules():
        inner = any(part == "parametrizations" for part in name.split("."))
        if inner or not _weighs(layer) or not where(name):
            continue
        shown = name or "module"
        if parametrize.is_parametrized(layer):
            raise ValueError(f"{shown!r} is constrained or parametrised already; use lipschitz.release first")
        kind_of_layer = own_class(layer)
        if kind_of_layer not in COVERED:
            raise ValueError(
                f"{shown!r} ({kind_of_layer.__name__}) has weights, but its map is not known to be that of `weight`, "
                "so that it cannot be constrained; leave it out by where=lambda name: ..."
            )
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if issubclass(kind, SpectrallyNormalised) and not weight.any():
            raise ValueError(
                f"{shown!r} has a weight of zero, which no factor gives the norm {bound}; use kind=Projected"
            )
        torus = None
        if isinstance(layer, nn.Conv2d):
            if size is None or layer.groups != 1:
                raise ValueError(
                    f"{shown!r} is a convolution of groups={layer.groups}; give size=(height, width), one group"
                )
            torus, keeps = _torus(shown, layer, size)
            (circular if layer.padding_mode == "circular" else []).append(name)
            moving += [] if keeps else [name]
        chosen.append((name, layer, torus))
    if not chosen:
        raise ValueError(f"{type(module).__name__} has no linear layer or convolution that `where` chooses")
    if circular and moving and {*circular, *moving} != {circular[0]}:
        raise ValueError(
            f"{circular[0]!r} pads in circles, and {moving[0]!r} changes the size of the image, so that size={size} is "
            "not that of all; constrain them in calls of their own, each with its size, by where=lambda name: ..."
        )
    for _, layer, torus in chosen:
        parametrize.register_parametrization(layer, "weight", kind(bound, torus))
    return module


def _weighs(layer: nn.Module) -> bool:
    """Whether a module has weights of its own, which are more than a number for each channel."""
    return parametrize.is_parametrized(layer) or any(p.ndim > 1 for p in layer.parameters(recurse=False))


def _torus(name: str, layer: nn.Conv2d, size: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    """The torus on which the norm bounds that of the layer, and whether it keeps the size of the image."""
    try:
        padding, stride, _, margins = layout(layer)
        # Of the weight only the shape matters here, and it may not be drawn yet.
        shown = linalg.Convolution(torch.zeros(layer.weight.shape), size, padding, stride, 1, margins)
    except ValueError as error:
        raise ValueError(f"{name!r} cannot be constrained: {error}; leave it out by where=lambda name: ...") from None
    if padding == "zeros":
        return (size[0] + layer.kernel_size[0] - 1, size[1] + layer.kernel_size[1] - 1), shown.out_size == size
    if any((n - 1) * stride >= m for n, m in zip(shown.out_size, size, strict=True)):
        raise ValueError(
            f"{name!r} ({layer}) pads so wide around size={size} that an output comes twice; use padding='same'"
        )
    return size, shown.out_size == size


def release(module: M) -> M:
    """Make the constrained weights plain ones, with the values that they have; in place.

    Weights that others have parametrised, by `torch.nn.utils.parametrizations`, stay as they are.

    Example:
        >>> layer = release(constrain(nn.Linear(3, 3), 0.1))
        >>> type(layer.weight).__name__, round(linalg.spectral_norms(layer.weight).item(), 4)
        ('Parameter', 0.1)
    """
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parts = layer.parametrizations.weight  # pyright: ignore[reportAttributeAccessIssue]
            if any(isinstance(part, Projected) for part in parts.children()):  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
                parametrize.remove_parametrizations(layer, "weight")
    return module
