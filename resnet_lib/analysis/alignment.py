"""How alike the fields of neighbouring blocks are is measured here, at the states of a network and not by its weights.

A permutation of hidden units changes a block's weights and not its field.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from resnet_lib.analysis import flow
from resnet_lib.nets.networks import Stack


@torch.no_grad()
def alignment(stack: Stack, x: Tensor) -> float:
    """Cosine of what neighbouring blocks add to one state, `F_l(x_l)` and `F_(l+1)(x_l)`; mean of blocks and examples.

    Near 1 where the field changes little from block to block, 1 where the weights do not depend on depth, 0 where a
    branch is zero.

    Raises:
        ValueError: Where no two neighbours are steps.

    Example:
        >>> from torch import nn
        >>> from resnet_lib.nets.dynamics import euler_block
        >>> blocks = [euler_block(nn.Identity(), size) for size in (0.5, 0.1)]
        >>> round(alignment(Stack(nn.Identity(), blocks, nn.Identity(), shape=(2,)).eval(), torch.ones(4, 2)), 6)
        1.0
    """
    blocks = flow.layers(stack)
    pairs = [
        (i, left, right) for i, (left, right) in enumerate(pairwise(blocks)) if flow.steps(left) and flow.steps(right)
    ]
    if not pairs:
        raise ValueError("no two neighbouring blocks are of the form x + a F(x); alignment compares neighbours")
    states = Stack(stack.stem, blocks, stack.head, shape=stack.shape).states(x)
    found = []
    for i, left, right in pairs:
        ahead, behind = (flow.field(block)(0.0, states[i]).flatten(1) for block in (left, right))
        found.append(nn.functional.cosine_similarity(ahead, behind).mean())
    return float(torch.stack(found).mean())
