"""Burdens of a shortcut that are no gates: a matrix that learns or is held, and dropout.

They are put on a stack whose weights have been drawn, so that the branches of a network and of its burdened twin are
equal.

Example:
    >>> from resnet_lib import nets, runtime
    >>> draw = runtime.stream(0, "example")
    >>> net = nets.mlp(2, 8, unit=nets.Unit(order="inside", norm="none"), generator=draw)
    >>> [tuple(block.shortcut.weight.shape) for block in matrices(net, "lecun", generator=draw).blocks]
    [(8, 8), (8, 8)]
"""

# ruff: noqa: UP037 -- without its quotes the shape "n *shape" would be a product

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.nets import weights
from resnet_lib.nets.blocks import Absent, Block, Linear
from resnet_lib.nets.effects import Draws
from resnet_lib.nets.networks import Stack
from resnet_lib.nets.projections import Conv2d
from resnet_lib.nets.stochastic_depth import survives
from resnet_lib.nets.units import unknown

STARTS = ("he", "lecun", "orthogonal", "identity")
"""How a matrix on the shortcut starts: drawn as in `units.SCHEMES`, or as exactly the identity."""


class Held(nn.Module):
    """A matrix on the shortcut that does not learn.

    Args:
        weight: (channels, channels).
    """

    weight: Tensor

    def __init__(self, weight: Float[Tensor, "c c"]):
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """The product with the matrix."""
        return nn.functional.linear(x, self.weight)


class Dropped(Draws):
    """A shortcut that drops entries of the state at random while it trains, and multiplies them by a number after.

    Each entry is kept with a chance, one draw for each example and entry. The draws are a function of a key and of the
    number of the step, both buffers, as in `stochastic_depth.Surviving`: they repeat, and stacked seeds draw each its
    own.

    Args:
        chance: Of an entry to be kept.
        key: Names the draws.
        mean: Whether what is kept is divided by the chance, so that training and evaluation have the mean `x`. Without
            it (he2016identity, "dropout shortcut") the mean is `chance x`, in evaluation too.
    """

    key: Tensor
    step: Tensor

    def __init__(self, chance: float, key: int, *, mean: bool = False):
        super().__init__()
        self.chance = chance
        self.mean = mean
        self.register_buffer("key", torch.tensor(key))
        self.register_buffer("step", torch.tensor(0))

    def forward(self, x: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """What is kept of the state; its mean in evaluation mode."""
        factor = 1 / self.chance if self.mean else 1.0
        if not self.training:
            return factor * self.chance * x
        # Keys of different entries are far apart: SplitMix64 walks in steps of its increment from each.
        entries = torch.arange(x.numel(), device=x.device).view(x.shape) * 0x5851F42D4C957F2D
        kept = survives(self.key ^ entries, self.step, self.chance)
        self.step.add_(1)
        return torch.where(kept, factor * x, 0.0)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"chance={self.chance}, mean={self.mean}"


def matrices(stack: Stack, start: str, *, learned: bool = True, generator: torch.Generator) -> Stack:
    """The network with a matrix on every shortcut that is the identity: for vectors what 1x1 is for images.

    Args:
        stack: A residual network of vectors whose weights have been drawn; it is not changed.
        start: One of `STARTS`.
        learned: Whether the matrices are trained.
        generator: One number is drawn from it; it names the streams of all matrices.

    Raises:
        ValueError: Where the start is not known, or states are images.
        TypeError: Where a block's shortcut is not the identity.

    Example:
        >>> from resnet_lib import nets
        >>> draw = torch.Generator().manual_seed(0)
        >>> net = nets.mlp(2, 8, unit="inside", generator=draw).eval()
        >>> x = torch.ones(1, 64)
        >>> torch.equal(matrices(net, "identity", generator=draw)(x), net(x))
        True
    """
    if start not in STARTS:
        raise unknown("start", start, STARTS)
    key = int(torch.randint(2**62, (), generator=generator))
    states = _states(stack)
    if any(len(shape) > 1 for shape in states):
        raise ValueError("this network has images as states; use nets.Unit(shortcut='C'), which has 1x1 convolutions")

    def made(position: int, block: Block) -> Block:
        if not isinstance(block.shortcut, nn.Identity):
            raise TypeError(f"block {position} has a {type(block.shortcut).__name__} on its shortcut already")
        layer = _layer(stack, states[position], bias=False)
        with torch.no_grad():
            if start == "identity":
                nn.init.eye_(layer.weight)
            else:
                weights.draw(start, layer.weight, runtime.stream(key, "matrix", position))
        return Block(block.branch, layer if learned else Held(layer.weight.detach()), block.merge)

    return _rebuilt(stack, made)


def dropped(stack: Stack, chance: float, *, mean: bool = False, generator: torch.Generator) -> Stack:
    """The network with dropout on every shortcut that is the identity.

    Args:
        stack: A residual network; it is not changed.
        chance: Of an entry to be kept.
        mean: As for `Dropped`.
        generator: One number is drawn from it; it names the draws of all blocks.

    Raises:
        ValueError: Where the chance is not above 0 and at most 1.
        TypeError: Where a block's shortcut is not the identity.

    Example:
        >>> from resnet_lib import nets
        >>> draw = torch.Generator().manual_seed(0)
        >>> net = dropped(nets.mlp(2, 8, unit="inside", generator=draw), 0.5, generator=draw).eval()
        >>> net.blocks[0].shortcut(torch.ones(1, 2)).tolist()
        [[0.5, 0.5]]
    """
    if not 0 < chance <= 1:
        raise ValueError(f"chance={chance} must be above 0 and at most 1; 1 drops nothing")
    key = int(torch.randint(2**62, (), generator=generator))

    def made(position: int, block: Block) -> Block:
        if not isinstance(block.shortcut, nn.Identity):
            raise TypeError(f"block {position} has a {type(block.shortcut).__name__} on its shortcut already")
        own = int(torch.randint(2**62, (), generator=runtime.stream(key, "dropped", position)))
        return Block(block.branch, Dropped(chance, own, mean=mean), block.merge)

    return _rebuilt(stack, made)


def _layer(stack: Stack, shape: tuple[int, ...], *, bias: bool) -> nn.Linear | nn.Conv2d:
    """A layer that returns as many channels as it reads: linear, or a convolution of 1x1 for images."""
    c, like = shape[0], next(stack.parameters())
    return (Linear(c, c, bias=bias) if len(shape) == 1 else Conv2d(c, c, 1, bias=bias)).to(like)


def _states(stack: Stack) -> list[tuple[int, ...]]:
    """The shapes of the states of one example; images of any size are taken to be of 32 pixels."""
    like = next(stack.parameters())
    example = like.new_zeros(1, *(32 if size is None else size for size in stack.shape))
    with torch.no_grad():
        return [tuple(state.shape[1:]) for state in copy.deepcopy(stack).eval().states(example)]


def _rebuilt(stack: Stack, make: Callable[[int, Block], Block]) -> Stack:
    """A network of the same stem and head, and of blocks that are made from those of this one."""
    made: list[nn.Module] = []
    for position, block in enumerate(stack.blocks):
        if not isinstance(block, Block) or isinstance(block.shortcut, Absent):
            raise TypeError(f"block {position} has no shortcut to burden; use a residual unit")
        new = make(position, block)
        new.training = new.merge.training = new.shortcut.training = block.training
        made.append(new)
    found = Stack(stack.stem, made, stack.head, shape=stack.shape)
    found.training = found.blocks.training = stack.training
    return found
