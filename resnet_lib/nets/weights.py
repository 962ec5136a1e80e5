"""This module draws the weights of one layer. Of the network it knows only where in it the layer stands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PLACES = ("only", "first", "inner", "last")
"""Where a weight layer stands among those of its network, from input to output."""

KNOWN = ("he", "lecun", "orthogonal", "identity", "looks-linear")
"""What `draw` knows: `units.SCHEMES`."""

NOISE = 0.01
"""What `identity` adds of a He-distributed matrix to the identity."""


def draw(scheme: str, weight: Tensor, generator: torch.Generator, *, place: str = "inner") -> None:
    """Draw a weight in place.

    Args:
        scheme: One of `units.SCHEMES`, which says what they are.
        weight: Of a linear layer, (out, in), or of a convolution, (out, in, k, k).
        generator: To draw from.
        place: One of `PLACES`; it matters for `identity` and `looks-linear` alone.

    Raises:
        ValueError: Where the scheme or place is not known, or a layer of `looks-linear` has an odd number of outputs or
            inputs that should come in pairs.
    """
    for field, value, allowed in (("scheme", scheme, KNOWN), ("place", place, PLACES)):
        if value not in allowed:
            raise ValueError(f"{field}={value!r} is unknown; known: {', '.join(allowed)}")
    if scheme == "orthogonal":
        nn.init.orthogonal_(weight, generator=generator)
    elif scheme == "looks-linear":
        _looks_linear(weight, generator, place)
    else:
        linearity = "linear" if scheme == "lecun" else "relu"
        nn.init.kaiming_normal_(weight, nonlinearity=linearity, generator=generator)
        if scheme == "identity" and place == "inner" and weight.shape[0] == weight.shape[1]:
            weight.mul_(NOISE)
            _centre(weight).add_(torch.eye(len(weight), dtype=weight.dtype))


def _centre(weight: Tensor) -> Tensor:
    """The matrix that acts on a pixel itself, as a view; the whole weight of a linear layer."""
    return weight[(..., *(size // 2 for size in weight.shape[2:]))]


def _looks_linear(weight: Tensor, generator: torch.Generator, place: str) -> None:
    """`[[A, -A], [-A, A]]`, without its right half where the input is raw, or its lower half where the output is."""
    outputs = 1 if place in ("only", "last") else 2
    inputs = 1 if place in ("only", "first") else 2
    for name, size, copies in (("outputs", weight.shape[0], outputs), ("inputs", weight.shape[1], inputs)):
        if size % copies:
            raise ValueError(
                f"scheme='looks-linear' pairs the {name} of a layer, which has {size} of them; use an even width"
            )
    quarter = weight.new_zeros(weight.shape[0] // outputs, weight.shape[1] // inputs, *weight.shape[2:])
    # A first convolution reads whole patches; the others let each pixel pass by itself, so that images keep their norm.
    nn.init.orthogonal_(quarter if inputs == 1 else _centre(quarter), generator=generator)
    row = torch.cat([quarter, -quarter], dim=1) if inputs == 2 else quarter
    weight.copy_(torch.cat([row, -row]) if outputs == 2 else row)
