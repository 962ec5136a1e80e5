"""What a machine can do at most, measured, and what a training step asks of it, counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure.clock import seconds


@dataclass(frozen=True)
class Demand:
    """What one training step asks for, an image.

    Attributes:
        operations: Multiplications and additions of convolutions and linear layers, forward and backward.
        traffic: Bytes that the operations read and write, each operation by itself and each tensor once: unfused. An
            operation that goes over its input twice, as a normalisation does, reads more than is counted here.
    """

    operations: float
    traffic: float


class _Traffic(TorchDispatchMode):
    """Adds up the sizes of what operations read and write; a view moves nothing."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            moved = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in moved)
        return out


def demand(net: nn.Module, x: Tensor, y: Tensor, *, bfloat16: bool = False) -> Demand:
    """Count one step of training on these images, forward and backward."""
    flops, traffic = FlopCounterMode(display=False), _Traffic()
    with flops, traffic:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
            outputs = net(x)
        torch.autograd.grad(cross_entropy(outputs.float(), y), list(net.parameters()))
    return Demand(flops.get_total_flops() / len(x), traffic.bytes / len(x))


def matrix(device: torch.device, *, bfloat16: bool = False) -> Callable[[], float]:
    """A measurement of multiplications and additions a second: a product of two square matrices."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = (torch.rand(size, size, device=device, dtype=torch.bfloat16 if bfloat16 else torch.float32) for _ in "ab")
    return lambda: 2 * size**3 / seconds(lambda: a @ b, device)


def memory(device: torch.device) -> Callable[[], float]:
    """A measurement of bytes read and written a second: the copy of a tensor that no cache holds."""
    source = torch.zeros(2**28 if device.type == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    return lambda: 2 * source.numel() * source.element_size() / seconds(lambda: target.copy_(source), device)
