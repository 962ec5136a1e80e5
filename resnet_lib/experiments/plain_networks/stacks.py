r"""The grid of networks {shortcut, none} x {batch normalisation, scale $1/\sqrt L$, nothing}: how each is made.

All blocks are pre-activation blocks with two weight layers, of the same weights for the same seed.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from resnet_lib import nets
from resnet_lib.nets import Block, Unit
from resnet_lib.nets.units import UNITS, unknown

REPAIRS = ("norm", "scaled", "bare")
VARIANTS = (*REPAIRS, *(f"plain-{repair}" for repair in REPAIRS))
r"""`norm` has batch normalisation, `scaled` branches of size $1/\sqrt L$, `bare` neither; `plain-` no shortcut."""


@dataclass(frozen=True)
class Recipe:
    """What a variant's blocks are made of: the unit, and a factor of the last weights of every block."""

    unit: Unit
    factor: float = 1.0


def recipe(variant: str, blocks: int, power: float = 0.5) -> Recipe:
    """The recipe of a variant.

    A residual block adds `blocks**-power` times its branch. A plain block has no sum to weigh it in, so there the
    factor is that of the weights: the branch's last weight layer is drawn that much smaller, and learns from there.

    Args:
        variant: One of `VARIANTS`.
        blocks: How many blocks the network has.
        power: The exponent of the scale, where the variant has one.

    Raises:
        ValueError: Where the variant is not known.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    repair = variant.removeprefix("plain-")
    unit = UNITS["pre"] if repair == "norm" else replace(UNITS["pre"], norm="none")
    size = blocks**-power if repair == "scaled" else 1.0
    return Recipe(unit.plain(), size) if variant.startswith("plain-") else Recipe(replace(unit, alpha=size))


def shrink(net: nets.Stack, factor: float) -> nets.Stack:
    """Multiply the last weights of every block, in place; returns the network."""
    with torch.no_grad():
        for block in net.blocks if factor != 1 else ():
            assert isinstance(block, Block)
            last = [layer for layer in block.branch.modules() if isinstance(layer, nn.Linear | nn.Conv2d)][-1]
            last.weight *= factor
    return net


def mlp(variant: str, blocks: int, width: int, *, power: float = 0.5, generator: torch.Generator) -> nets.Stack:
    """The variant as an MLP for digits, before its training."""
    made = recipe(variant, blocks, power)
    return shrink(nets.mlp(blocks, width, unit=made.unit, generator=generator), made.factor)
