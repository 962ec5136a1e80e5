"""What a module costs: parameters, multiply-adds, activations kept for the backward pass, time. Knows no experiment."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


@dataclass(frozen=True)
class Cost:
    """Counts for one example.

    Attributes:
        parameters: Numbers that are learned.
        multiply_adds: Of convolutions and linear layers, as he2016deep counts "FLOPs": a multiplication with its
            addition is one.
        saved: Numbers that the forward pass keeps for the backward pass, parameters aside; a tensor that is kept twice
            counts once.
    """

    parameters: int
    multiply_adds: int
    saved: int


def count(module: nn.Module, shape: tuple[int, ...], *, batch: int = 2) -> Cost:
    """The costs of a module for one example of that shape.

    Args:
        module: In training mode its normalisations keep what they need for it.
        shape: Of one example, e.g. (3, 32, 32).
        batch: Examples in the pass that is counted; a multiple of what one costs, but for what does not depend on it.

    Raises:
        ValueError: Where `batch` is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch={batch} must be at least 1; 2 lets batch normalisation run")
    tally = 0

    def add(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal tally
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        tally += output.numel() * (layer.weight[0].numel())

    weights = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in weights]
    own = {parameter.untyped_storage().data_ptr() for parameter in [*module.parameters(), *module.buffers()]}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    first = next(module.parameters(), torch.zeros(()))
    x = torch.ones(batch, *shape, dtype=first.dtype, device=first.device, requires_grad=True)
    try:
        with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
            _ = module(x)  # kept until all is counted: storage that is freed may be given out again
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
    parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return Cost(parameters, tally // batch, math.ceil(sum(saved.values()) / batch))


@dataclass(frozen=True)
class Latency:
    """Seconds of one call.

    Attributes:
        best: The fastest round, which other work on the machine disturbs least.
        rounds: All of them, in order.
    """

    best: float
    rounds: tuple[float, ...]


def latency(
    modules: Mapping[str, nn.Module], x: Float[Tensor, "n ..."], *, rounds: int = 5, backward: bool = False
) -> dict[str, Latency]:
    """Seconds that a call of each module takes, in turns, so that a busy moment hits all of them.

    Args:
        modules: By name; they read the same `x`.
        x: A batch.
        rounds: How often each is timed, after one call that is not.
        backward: Whether a call includes the backward pass of the output's sum.

    Raises:
        ValueError: Where `rounds` is below 1 or there is no module.
    """
    if rounds < 1 or not modules:
        raise ValueError(f"rounds={rounds} of {len(modules)} modules; give at least one of each")

    def call(module: nn.Module) -> float:
        start = time.perf_counter()
        with torch.set_grad_enabled(backward):
            y = module(x)
            if backward:
                y.sum().backward()
        if x.device.type == "cuda":
            torch.cuda.synchronize(x.device)
        return time.perf_counter() - start

    times: dict[str, list[float]] = {name: [] for name in modules}
    for turn in range(rounds + 1):
        for name, module in modules.items():
            seconds = call(module)
            if turn:
                times[name].append(seconds)
    return {name: Latency(min(values), tuple(values)) for name, values in times.items()}
