"""Networks and numbers that the tests of bounds share."""

import math

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.analysis import lipschitz
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


def drawn(module: nn.Module, seed: int) -> nn.Module:
    """In float64 and evaluation mode, with numbers of its own in all parameters and running statistics."""
    module = module.double().eval()
    for i, (name, tensor) in enumerate([*module.named_parameters(), *module.named_buffers()]):
        if tensor.is_floating_point():
            values = gaussian(seed + i, *tensor.shape)
            tensor.data = 0.1 + values.square() if name.endswith("running_var") else values
    return module


@torch.no_grad()
def reached(f: nn.Module, shape: tuple[int, ...], seed: int) -> float:
    """The largest stretch of pairs far apart, close by and that differ in one number; of a linear map, its norm."""
    x, y = gaussian(seed, 30, *shape), gaussian(seed + 1, 30, *shape)
    count = math.prod(shape)
    unit = torch.eye(count, dtype=torch.float64).reshape(count, *shape)
    pairs = [(x, y), (x, x + 1e-4 * y), (0 * unit, unit), (x[:1] + 0 * unit, x[:1] + 0.1 * unit)]
    found = max(lipschitz.stretch(f, a, b).max().item() for a, b in pairs)
    columns = (f(unit) - f(0 * unit)).flatten(1)
    both = (f(x) - f(0 * x)).flatten(1)
    linear = torch.allclose(both, x.flatten(1) @ columns, rtol=1e-9, atol=1e-12)
    return max(found, float(torch.linalg.matrix_norm(columns, 2))) if linear else found
