"""A lesion is a network that shares the blocks of another: without some, in another order, scaled, or with more.

A lesioned network is an ordinary `nets.Stack` around the same modules: what it was made from stays as it is,
and both have the same parameters and the same mode. So whatever measures a network measures a lesioned one, and what
two networks share is computed once (`lesion_scores`).

Example:
    >>> from resnet_lib import nets
    >>> draw = torch.Generator().manual_seed(0)
    >>> net = nets.mlp(3, 4, generator=draw)
    >>> shapes(net), removable(net), list(singles(net))
    (((4,), (4,), (4,), (4,)), (0, 1, 2), [0, 1, 2])
    >>> delete(net, 1).blocks[1] is net.blocks[2], reorder(net, (2, 1, 0)).blocks[0] is net.blocks[2]
    (True, True)
    >>> deletions(net, 2, limit=10, generator=draw)
    [(0, 1), (0, 2), (1, 2)]
    >>> kendall_tau((2, 1, 0)), sorted(shuffle(net, 5, generator=draw)), scale(net, {1: 0.5}).blocks[1].merge.factor
    (-1.0, [0, 1, 2], 0.5)
"""

from __future__ import annotations

import copy
import itertools
import math
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import SupportsIndex

import numpy as np
import torch
from torch import nn

from resnet_lib.nets.blocks import Block
from resnet_lib.nets.merges import Times
from resnet_lib.nets.networks import Stack
from resnet_lib.whole import Wholes, whole, wholes

PROBE = 32
"""Height and width of the image that tells shapes where the network takes any."""

Shape = tuple[int, ...]

_shapes: weakref.WeakKeyDictionary[Stack, tuple[tuple[nn.Module, ...], tuple[Shape, ...]]] = weakref.WeakKeyDictionary()


def shapes(stack: Stack) -> tuple[Shape, ...]:
    """The shape of the state that each block reads, and of the last state, for one example.

    Found by sending zeros through a copy, once for a network; images are 32 x 32 where the network takes any size.

    Args:
        stack: The network.

    Raises:
        ValueError: Where the blocks do not fit together.
    """
    parts = (stack.stem, *stack.blocks)  # held, so that no other module gets the identity of one
    known = _shapes.get(stack)
    if known is None or len(known[0]) != len(parts) or any(a is not b for a, b in zip(known[0], parts, strict=True)):
        _shapes[stack] = known = parts, _probed(stack)
    return known[1]


def _probed(stack: Stack) -> tuple[Shape, ...]:
    probe = copy.deepcopy(stack).eval()
    first = next(probe.parameters(), torch.zeros(()))
    x = torch.zeros(1, *(size or PROBE for size in stack.shape), dtype=first.dtype, device=first.device)
    with torch.no_grad():
        state = probe.stem(x)
        found = [tuple(state.shape[1:])]
        for position, block in enumerate(probe.blocks):
            try:
                state = block(state)
            except RuntimeError as error:
                raise ValueError(
                    f"block {position} cannot read the state of shape {found[-1]} that it gets ({error}); "
                    "a block fits where the shapes of `lesion.shapes` agree"
                ) from error
            found.append(tuple(state.shape[1:]))
    return tuple(found)


def removable(stack: Stack) -> tuple[int, ...]:
    """Positions of the blocks that keep the shape of the state, so that the network works without them."""
    sizes = shapes(stack)
    return tuple(i for i in range(len(stack.blocks)) if sizes[i] == sizes[i + 1])


def delete(stack: Stack, blocks: Wholes) -> Stack:
    """The network without some blocks: the state passes in their place as it is.

    For a residual block with an identity shortcut this removes the branch, for the original unit too, whose state is
    not negative and so not changed by the ReLU behind the addition. A plain block is removed altogether.

    Args:
        stack: The network; it is not changed.
        blocks: One position or several, counted from 0: `int`, or numbers of NumPy or torch.

    Returns:
        A network of the same modules.

    Raises:
        TypeError: Where a position is no whole number, e.g. where a mask is given.
        ValueError: Where a position is no block's or given twice, or that block changes the shape of the state.
    """
    gone = _positions(stack, blocks)
    sizes = shapes(stack)
    for i in sorted(gone):
        if sizes[i] != sizes[i + 1]:
            left = removable(stack)
            others = f"delete one of {list(left)}" if left else "no block of this network can be deleted"
            raise ValueError(
                f"block {i} maps shape {sizes[i]} to {sizes[i + 1]}, so the state cannot pass in its place; {others}, "
                f"take out its branch alone with scale(stack, {{{i}: 0.0}}), or put another block there with "
                f"splice(stack, {i}, [block], remove=1)"
            )
    if len(gone) == len(stack.blocks):
        raise ValueError(f"blocks={sorted(gone)} are all blocks of this network; leave at least one")
    return _with(stack, [block for i, block in enumerate(stack.blocks) if i not in gone])


