"""What is measured of a network that may be a flow: other steps, no steps, other orders, distances and directions.

Nothing here knows how a network was made or trained.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor, nn

from resnet_lib import data, nets, ode, runtime
from resnet_lib.analysis import alignment, flow

SUBSTEPS = (1, 2, 4, 8, 16)
FINEST = 64
RULE = 8  # sub-steps, in claims.yml
EXAMPLES = 200  # test images at which states are compared
ORDERS = 5  # random orders of the blocks


@torch.no_grad()
def accuracy(net: nn.Module, part: data.Split) -> float:
    """Fraction of examples that are labelled rightly; 0 where a step blows up, for it labels nothing."""
    hits = 0
    for x, y in zip(part.x.split(1000), part.y.split(1000), strict=True):
        try:
            hits += int((net(x).argmax(1) == y).sum())
        except ode.BlowUp:
            return 0.0
    return hits / len(part)


@torch.no_grad()
def distance(net: nets.Stack, x: Tensor) -> float:
    """Distance of the last states of a network and of its flow, relative to the flow's; mean over the examples."""
    end = net.states(x)[-1].flatten(1)
    try:
        exact = flow.refine(net, FINEST).states(x)[-1].flatten(1)
    except ode.BlowUp:
        return math.inf
    return float(((end - exact).norm(dim=1) / exact.norm(dim=1)).mean())


def without(net: nets.Stack) -> nets.Stack:
    """The network without any block that keeps the shape; the weights are shared."""
    kept = [block for block in flow.layers(net) if not flow.steps(block)]
    return nets.Stack(net.stem, kept, net.head, shape=net.shape)


def shuffled(net: nets.Stack, nth: int) -> nets.Stack:
    """The network with its blocks in a random order, those between two changes of the shape among themselves."""
    generator, blocks = runtime.stream(0, "order", nth), []
    for _, part in groupby(flow.layers(net), key=flow.steps):
        run = list(part)
        blocks += [run[i] for i in torch.randperm(len(run), generator=generator).tolist()]
    return nets.Stack(net.stem, blocks, net.head, shape=net.shape)


def _refined(k: int) -> Callable[[nets.Stack, data.Dataset], float]:
    return lambda net, samples: accuracy(flow.refine(net, k), samples.test)


@lru_cache(maxsize=1)
@torch.no_grad()
def _followed(net: nets.Stack, samples: data.Dataset) -> dict[tuple[str, int], float]:
    """What takes the flow's last states, which cost more than all else: they are computed once for a network."""
    x, y = samples.test.x, samples.test.y
    ways = {("distance", FINEST): net, ("distance-substeps", RULE): flow.refine(net, RULE)}
    ways["distance-rk4", 1] = flow.refine(net, 1, method="rk4")
    try:
        exact = flow.refine(net, FINEST).states(x)[-1]
    except ode.BlowUp:
        return {("flow", FINEST): 0.0, **dict.fromkeys(ways, math.inf)}
    found = {("flow", FINEST): float((net.head(exact).argmax(1) == y).double().mean())}
    exact = exact[:EXAMPLES].flatten(1)
    for name, way in ways.items():
        try:
            end = way.states(x[:EXAMPLES])[-1].flatten(1)
            found[name] = float(((end - exact).norm(dim=1) / exact.norm(dim=1)).mean())
        except ode.BlowUp:
            found[name] = math.inf
    return found


def _shuffled(net: nets.Stack, samples: data.Dataset) -> float:
    return sum(accuracy(shuffled(net, nth), samples.test) for nth in range(ORDERS)) / ORDERS


MEASURES: dict[tuple[str, int], Callable[[nets.Stack, data.Dataset], float]] = {
    **{("substeps", k): _refined(k) for k in SUBSTEPS},
    ("rk4", 1): lambda net, samples: accuracy(flow.refine(net, 1, method="rk4"), samples.test),
    ("interpolated", 2): lambda net, samples: accuracy(flow.interpolate(net, 2), samples.test),
    ("longer", RULE): lambda net, samples: accuracy(flow.refine(net, RULE, time=RULE), samples.test),
    ("without", 1): lambda net, samples: accuracy(without(net), samples.test),
    ("shuffled", 1): _shuffled,
    ("roughness", 1): lambda net, samples: flow.roughness(net),
    ("alignment", 1): lambda net, samples: alignment.alignment(net, samples.test.x[:EXAMPLES]),
    ("path", 1): lambda net, samples: flow.path(net, samples.test.x[:EXAMPLES]).length,
    ("flow", FINEST): lambda net, samples: _followed(net, samples)["flow", FINEST],
    ("distance", FINEST): lambda net, samples: _followed(net, samples)["distance", FINEST],
    ("distance-substeps", RULE): lambda net, samples: _followed(net, samples)["distance-substeps", RULE],
    ("distance-rk4", 1): lambda net, samples: _followed(net, samples)["distance-rk4", 1],
    ("validation", 1): lambda net, samples: accuracy(net, samples.validation),
}
"""What is measured of a trained network, by name and number of sub-steps."""

STARTS: dict[tuple[str, int], Callable[[nets.Stack, data.Dataset], float]] = {
    ("alignment", 1): MEASURES["alignment", 1],
    ("path", 1): MEASURES["path", 1],
    ("distance", FINEST): lambda net, samples: distance(net, samples.test.x[:EXAMPLES]),
}
"""What is measured of a network before training."""
