"""This module draws the weights of all layers of a network, each layer from a random stream of its own."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from resnet_lib import runtime
from resnet_lib.nets import projections, weights
from resnet_lib.nets.units import SCHEMES, unknown

M = TypeVar("M", bound=nn.Module)

DRAWN = (nn.Conv2d, nn.Linear)
"""Layers whose weight is drawn, and whose bias becomes 0."""

BUILT = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.PReLU)
"""Layers that stay as they were built: torch starts them all alike and draws nothing for them."""

_NAMES = ("weight", "bias")


def initialise(module: M, generator: torch.Generator, scheme: str = "he") -> M:
    """Draw the weights of all convolutions and linear layers; biases become 0.

    Each layer has a stream of its own, named by one draw from `generator` and the layer's name in `module`. So layers
    of one name and shape get the same weights whatever else is there: a plain net those of its residual twin. The draw
    happens on the CPU, the same on every device.

    Normalisations stay as they were built. Orthonormal projections start as random ones, whatever the scheme; those
    that wait for data (`shortcuts.pca_`) stay NaN. A weight that is constrained (`lipschitz.constrain`) takes what is
    drawn as its raw weight, and stays constrained.

    Args:
        module: What to initialise, in place. Where this raises, it is what it was.
        generator: One number is drawn from it.
        scheme: One of `units.SCHEMES`. First and last are the layers that are first and last in `module`, in which
            those of a network stand in the order of its data.

    Returns:
        `module`.

    Raises:
        TypeError: Where a part has parameters of its own that are neither drawn here nor alike in all modules, and so
            would keep what torch has drawn for them from its global generator.
        ValueError: Where `scheme` is not known, or wants an even width, or a layer has no shape yet.

    Example:
        >>> first, again = (initialise(nn.Linear(4, 4), runtime.stream(0, "init")) for _ in range(2))
        >>> torch.equal(first.weight, again.weight), first.bias.tolist()
        (True, [0.0, 0.0, 0.0, 0.0])
    """
    if scheme not in SCHEMES:
        raise unknown("scheme", scheme, SCHEMES)
    for name, part in module.named_modules():
        _require_known(name, part)
    seed = int(torch.randint(2**62, (), generator=generator))
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, DRAWN)]
    drawn: list[tuple[nn.Module, str, Tensor]] = []
    for nth, (name, layer) in enumerate(layers):
        if isinstance(layer, projections.Principal):
            continue
        weight = torch.empty(layer.weight.shape, dtype=layer.weight.dtype)
        chosen = "orthogonal" if isinstance(layer, projections.Orthonormal) else scheme
        place = {(True, True): "only", (True, False): "first", (False, True): "last"}
        where = place.get((nth == 0, nth == len(layers) - 1), "inner")
        weights.draw(chosen, weight, runtime.stream(seed, name), place=where)
        drawn.append((layer, "weight", weight))
        if layer.bias is not None:
            drawn.append((layer, "bias", torch.zeros_like(layer.bias)))
    with torch.no_grad():
        for layer, name, value in drawn:
            held = getattr(layer, name)
            if parametrize.is_parametrized(layer, name):
                setattr(layer, name, value.to(held))  # what the attribute holds is a computed copy
            else:
                held.copy_(value)
    return module


def _require_known(name: str, part: nn.Module) -> None:
    """Refuse a part that would keep numbers of torch's global generator."""
    where = f"{name!r} ({type(part).__name__})" if name else type(part).__name__
    if isinstance(part, nn.utils.parametrizations._SpectralNorm):
        raise TypeError(
            f"{where} holds vectors that torch has drawn from its global generator; use lipschitz.constrain, after or "
            "before the draw"
        )
    known = _NAMES if isinstance(part, (*DRAWN, *BUILT)) else ()
    if strange := [own for own in _own(part) if own not in known]:
        raise TypeError(
            f"{where} has the parameter {strange[0]!r}, and initialise draws those of convolutions in two dimensions "
            "and of linear layers alone: it would keep what torch has drawn from its global generator; draw it with "
            "runtime.stream, and initialise the known parts by themselves"
        )
    if any(is_lazy(value) for value in part._parameters.values() if value is not None):
        raise ValueError(f"{where} has no shape yet; call the module once on an example before the draw")


def _own(part: nn.Module) -> list[str]:
    """The parameters of a part itself, by the names that it reads them by."""
    if isinstance(part, parametrize.ParametrizationList):
        return []  # of the layer around it
    held = [name for name, value in part._parameters.items() if value is not None]
    return [*held, *part.parametrizations] if parametrize.is_parametrized(part) else held  # pyright: ignore