def singles(stack: Stack) -> dict[int, Stack]:
    """Every network that lacks one block, by that block's position; blocks that change the shape are not among them.

    Raises:
        ValueError: Where no block can be deleted.
    """
    positions = removable(stack)
    if not positions or len(stack.blocks) == 1:
        raise ValueError(
            f"none of the {len(stack.blocks)} blocks can be deleted: the shapes along this network are "
            f"{list(shapes(stack))}; use scale(stack, {{position: 0.0}}) to take out the branches alone"
        )
    return {i: delete(stack, i) for i in positions}


def deletions(
    stack: Stack, count: SupportsIndex, limit: SupportsIndex, *, generator: torch.Generator
) -> list[tuple[int, ...]]:
    """Sets of `count` removable blocks: all of them where there are at most `limit`, else as many different ones.

    Args:
        stack: The network.
        count: Blocks in a set.
        limit: Most sets to return; they are drawn with equal chances, without repetition.
        generator: Draws them.

    Raises:
        TypeError: Where `count` or `limit` is no whole number.
        ValueError: Where the network has fewer removable blocks than `count`, or `limit` is below 1.
    """
    positions, count, limit = removable(stack), whole("count", count), whole("limit", limit)
    if limit < 1:
        raise ValueError(f"limit={limit} must be at least 1")
    if not 0 <= count <= len(positions):
        raise ValueError(f"count={count} must lie between 0 and {len(positions)}, the removable blocks {positions}")
    if math.comb(len(positions), count) <= limit:
        return list(itertools.combinations(positions, count))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < limit:
        chosen = torch.randperm(len(positions), generator=generator)[:count].tolist()
        found[tuple(sorted(positions[i] for i in chosen))] = None
    return list(found)


def reorder(stack: Stack, order: Iterable[SupportsIndex]) -> Stack:
    """The network with its blocks in another order.

    Args:
        stack: The network; it is not changed.
        order: The position that each place takes its block from: every position once.

    Raises:
        TypeError: Where a position is no whole number.
        ValueError: Where `order` is no permutation, or a block would read a state of another shape.
    """
    order = wholes("order", order)
    if sorted(order) != list(range(len(stack.blocks))):
        raise ValueError(f"order={order} must hold each of 0 to {len(stack.blocks) - 1} once")
    sizes = shapes(stack)
    for place, i in enumerate(order):
        if (sizes[i], sizes[i + 1]) != (sizes[place], sizes[place + 1]):
            raise ValueError(
                f"order={order} puts block {i}, which maps {sizes[i]} to {sizes[i + 1]}, in the place of block "
                f"{place}, which maps {sizes[place]} to {sizes[place + 1]}; exchange blocks of equal shapes, as "
                "shuffle(stack, ...) does"
            )
    return _with(stack, [stack.blocks[i] for i in order])


def swap(stack: Stack, i: SupportsIndex, j: SupportsIndex) -> Stack:
    """The network with two blocks exchanged.

    Raises:
        TypeError: As `reorder` does.
        ValueError: Where `i` and `j` are one block; else as `reorder` does.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(3, 4, generator=torch.Generator().manual_seed(0))
        >>> swap(net, 0, 2).blocks[0] is net.blocks[2]
        True
    """
    i, j = whole("i", i), whole("j", j)
    if i == j:
        raise ValueError(f"i={i} and j={j} are one block, so that nothing would be exchanged; name two")
    _positions(stack, (i, j))
    order = list(range(len(stack.blocks)))
    order[i], order[j] = j, i
    return reorder(stack, order)


