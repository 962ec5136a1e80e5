"""Networks and numbers that the tests of bounds share."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.nets import Unit

SEEDS = st.integers(0, 2**32)


INSIDE = Unit(order="inside", norm="none")


ROUNDING = 1 + 1e-9


UNITS = ("inside", "pre", "post", "one-layer", "norm-after", "act-before")


def gaussian(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "test"), dtype=torch.float64)


def with_statistics(module: nn.Module, seed: int) -> nn.Module:
    """In float64 and evaluation mode, with statistics, scales and biases of their own."""
    module = module.double().eval()
    for i, part in enumerate(module.modules()):
        noise = runtime.stream(seed, "norm", i)
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            for name in ("running_mean", "running_var", "weight", "bias"):
                tensor = getattr(part, name)
                drawn = torch.rand(tensor.shape, generator=noise, dtype=torch.float64)
                tensor.data = drawn + 0.5 if name in ("running_var", "weight") else drawn - 0.5
        elif isinstance(part, nn.Linear | nn.Conv2d) and part.bias is not None:
            part.bias.data = torch.randn(part.bias.shape, generator=noise, dtype=torch.float64)
    return module


def jacobian_norm(f: nn.Module, x: Tensor) -> float:
    """Row by row, by torch's older interface."""
    matrix = torch.autograd.functional.jacobian(f, x[None])
    assert isinstance(matrix, Tensor)
    return float(torch.linalg.matrix_norm(matrix.reshape(-1, x.numel()), 2))
