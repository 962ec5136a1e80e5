"""Stochastic depth leaves branches out at random while training; in evaluation they count by their chance.

A block survives a step as a whole, for all examples of the batch (huang2016stochastic). The draws are a function of
a key and of the number of the step, both buffers: they repeat, they need no generator inside the network, and stacked
seeds (`training.fit`) draw each its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import SupportsIndex

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from resnet_lib.nets.blocks import Absent, Block
from resnet_lib.nets.effects import Draws
from resnet_lib.nets.merges import Formula, formula
from resnet_lib.nets.networks import Stack
from resnet_lib.whole import whole

DECAYS = ("linear", "uniform")

# Steele, Lea & Flood (2014), "SplitMix64": the increment and the finaliser, as signed integers of 64 bits.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))


def survival(depth: SupportsIndex, last: float, decay: str = "linear") -> tuple[float, ...]:
    """The chances of the blocks to survive a step (huang2016stochastic, eq. 4).

    Args:
        depth: Number of blocks.
        last: Chance of the last block.
        decay: `linear` from almost 1 down, `1 - l / depth * (1 - last)` for block l = 1, ..., depth; `uniform`: `last`
            for all.

    Raises:
        ValueError: Where a value is not allowed.

    Example:
        >>> survival(4, 0.5)
        (0.875, 0.75, 0.625, 0.5)
    """
    depth = whole("depth", depth)
    if decay not in DECAYS:
        raise ValueError(f"decay={decay!r} is unknown; known: {', '.join(DECAYS)}")
    if depth < 1:
        raise ValueError(f"depth={depth} must be at least 1")
    if not 0 < last <= 1:
        raise ValueError(f"last={last} must be a chance above 0, at most 1; 1 drops nothing")
    if decay == "uniform":
        return (last,) * depth
    return tuple(1 - block / depth * (1 - last) for block in range(1, depth + 1))


def survives(key: Int[Tensor, ...], step: Int[Tensor, ...], chance: float) -> Bool[Tensor, ...]:
    """Whether a block survives a step: SplitMix64 of key and step, as a number from 0 to 1, below its chance."""
    bits = key + (step + 1) * _GAMMA
    for shift, factor in _MIX:
        bits = (bits ^ _shifted(bits, shift)) * factor
    bits = bits ^ _shifted(bits, 31)
    return _shifted(bits, 11) < math.ceil(chance * 2**53)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """`bits >> by` with zeros from the left: torch's integers are signed."""
    return (bits >> by) & (2 ** (64 - by) - 1)


class Surviving(Draws):
    """`merge(s, b)` or `merge(s, 0)` at random while training; `merge(s, chance * b)` in evaluation.

    Args:
        merge: The block's own merge.
        chance: Of `b` to survive a step.
        key: Names the draws.
    """

    key: Tensor
    step: Tensor

    def __init__(self, merge: nn.Module, chance: float, key: int):
        super().__init__()
        self.merge = merge
        self.chance = chance
        self.register_buffer("key", torch.tensor(key))
        self.register_buffer("step", torch.tensor(0))

    def forward(self, s: Tensor, b: Tensor) -> Tensor:
        """The merged paths."""
        if not self.training:
            return self.merge(s, self.chance * b)
        kept = survives(self.key, self.step, self.chance)
        self.step.add_(1)
        return self.merge(s, torch.where(kept, b, 0.0))

    def formula(self) -> Formula:
        """That of the merge, with the branch multiplied by its chance.

        Raises:
            ValueError: In training mode, where there is none.
        """
        if self.training:
            raise ValueError("Surviving is in training mode, where it draws what it makes of both paths; use .eval()")
        inner = formula(self.merge)
        return replace(inner, branch=self.chance * inner.branch)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"chance={self.chance}"


def wrap(stack: Stack, chances: Sequence[float], *, generator: torch.Generator) -> Stack:
    """The network with stochastic depth, around the same modules: names and values of its parameters are the same.

    In training mode each block's branch is left out of a step, for the whole batch, with the chance that it does not
    survive; a block that is left out is computed, so that many seeds can train at once, and gets no gradient. In
    evaluation mode the branch counts by its chance. Blocks of chance 1 stay as they are.

    Args:
        stack: The network; it is not changed.
        chances: One for each block, e.g. of `survival`.
        generator: One number is drawn from it; it names the draws of all blocks.

    Raises:
        ValueError: Where there is not one chance for each block, or it is not above 0 and at most 1.
        TypeError: Where a block that may be left out has no shortcut.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(4, 8, generator=torch.Generator().manual_seed(0))
        >>> [block.merge.chance for block in wrap(net, survival(4, 0.5), generator=torch.Generator()).blocks]
        [0.875, 0.75, 0.625, 0.5]
    """
    if len(chances) != len(stack.blocks):
        raise ValueError(f"chances holds {len(chances)} numbers; this network has {len(stack.blocks)} blocks")
    key = int(torch.randint(2**62, (), generator=generator))
    modules: list[nn.Module] = []
    for position, (block, chance) in enumerate(zip(stack.blocks, chances, strict=True)):
        if not 0 < chance <= 1:
            raise ValueError(f"chances[{position}]={chance} must be above 0 and at most 1")
        if chance == 1:
            modules.append(block)
            continue
        if not isinstance(block, Block) or isinstance(block.shortcut, Absent):
            raise TypeError(
                f"block {position} has no shortcut: without its branch nothing is left; use a residual unit"
            )
        # Keys of different blocks are far apart: SplitMix64 walks in steps of _GAMMA from each.
        merge = Surviving(block.merge, chance, (key ^ (position * 0x5851F42D4C957F2D)) % 2**62)
        merge.training = block.training  # and no mode of what is the network's own
        wrapped = Block(block.branch, block.shortcut, merge)
        wrapped.training = block.training
        modules.append(wrapped)
    made = Stack(stack.stem, modules, stack.head, shape=stack.shape)
    made.training = made.blocks.training = stack.training
    return made
