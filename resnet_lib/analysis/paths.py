"""This module counts the paths through a residual network by their length, and measures what each of them carries.

A path enters the branch of some blocks and takes the shortcut past the others; its length is the number it enters. The
output of a network is the sum over its paths where branches are linear, and only there (`expand`). Its gradient is that
sum always, because a gradient is taken at one point, where the network is replaced by its linearisation (`linearise`).

Example:
    >>> from resnet_lib.nets.dynamics import euler_block
    >>> counts(3), share(3, 1, 2)
    ((1, 3, 3, 1), 0.75)
    >>> blocks = [euler_block(nn.Identity(), 0.5), euler_block(nn.Identity(), 0.5)]
    >>> found = expand(blocks, torch.ones(1, 1))
    >>> found.lengths.tolist(), found.terms.flatten().tolist()
    ([0, 1, 1, 2], [1.0, 0.5, 0.5, 0.25])
    >>> net = Stack(nn.Identity(), blocks, nn.Identity(), shape=(2,)).eval()
    >>> linear = linearise(net, torch.zeros(1, 2), torch.tensor([0]))
    >>> gradients_by_length(linear)[:, 0, 1].tolist()  # 0.5 at the end, along 1, 2 and 1 paths
    [0.5, 0.5, 0.125]
    >>> path_gradients(linear, 1, paths=3, generator=torch.Generator())[:, 0, 1].tolist()
    [0.25, 0.25, 0.25]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from resnet_lib.nets import effects
from resnet_lib.nets.blocks import Block
from resnet_lib.nets.networks import Stack
from resnet_lib.whole import whole

MOST = 14
"""Most blocks whose paths are written out: there are 2**14 = 16,384."""


def counts(depth: SupportsIndex) -> tuple[int, ...]:
    """How many of the 2**depth paths enter 0, 1, ..., depth branches: binomial coefficients.

    Raises:
        ValueError: Where `depth` is negative.
    """
    if (depth := whole("depth", depth)) < 0:
        raise ValueError(f"depth={depth} is a number of blocks, 0 or more")
    return tuple(math.comb(depth, length) for length in range(depth + 1))


def share(depth: SupportsIndex, shortest: SupportsIndex, longest: SupportsIndex) -> float:
    """The fraction of paths that enter at least `shortest` and at most `longest` of `depth` branches."""
    depth, shortest, longest = whole("depth", depth), whole("shortest", shortest), whole("longest", longest)
    return sum(counts(depth)[max(shortest, 0) : max(longest, -1) + 1]) / 2**depth


@dataclass(frozen=True, eq=False)
class Expansion:
    """A stack of blocks as the sum of its paths.

    Attributes:
        terms: What arrives along each path.
        entered: For each path and block, whether the path enters the branch.
        actual: What the blocks compute.
        residual: Norm of `actual` minus the sum of the terms, over that of `actual`; rounding for linear branches.
    """

    terms: Float[Tensor, "paths examples ..."]
    entered: Bool[Tensor, "paths blocks"]
    actual: Float[Tensor, "examples ..."]
    residual: float

    @property
    def lengths(self) -> Int[Tensor, " paths"]:
        """How many branches each path enters."""
        return self.entered.sum(1)


def expand(blocks: Iterable[nn.Module], state: Float[Tensor, "examples ..."]) -> Expansion:
    """Write out all paths of some blocks: every branch is applied to what arrives along each path by itself.

    Args:
        blocks: Blocks with shortcuts, e.g. `stack.blocks`, in evaluation mode.
        state: What the first one reads.

    Raises:
        ValueError: Where there are more than `MOST` blocks, outputs of one hang on the batch or on chance, or a branch
            writes into the state that its shortcut reads.
        TypeError: Where one is no `blocks.Block`.
    """
    blocks = list(blocks)
    if len(blocks) > MOST:
        raise ValueError(f"{len(blocks)} blocks have 2**{len(blocks)} paths; at most {MOST} blocks are written out")
    terms, actual = state[None], state
    named = {f"block {position}": block for position, block in enumerate(blocks)}
    with torch.no_grad(), effects.alone(named, effects.DEPENDS, state.device):
        for position, block in enumerate(blocks):
            block = _checked(block, position)
            flat = terms.flatten(0, 1)
            skip, enter = block.shortcut(flat), effects.apart(block.branch, flat, f"branch {position}")
            past = block.merge(skip, torch.zeros_like(enter))
            through = block.merge(None if skip is None else torch.zeros_like(skip), enter)
            terms = torch.cat([part.unflatten(0, (len(terms), len(state))) for part in (past, through)])
            actual = effects.restoring(block, actual)
    # The paths are in the order of binary numbers whose highest digit is the last block.
    entered = torch.tensor([choice[::-1] for choice in itertools.product((False, True), repeat=len(blocks))])
    error = (actual - terms.sum(0)).norm() / actual.norm()
    return Expansion(terms, entered.reshape(len(terms), len(blocks)), actual, error.item())


@dataclass(frozen=True, eq=False)
class Linearised:
    """The blocks of a network, each replaced by its derivative at the state that it read.

    Attributes:
        steps: For each block its two inputs, that of the shortcut and that of the branch, and its output, with a graph.
        start: Gradient of the loss with respect to the last state.
    """

    steps: tuple[tuple[Tensor, Tensor, Tensor], ...]
    start: Float[Tensor, "examples ..."]

    def back(
        self, block: int, cotangents: Float[Tensor, "paths examples ..."]
    ) -> tuple[Float[Tensor, "paths examples ..."], Float[Tensor, "paths examples ..."]]:
        """The cotangents at a block's output, taken back past it by the shortcut and by the branch."""
        skip, enter, out = self.steps[block]
        pulled = torch.autograd.grad(
            out, (skip, enter), cotangents, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        zeros = torch.zeros(len(cotangents), *skip.shape, dtype=skip.dtype, device=skip.device)
        past, through = (zeros if part is None else part for part in pulled)
        return past, through


def linearise(stack: Stack, x: Float[Tensor, "examples ..."], y: Int[Tensor, " examples"]) -> Linearised:
    """Linearise a network's blocks at some examples; the loss is each example's cross-entropy.

    Args:
        stack: The network, in evaluation mode.
        x: The examples.
        y: Their labels.

    Raises:
        TypeError: Where a block is no `blocks.Block`.
        ValueError: Where outputs hang on the batch or on chance (in training mode, or in a batch normalisation without
            running statistics), a branch writes into the state that its shortcut reads, or `x` has another shape than
            the network takes.
    """
    stack._check(x)
    steps = []
    with torch.enable_grad(), effects.alone({"stack": stack}, effects.DEPENDS, x.device):
        with torch.no_grad():
            state = effects.restoring(stack.stem, x)
        for position, block in enumerate(stack.blocks):
            block = _checked(block, position)
            skip, enter = (state.detach().requires_grad_() for _ in range(2))
            out = block.merge(block.shortcut(skip), effects.apart(block.branch, enter, f"branch {position}"))
            steps.append((skip, enter, out))
            state = out.detach()
        last = state.requires_grad_()
        loss = nn.functional.cross_entropy(stack.head(last), y, reduction="sum")
        (start,) = torch.autograd.grad(loss, last)
    return Linearised(tuple(steps), start)


def gradients_by_length(linearised: Linearised) -> Float[Tensor, "lengths examples ..."]:
    """The gradient at the first state, split exactly: entry k is the sum over all paths that enter k branches.

    No path is written out: going back past a block, what has entered k branches comes from the shortcut of what had k
    and the branch of what had k - 1. The entries add up to the gradient.
    """
    sums = linearised.start[None]
    for block in reversed(range(len(linearised.steps))):
        past, through = linearised.back(block, sums)
        none = torch.zeros_like(past[:1])
        sums = torch.cat([past, none]) + torch.cat([none, through])
    return sums


def path_gradients(
    linearised: Linearised, length: SupportsIndex, paths: SupportsIndex, *, generator: torch.Generator
) -> Float[Tensor, "paths examples ..."]:
    """The gradient that flows to the first state along single paths of one length (veit2016residual, sec. 5).

    Args:
        linearised: Of `linearise`.
        length: How many branches each path enters.
        paths: How many paths are drawn, each with equal chance among those of that length.
        generator: Draws them.

    Raises:
        TypeError: Where `length` or `paths` is no whole number.
        ValueError: Where no path has that length, or `paths` is below 1.
    """
    depth, length, paths = len(linearised.steps), whole("length", length), whole("paths", paths)
    if paths < 1:
        raise ValueError(f"paths={paths} must be at least 1")
    if not 0 <= length <= depth:
        raise ValueError(f"length={length} must lie between 0 and {depth}, the number of blocks")
    ranks = torch.stack([torch.randperm(depth, generator=generator) for _ in range(paths)])
    entered = (ranks < length).to(linearised.start.device)
    flow = linearised.start.expand(paths, *linearised.start.shape)
    for block in reversed(range(depth)):
        past, through = linearised.back(block, flow)
        chosen = entered[:, block].reshape(-1, *[1] * (flow.ndim - 1))
        flow = torch.where(chosen, through, past)
    return flow


def _checked(block: nn.Module, position: int) -> Block:
    if not isinstance(block, Block):
        raise TypeError(f"block {position} is a {type(block).__name__}; paths are those of blocks.Block")
    return block
