"""Whether a map treats each example on its own: what meets in a batch, draws or counts is noticed. Knows no network."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from resnet_lib import effects

Map = Callable[[Tensor], Tensor]


def complaint(part: nn.Module) -> str:
    """Why a layer makes no map of one example, in words; empty where nothing is known against it.

    A batch normalisation without running statistics uses those of the batch in evaluation mode as well.
    """
    if isinstance(part, nn.modules.batchnorm._BatchNorm):
        if part.training:
            return "is in training mode, where"
        missing = part.running_mean is None or part.running_var is None
        return "keeps no running statistics and normalises with those of the batch, so that" if missing else ""
    return "is in training mode, where" if part.training and effects.draws(part) else ""


def check(module: nn.Module, consequence: str) -> None:
    """Refuse a module in which examples of a batch meet, or which draws.

    Args:
        module: To look through, whether or not its parts are called.
        consequence: What is not there then, e.g. `an example has no Jacobian of its own`.

    Raises:
        ValueError: Where a batch normalisation or dropout is in training mode, or a batch normalisation keeps no
            running statistics.
    """
    for name, part in module.named_modules():
        _refuse(part, f"{name!r} ({type(part).__name__})" if name else f"f ({type(part).__name__})", consequence)


def _refuse(part: nn.Module, where: str, consequence: str) -> None:
    reason = complaint(part)
    if reason:
        cure = ".eval()" if part.training else "track_running_stats=True, and examples to take them from"
        raise ValueError(f"{where} {reason} {consequence}; use {cure}")


def watched(f: Map, x: Tensor, consequence: str) -> Tensor:
    """`f(x)`, of a copy of `x`, where `f` treats each example on its own as far as can be seen.

    All modules are seen that `f` calls on the way, behind a lambda or a bound method too, and what `f` has changed is
    as it was before, also where this raises: buffers, and torch's generator.

    Args:
        f: A map of batches.
        x: A batch.
        consequence: As for `check`.

    Raises:
        ValueError: As `check`, and where `f` draws from torch's global generator or changes a buffer of its own.
    """
    if isinstance(f, nn.Module):
        check(f, consequence)
    seen: dict[int, tuple[nn.Module, str, Tensor, Tensor, int]] = {}
    thread = threading.get_ident()

    def before(module: nn.Module, args: object) -> None:
        if threading.get_ident() != thread:
            return
        _refuse(module, f"a {type(module).__name__} that f calls", consequence)
        for name, buffer in module._buffers.items():
            if buffer is not None and id(buffer) not in seen and not buffer.is_inference():
                seen[id(buffer)] = module, name, buffer, buffer.detach().clone(), buffer._version

    states, changed, drew = _generators(x.device), [], False
    handle = register_module_forward_pre_hook(before)
    try:
        y = f(x.clone())
    finally:
        handle.remove()
        for module, name, buffer, kept, version in seen.values():
            moved = module._buffers.get(name) is not buffer
            if moved or buffer._version != version:
                changed.append((module, name))
                module._buffers[name] = buffer
                with torch.no_grad():
                    buffer.copy_(kept)
        drew = any(not torch.equal(a, b) for a, b in zip(states, _generators(x.device), strict=True))
        if drew:
            torch.set_rng_state(states[0])
            if x.is_cuda:
                torch.cuda.set_rng_state(states[1], x.device)
    if drew:
        raise ValueError(f"f draws random numbers, where {consequence}; use .eval(), or a map that draws nothing")
    if changed:
        module, name = changed[0]
        raise ValueError(
            f"the buffer {name!r} of a {type(module).__name__} changes when f is called, where {consequence}; "
            "use .eval(), or a map that keeps no count"
        )
    return y


def _generators(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states
