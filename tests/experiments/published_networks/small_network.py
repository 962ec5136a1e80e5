"""A small network walked by hand, for the tests of this chapter."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Block, Stack

SIZE, SEEDS = 4, (0, 2)


def walked(net: Stack, x: Tensor, blocks: Sequence[nn.Module]) -> Tensor:
    with torch.no_grad():
        x = net.stem(x)
        for block in blocks:
            x = block(x)
        return net.head(x)


def parts(net: Stack) -> list[Block]:
    return [block for block in net.blocks if isinstance(block, Block)]


def share(logits: Tensor, y: Tensor) -> float:
    return float((logits.argmax(1) == y).double().mean())


def values(found: Evidence) -> tuple[list[float], list[float]]:
    return np.round(found.values, 9).tolist(), np.round(found.control, 9).tolist()
