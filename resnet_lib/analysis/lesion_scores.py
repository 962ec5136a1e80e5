"""Many lesioned networks are evaluated here on the same examples, at the cost of what differs between them.

Networks that begin with the same modules share that part of the computation, whichever lesions made them: all single
deletions together cost half of what they cost one by one. A state is computed from the same batch by the same calls as
in the network by itself, so the outputs are the same, bit for bit.

Example:
    >>> from resnet_lib import nets
    >>> from resnet_lib.analysis import lesion
    >>> net = nets.mlp(3, 4, generator=torch.Generator().manual_seed(0)).eval()
    >>> networks, x = [net, *lesion.singles(net).values()], torch.ones(5, 64)
    >>> found = outputs(networks, x)
    >>> tuple(found.values.shape), found.calls, found.alone
    ((4, 5, 10), 6, 9)
    >>> score(networks, x, found.values[0].argmax(1)).accuracy[0].item()
    1.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import SupportsIndex, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from resnet_lib.analysis import statistics
from resnet_lib.nets import effects
from resnet_lib.nets.networks import Stack
from resnet_lib.whole import whole

AT_ONCE = 256
"""Examples in one call: bounds the memory of the states."""

State = TypeVar("State")
Estimated = tuple[Tensor, Tensor]
"""The states of the examples that statistics are estimated on, and of those that are measured."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of networks on the same examples.

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
    """The numbers of examples that networks label rightly.

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
    networks: Sequence[Stack],
    x: Float[Tensor, "examples ..."],
    *,
    head: bool = True,
    anew: Float[Tensor, "others ..."] | None = None,
    at_once: SupportsIndex = AT_ONCE,
) -> Outputs:
    """The logits of every network, or its last state, without a graph.

    Args:
        networks: Lesions of one network, in evaluation mode.
        x: The examples.
        head: Whether to apply the head; otherwise the values are what it reads.
        anew: Examples on which the running statistics of every network's batch normalisations are estimated anew, all
            in one call, e.g. the training images, and at each place that a module has; by default the statistics are
            those that the modules have.
        at_once: Examples in one call.

    Raises:
        ValueError: Where there is no network or no example, outputs of one hang on the batch (in training mode, or in a
            batch normalisation without running statistics), an example has another shape than they take, or `anew`
            has fewer than two.
    """
    pieces, calls = [], 0
    with _batches(networks, x, anew, at_once) as batches:
        for batch in batches:
            results: list[Tensor] = [batch] * len(networks)
            for members, value, computed in _values(networks, batch, anew, head=head):
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
    anew: Float[Tensor, "others ..."] | None = None,
    at_once: SupportsIndex = AT_ONCE,
) -> Scores:
    """How many examples every network labels rightly; keeps no logits, so thousands of networks are no burden.

    Logits with NaN label nothing: such an example is none of the hits, whatever its label.

    Args:
        networks: Lesions of one network, in evaluation mode.
        x: The examples.
        y: Their labels.
        anew: As in `outputs`.
        at_once: Examples in one call.

    Raises:
        ValueError: Where `x` and `y` have not as many examples; else as `outputs` does.
    """
    if y.shape != x.shape[:1]:
        raise ValueError(f"y has shape {tuple(y.shape)}; expected ({len(x)},), a label for each example of x")
    hits = torch.zeros(len(networks), dtype=torch.long, device=x.device)
    calls = start = 0
    with _batches(networks, x, anew, at_once) as batches:
        for batch in batches:
            labels = y[start : start + len(batch)]
            start += len(batch)
            for members, logits, computed in _values(networks, batch, anew, head=True):
                hits[members] += ((logits.argmax(1) == labels) & ~logits.isnan().any(1)).sum()
                calls += computed
    alone = sum(len(network.blocks) for network in networks) * len(batches)
    return Scores(hits, len(x), calls, alone)


@contextmanager
def _batches(
    networks: Sequence[Stack], x: Tensor, anew: Tensor | None, at_once: SupportsIndex
) -> Iterator[Sequence[Tensor]]:
    """The examples in pieces, for networks that treat each example on its own and stay as they are; without a graph."""
    if not networks:
        raise ValueError("networks is empty; give at least one, e.g. [stack, *lesion.singles(stack).values()]")
    if (at_once := whole("at_once", at_once)) < 1 or not len(x):
        raise ValueError(f"at_once={at_once} of {len(x)} examples; give at least one of each")
    for examples in (x,) if anew is None else (x, anew):
        networks[0]._check(examples)
    parts = dict.fromkeys(part for network in networks for part in (network.stem, *network.blocks, network.head))
    named = {f"part {i} of the networks": part for i, part in enumerate(parts)}
    with torch.no_grad():
        if anew is None:
            with effects.alone(named, effects.DEPENDS, x.device):
                yield x.split(at_once)
        else:
            statistics.check(anew)
            for name, part in named.items():
                effects.check(part, effects.DEPENDS, name=name)
            with effects.unchanged(*parts, device=x.device):
                yield x.split(max(at_once, len(anew)))  # as many fit at once in any case


def _values(
    networks: Sequence[Stack], x: Tensor, anew: Tensor | None, *, head: bool
) -> Iterator[tuple[list[int], Tensor, int]]:
    """Every group of equal networks, with its logits or last state and the blocks computed since the group before."""
    if anew is None:
        walked = _walk(networks, x, effects.restoring, head=head)
    else:
        groups = _walk(networks, (anew, x), _estimated, head=head)
        walked = ((members, state[1], computed) for members, state, computed in groups)
    yield from walked


def _estimated(module: nn.Module, state: Estimated) -> Estimated:
    """One module's step: its statistics are estimated on the first of two states, and used for the second."""
    with statistics.estimating(module):
        others = effects.restoring(module, state[0])
    return others, effects.restoring(module, state[1])


def _walk(
    networks: Sequence[Stack], x: State, step: Callable[[nn.Module, State], State], *, head: bool
) -> Iterator[tuple[list[int], State, int]]:
    """Every group of equal networks, with what it makes of `x` and the blocks computed since the group before.

    Depth first, the smaller branch first: what waits is a few states, however many networks there are.
    """
    paths = [list(network.blocks) for network in networks]
    computed = 0
    waiting: list[tuple[list[int], int, nn.Module, State]] = []
    for members in _by(range(len(networks)), [network.stem for network in networks]):
        waiting.append((members, 0, networks[members[0]].stem, x))
    while waiting:
        members, depth, module, state = waiting.pop()
        state = step(module, state)  # which leaves the state before as it was: others read it too
        computed += depth > 0
        ended = [i for i in members if len(paths[i]) == depth]
        for group in _by(ended, [networks[i].head for i in ended]):
            yield group, step(networks[group[0]].head, state) if head else state, computed
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
