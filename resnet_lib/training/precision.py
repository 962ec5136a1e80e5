"""A network that computes in bfloat16, while its weights and what comes out stay in float32. It trains nothing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Bfloat16(nn.Module):
    """`net(x)` under autocast: convolutions and matrix products in bfloat16, sums of a normalisation in float32.

    A processor with AVX512-BF16 or AMX trains a ResNet for CIFAR-10 one and a half times as fast so; another computes
    the same numbers slowly. For a GPU there is `Policy(bfloat16=True)`, which needs no wrapper.

    Args:
        net: The network. Its parameters keep their precision.

    Example:
        >>> wrapped = Bfloat16(nn.Linear(2, 2))
        >>> _ = nn.init.constant_(wrapped.net.weight, 1 / 3), nn.init.zeros_(wrapped.net.bias)
        >>> wrapped(torch.ones(1, 2)).dtype, wrapped(torch.ones(1, 2))[0, 0].item()
        (torch.float32, 0.66796875)
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n classes"]:
        """What the network makes of `x`, in float32."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.net(x).float()
