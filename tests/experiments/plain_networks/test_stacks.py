"""Scaled branches and shrunken weights, against the formula of one block."""

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib import runtime
from resnet_lib.experiments.plain_networks import stacks
from resnet_lib.nets import Block


def test_scaled_branches_and_shrunken_weights_by_hand() -> None:
    x = torch.randn(5, 12, generator=runtime.stream(0, "x"), dtype=torch.float64)
    out = {}
    for variant in stacks.VARIANTS:
        net = stacks.mlp(variant, 4, 12, generator=runtime.stream(1, "net")).double()
        out[variant] = net.blocks[0](x).detach().numpy()
    net = stacks.mlp("bare", 4, 12, generator=runtime.stream(1, "net")).double()
    block = net.blocks[0]
    assert isinstance(block, Block)
    one, two = (layer.weight.detach().numpy() for layer in block.branch.modules() if isinstance(layer, nn.Linear))
    branch = np.maximum(np.maximum(x.numpy(), 0) @ one.T, 0) @ two.T
    np.testing.assert_allclose(out["bare"], x.numpy() + branch)
    np.testing.assert_allclose(out["scaled"], x.numpy() + branch / 2)
    np.testing.assert_allclose(out["plain-bare"], branch)
    np.testing.assert_allclose(out["plain-scaled"], branch / 2)
    with pytest.raises(ValueError, match="variant='plain' is unknown; known: norm, scaled"):
        stacks.recipe("plain", 4)
