"""Networks that are steps of a flow, in float64, and what they read."""

import torch

from resnet_lib import nets, runtime
from resnet_lib.nets import Unit, dynamics

INSIDE = Unit(order="inside", norm="none", alpha=0.25)


def net(unit: Unit = INSIDE, depth: int = 4, seed: int = 0) -> nets.Stack:
    made = nets.mlp(depth, 12, unit=unit, in_features=6, classes=3, generator=runtime.stream(seed, "net"))
    return made.double().eval()


def tied(depth: int = 4, alpha: float = 0.25) -> nets.Stack:
    like = net(Unit(order="inside", norm="none", alpha=alpha), depth=1)
    return nets.Stack(like.stem, [dynamics.Repeat(like.blocks[0], depth)], like.head, shape=like.shape)


X = torch.randn(5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
