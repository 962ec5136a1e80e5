"""Many lesioned networks on the same examples, at the cost of what differs between them. Makes no lesions.

Networks that begin with the same modules share that part of the computation, whichever lesions made them: all single
deletions together cost half of what they cost one by one. A state is computed from the same batch by the same calls as
in the network by itself, so the outputs are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from resnet_lib.nets import effects
from resnet_lib.nets.networks import Stack
from resnet_lib.whole import whole

AT_ONCE = 256
"""Examples in one call: bounds the memory of the states."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What networks make of the same examples.

    Attributes:
        values: For each network and example, the logits, or the last state.
        calls: How many blocks were computed, times the number of batches.
        alone: How many it had been with one network after the other.
    """

    values: Float[Tensor, "networks examples ..."]
    calls: int
    alone: int


@dataclass(frozen=True, eq=False)
class Scores:
    """How many examples networks label rightly.

    Attributes:
        hits: For each network, how many.
        examples: Of how many.
        calls: As in `Outputs`.
        alone: As in `Outputs`.
    """

    hits: Int[Tensor, " networks"]
    examples: int
    calls: int
    alone: int

    @property
    def accuracy(self) -> Float[Tensor, " networks"]:
        """Fraction of right labels, for each network, in float64."""
        return self.hits.double() / self.examples


def outputs(
    networks: Sequence[Stack], x: Float[Tensor, "examples ..."], *, head: bool = True, at_once: SupportsIndex = AT_ONCE
) -> Outputs:
    """The logits of every network, or its last state, without a graph.

    Args:
        networks: Lesions of one network, in evaluation mode.
        x: The examples.
        head: Whether to apply the head; otherwise the values are what it reads.
        at_once: Examples in one call.

    Raises:
        ValueError: Where there is no network or no example, outputs of one hang on the batch (in training mode, or in a
            batch normalisation without running statistics), or an example has another shape than they take.
    """
    pieces, calls = [], 0
    with _batches(networks, x, at_once) as batches:
        for batch in batches:
            results: list[Tensor] = [batch] * len(networks)
            for members, state, computed in _walk(networks, batch):
                value = effects.restoring(networks[members[0]].head, state) if head else state
                for i in members:
                    results[i] = value
                calls += computed
            pieces.append(torch.stack(results))
    alone = sum(len(network.blocks) for network in networks) * len(pieces)
    return Outputs(torch.cat(pieces, dim=1), calls, alone)


def score(
    networks: Sequence[Stack],
    x: Float[Tensor, "examples ..."],
    y: Int[Tensor, " examples"],
    *,
    at_once: SupportsIndex = AT_ONCE,
) -> Scores:
    """How many examples every network labels rightly; keeps no logits, so thousands of networks are no burden.

    Logits with NaN label nothing: such an example is none of the hits, whatever its label.

    Args:
        networks: Lesions of one network, in evaluation mode.
        x: The examples.
        y: Their labels.
        at_once: Examples in one call.

    Raises:
        ValueError: Where `x` and `y` have not as many examples; else as `outputs` does.
    """
    if y.shape != x.shape[:1]:
        raise ValueError(f"y has shape {tuple(y.shape)}; expected ({len(x)},), a label for each example of x")
    hits = torch.zeros(len(networks), dtype=torch.long, device=x.device)
    calls = start = 0
    with _batches(networks, x, at_once) as batches:
        for batch in batches:
            labels = y[start : start + len(batch)]
            start += len(batch)
            for members, state, computed in _walk(networks, batch):
                logits = effects.restoring(networks[members[0]].head, state)
                hits[members] += ((logits.argmax(1) == labels) & ~logits.isnan().any(1)).sum()
                calls += computed
    alone = sum(len(network.blocks) for network in networks) * len(batches)
    return Scores(hits, len(x), calls, alone)


@contextmanager
def _batches(networks: Sequence[Stack], x: Tensor, at_once: SupportsIndex) -> Iterator[Sequence[Tensor]]:
    """The examples in pieces, for networks that treat each example on its own and stay as they are; without a graph."""
    if not networks:
        raise ValueError("networks is empty; give at least one, e.g. [stack, *lesion.singles(stack).values()]")
    if (at_once := whole("at_once", at_once)) < 1 or not len(x):
        raise ValueError(f"at_once={at_once} of {len(x)} examples; give at least one of each")
    networks[0]._check(x)
    parts = dict.fromkeys(part for network in networks for part in (network.stem, *network.blocks, network.head))
    named = {f"part {i} of the networks": part for i, part in enumerate(parts)}
    with torch.no_grad(), effects.alone(named, effects.DEPENDS, x.device):
        yield x.split(at_once)


def _walk(networks: Sequence[Stack], x: Tensor) -> Iterator[tuple[list[int], Tensor, int]]:
    """Every group of equal networks, with its last state and the number of blocks computed since the group before.

    Depth first, the smaller branch first: what waits is a few states, however many networks there are.
    """
    paths = [list(network.blocks) for network in networks]
    computed = 0
    waiting: list[tuple[list[int], int, nn.Module, Tensor]] = []
    for members in _by(range(len(networks)), [network.stem for network in networks]):
        waiting.append((members, 0, networks[members[0]].stem, x))
    while waiting:
        members, depth, module, state = waiting.pop()
        state = effects.restoring(module, state)  # others read it too
        computed += depth > 0
        ended = [i for i in members if len(paths[i]) == depth]
        for group in _by(ended, [networks[i].head for i in ended]):
            yield group, state, computed
            computed = 0
        going = [i for i in members if len(paths[i]) > depth]
        groups = _by(going, [paths[i][depth] for i in going])
        for group in sorted(groups, key=len, reverse=True):
            waiting.append((group, depth + 1, paths[group[0]][depth], state))


def _by(members: Sequence[int], modules: Sequence[nn.Module]) -> list[list[int]]:
    """The members in groups that have the same module."""
    groups: dict[int, list[int]] = {}
    for member, module in zip(members, modules, strict=True):
        groups.setdefault(id(module), []).append(member)
    return list(groups.values())
