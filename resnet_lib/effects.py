"""What a module does besides its answer: it writes into what it reads, draws, or lets the examples of a batch meet.

Changes no mode, knows no network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_NORMS = nn.modules.batchnorm._BatchNorm


class Draws(nn.Module):
    """What a module is besides that draws by itself while it trains."""


def dependence(module: nn.Module, name: str = "") -> str:
    """Why an output hangs on the other examples or on chance, and the way out; empty where it does not.

    Layers that torch or this package makes are known: batch normalisation, which uses the statistics of the batch in
    training mode, and always where it has no running ones; dropout and other layers that draw, in training mode.

    Args:
        module: With all of its parts, each in the mode that it is in.
        name: What to call the module itself in the sentence.
    """
    for path, part in module.named_modules():
        where = f"{path!r} ({type(part).__name__})" if path else f"{name} ({type(part).__name__})".strip(" ")
        where = where if path or name else type(part).__name__
        if isinstance(part, _NORMS) and not part.training and part.running_mean is None:
            return (
                f"{where} has no running statistics, so that outputs depend on the batch in evaluation mode too; make "
                "it with track_running_stats=True and train it"
            )
        if part.training and (isinstance(part, _NORMS) or draws(part)):
            return f"{where} is in training mode, where outputs depend on the batch or on chance; use .eval()"
    return ""


def draws(layer: nn.Module) -> bool:
    """Whether a layer, its parts aside, is of a kind that draws while it trains."""
    if isinstance(layer, nn.modules.dropout._DropoutNd | nn.RReLU | Draws):
        return True
    return isinstance(layer, nn.MultiheadAttention | nn.RNNBase) and layer.dropout > 0


def drawing(module: nn.Module, x: Tensor) -> str:
    """The innermost layer that draws from a global generator in a training pass, in words; empty where none does.

    It is tried on a copy of the module and of `x`, and the generators of torch and NumPy are put back. A layer that
    holds a `torch.Generator` of its own counts as well. Python's `random`, from which checks of types draw, does not.
    """
    copied = copy.deepcopy(module).train()
    names = {
        part: f"{name!r} ({type(part).__name__})" if name else type(part).__name__
        for name, part in copied.named_modules()
    }
    for part, name in names.items():
        if any(isinstance(value, torch.Generator) for value in vars(part).values()):
            return name
    numpy_state = np.random.get_state()  # noqa: NPY002, it is put back
    try:
        with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.no_grad():
            before = _generators(x.device)
            copied(x.clone())
            return _innermost(copied, x, names) if _generators(x.device) != before else ""
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002


def _innermost(module: nn.Module, x: Tensor, names: Mapping[nn.Module, str]) -> str:
    """The name of the first layer to end whose call has drawn."""
    found: list[str] = []
    states: list[tuple] = []

    def before(part: nn.Module, _: tuple) -> None:
        states.append(_generators(x.device))

    def after(part: nn.Module, _: tuple, output: object) -> None:
        if states.pop() != _generators(x.device):
            found.append(names[part])

    for part in names:
        part.register_forward_pre_hook(before)
        part.register_forward_hook(after)
    module(x.clone())
    return found[0] if found else names[module]


def _generators(device: torch.device) -> tuple:
    """The states of the global generators."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.empty(0, dtype=torch.uint8)
    states = (torch.get_rng_state(), on_device)
    found: Any = np.random.get_state()  # noqa: NPY002
    return *(bytes(state.numpy()) for state in states), bytes(found[1]), found[2:]


def apart(module: nn.Module, x: Tensor, where: str) -> Tensor:
    """What a module makes of a copy of `x`.

    Raises:
        ValueError: Where it writes into that copy, so that nothing else could read the same state.
    """
    given = x.clone()
    before = given._version
    output = module(given)
    if given._version != before:
        raise ValueError(
            f"{where} ({type(module).__name__}) writes into the state that it reads, which its shortcut reads too; "
            "make its first layer with inplace=False"
        )
    return output


def restoring(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a callable makes of `x`, which afterwards is what it was: for inputs that are others' too. Without a graph.

    The callable reads `x` itself and no copy, whose place in memory could change the last bits of a product.
    """
    if x.is_inference():  # torch keeps no count of what is written into these
        return call(x.clone())
    before, kept = x._version, x.clone()
    output = call(x)
    if x._version == before:
        return output
    output = output.clone()  # which may be `x` itself
    x.copy_(kept)
    return output
