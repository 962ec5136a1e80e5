"""Weights of bounded norm as parametrisations: projection onto a ball (Gouk) and spectral normalisation (Miyato)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["Projected", "SpectrallyNormalised", "constrain", "release"]

M = TypeVar("M", bound=nn.Module)


def _spectral_norm(weight: Tensor, torus: tuple[int, int] | None) -> Tensor:
    """The norm of a matrix; of a kernel the norm on a torus that is large enough for zero padding (`conv_bound`)."""
    if torus is None:
        gram = weight @ weight.mT if weight.shape[0] <= weight.shape[1] else weight.mT @ weight
    else:
        waves = torch.fft.rfft2(weight, torus).flatten(2).movedim(2, 0)
        gram = waves @ waves.mH if waves.shape[1] <= waves.shape[2] else waves.mH @ waves
    # A seed that diverged goes on as NaN and disturbs no other; LAPACK would raise for all of them.
    finite = torch.isfinite(gram).all()
    largest = torch.linalg.eigvalsh(torch.where(finite, gram, torch.zeros_like(gram)))[..., -1].amax()
    return torch.where(finite, largest.clamp(min=0).sqrt(), math.nan)


class Projected(nn.Module):
    """`W min(1, bound / ||W||_2)`: the multiple of `W` in the ball (gouk2021regularisation, there after each step).

    The norm counts as a constant in the gradient, as it does where one projects between the steps.

    Args:
        bound: Largest norm that is allowed.
        torus: Of a convolution, the size of image on which its norm is taken.
    """

    def __init__(self, bound: float, torus: tuple[int, int] | None = None):
        super().__init__()
        if not bound > 0:
            raise ValueError(f"bound={bound} must be positive")
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

    Args:
        module: What to constrain, in place; its linear layers and convolutions (of stride 1 or 2, one group).
        bound: Largest norm of each.
        kind: `Projected` or `SpectrallyNormalised`.
        size: Largest height and width of images that convolutions see; needed where there are any.
        where: Which layers, by their names in `module`.

    Returns:
        `module`.

    Raises:
        ValueError: Where nothing is there to constrain, a weight is zero and has to be normalised, or no size is given.
    """
    layers = [
        (name, layer)
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and where(name)
    ]
    if not layers:
        raise ValueError(f"{type(module).__name__} has no linear layer or convolution that `where` chooses")
    for name, layer in layers:
        if issubclass(kind, SpectrallyNormalised) and not layer.weight.any():
            raise ValueError(
                f"{name!r} has a weight of zero, which no factor gives the norm {bound}; use kind=Projected"
            )
        torus = None
        if isinstance(layer, nn.Conv2d):
            if size is None or layer.groups != 1:
                raise ValueError(
                    f"{name!r} is a convolution of groups={layer.groups}; give size=(height, width), one group"
                )
            torus = (size[0] + layer.kernel_size[0] - 1, size[1] + layer.kernel_size[1] - 1)
        parametrize.register_parametrization(layer, "weight", kind(bound, torus))
    return module


def release(module: M) -> M:
    """Make the constrained weights plain ones, with the values that they have; in place."""
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
    return module