def shuffle(stack: Stack, swaps: SupportsIndex, *, generator: torch.Generator) -> tuple[int, ...]:
    """An order after `swaps` exchanges of two random blocks of equal shapes (veit2016residual, sec. 4.3).

    Args:
        stack: The network.
        swaps: How many exchanges; a later one may undo an earlier one.
        generator: Draws the blocks.

    Raises:
        TypeError: Where `swaps` is no whole number.
        ValueError: Where no two blocks have equal shapes, or `swaps` is negative.
    """
    if (swaps := whole("swaps", swaps)) < 0:
        raise ValueError(f"swaps={swaps} must be 0 or more")
    sizes = shapes(stack)
    kinds = [(sizes[i], sizes[i + 1]) for i in range(len(stack.blocks))]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(kinds)), 2) if kinds[i] == kinds[j]]
    if not pairs and swaps:
        raise ValueError(f"no two of the {len(kinds)} blocks map equal shapes, so none can be exchanged: {kinds}")
    order = list(range(len(kinds)))
    for _ in range(swaps):
        i, j = pairs[int(torch.randint(len(pairs), (), generator=generator))]
        order[i], order[j] = order[j], order[i]
    return tuple(order)


def kendall_tau(order: Iterable[SupportsIndex]) -> float:
    """Kendall's rank correlation of an order with the sorted one: 1 where it is sorted, -1 where it is reversed.

    Raises:
        TypeError: Where an entry is no whole number.
        ValueError: Where there are fewer than two places, or equal entries.
    """
    order = wholes("order", order)
    places = np.asarray(order)
    if places.size < 2 or len(set(order)) < places.size:
        raise ValueError(f"order={order} must hold at least two different numbers, each once")
    upper = np.triu(np.sign(places[None, :] - places[:, None]), 1)
    return float(upper.sum() / math.comb(places.size, 2))


def scale(stack: Stack, factors: Mapping[SupportsIndex, float]) -> Stack:
    """The network with some branches multiplied by a number; 0 leaves the shortcut alone, whatever the shapes.

    Args:
        stack: The network; it is not changed.
        factors: From positions to factors.

    Raises:
        ValueError: Where a position is no block's, or a factor is not finite.
        TypeError: Where such a block is no `blocks.Block`, and so has no branch; or a position is no whole number.
    """
    positions = wholes("factors", factors)
    _positions(stack, positions)
    modules = list(stack.blocks)
    for i, factor in zip(positions, map(float, factors.values()), strict=True):
        block = modules[i]
        if not isinstance(block, Block):
            raise TypeError(f"block {i} is a {type(block).__name__} and has no branch; scale takes a blocks.Block")
        if not math.isfinite(factor):
            raise ValueError(f"factors[{i}]={factor} must be finite")
        modules[i] = made = Block(block.branch, block.shortcut, Times(block.merge, factor))
        made.training = made.merge.training = block.training  # and no mode of what is the network's own
    return _with(stack, modules)


def splice(stack: Stack, at: SupportsIndex, new: Sequence[nn.Module] = (), *, remove: SupportsIndex = 0) -> Stack:
    """The network with `remove` blocks from position `at` on replaced by `new` ones, e.g. another network's.

    Args:
        stack: The network; it is not changed.
        at: Position of the first new block; the number of blocks appends.
        new: Modules that map states to states.
        remove: How many blocks make way.

    Raises:
        TypeError: Where `at` or `remove` is no whole number.
        ValueError: Where there are no such positions, or the shapes do not fit together.
    """
    at, remove, count = whole("at", at), whole("remove", remove), len(stack.blocks)
    if not (0 <= at <= count and 0 <= remove <= count - at):
        raise ValueError(f"at={at}, remove={remove}: this network has blocks 0 to {count - 1}; at may be {count}")
    modules = list(stack.blocks)
    result = _with(stack, [*modules[:at], *new, *modules[at + remove :]])
    if shapes(result)[-1] != shapes(stack)[-1]:
        raise ValueError(
            f"with these blocks the last state has shape {shapes(result)[-1]}; the head reads {shapes(stack)[-1]}"
        )
    return result


def _with(stack: Stack, modules: Sequence[nn.Module]) -> Stack:
    made = Stack(stack.stem, modules, stack.head, shape=stack.shape)
    made.training = made.blocks.training = stack.training  # of the containers: the modules are the network's own
    return made


def _positions(stack: Stack, positions: Wholes) -> set[int]:
    count, given = len(stack.blocks), wholes("blocks", positions)
    for i in given:
        if not 0 <= i < count:
            raise ValueError(f"block {i} does not exist; this network has blocks 0 to {count - 1}")
    if len(set(given)) < len(given):
        raise ValueError(f"blocks={given} names a block twice")
    return set(given)
