"""This module finds what a network does besides answering: it may write into what it reads, count, or draw numbers.

`check` refuses what is known to do so, `watched` and `alone` what is seen to, `unchanged` puts back what was changed;
`apart` and `restoring` mind what a module writes into its input.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

Map = Callable[[Tensor], Tensor]

DEPENDS = "outputs depend on the batch, on earlier calls or on chance"
"""What is wrong with a module, where nothing more is to say."""

_COUNTING = (nn.modules.instancenorm._InstanceNorm, nn.utils.parametrizations._SpectralNorm)


class Draws(nn.Module):
    """A base class of modules that draw random numbers by themselves while they train."""


class Adapts(nn.Module):
    """A base class of modules that may do more for one input than for another."""

    def adapts(self) -> bool:
        """Whether it does, as it is set."""
        return True


def draws(layer: nn.Module) -> bool:
    """Whether a layer, its parts aside, is of a kind that draws while it trains."""
    if isinstance(layer, nn.modules.dropout._DropoutNd | nn.RReLU | Draws):
        return True
    return isinstance(layer, nn.MultiheadAttention | nn.RNNBase) and layer.dropout > 0


def complaint(layer: nn.Module) -> str:
    """Why a layer, its parts aside, makes no map of one example, in words; empty where nothing is known against it.

    A batch normalisation without running statistics uses those of the batch in evaluation mode as well.
    """
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        if layer.training:
            return "is in training mode, where"
        missing = layer.running_mean is None or layer.running_var is None
        return "keeps no running statistics and normalises with those of the batch, so that" if missing else ""
    counts = isinstance(layer, _COUNTING) and next(iter(layer._buffers.values()), None) is not None
    return "is in training mode, where" if layer.training and (counts or draws(layer)) else ""


def check(module: nn.Module, consequence: str, *, name: str = "f") -> None:
    """Refuse a module in which examples of a batch meet, or which counts or draws.

    Args:
        module: To look through, whether or not its parts are called, each in the mode that it is in.
        consequence: What is not there then, e.g. `an example has no Jacobian of its own`.
        name: What to call the module itself in the sentence.

    Raises:
        ValueError: Where a layer that counts or draws while it trains (batch normalisation, dropout) is in training
            mode, or a batch normalisation keeps no running statistics.
    """
    for path, part in module.named_modules():
        _refuse(part, repr(path) if path else name, consequence)


def _refuse(part: nn.Module, where: str, consequence: str) -> None:
    if reason := complaint(part):
        cure = ".eval()" if part.training else "track_running_stats=True, and examples to take them from"
        raise ValueError(f"{where} ({type(part).__name__}) {reason} {consequence}; use {cure}")


def require_graph(what: str) -> None:
    """Refuse inference mode, in which torch keeps no graph and does not count what is written into a tensor.

    Args:
        what: What needs them, e.g. `a gradient`.

    Raises:
        ValueError: Inside of `torch.inference_mode`.
    """
    if torch.is_inference_mode_enabled():
        raise ValueError(
            f"{what} cannot be had inside of torch.inference_mode(); call this outside of it, or under torch.no_grad()"
        )


class Kept:
    """A copy of the state of modules and of torch's and NumPy's generators, to see what changes and to put it back.

    Python's `random`, from which checks of types draw, does not count.
    """

    def __init__(self, device: torch.device, *modules: nn.Module):
        self._device = device
        self._states = _generators(device)
        self._modes: dict[nn.Module, bool] = {}
        self._places: dict[tuple[nn.Module, str], Tensor] = {}
        self._values: dict[int, Tensor] = {}  # by the identity of a buffer, which `_places` keeps alive
        for module in modules:
            for part in module.modules():
                self.add(part)

    def add(self, part: nn.Module) -> None:
        """Keep the mode and the buffers of a module, its parts aside; a second time changes nothing."""
        if part in self._modes:
            return
        self._modes[part] = part.training
        for name, buffer in part._buffers.items():
            if buffer is not None and not buffer.is_inference():  # of these torch counts no changes, nor allows them
                self._places[part, name] = buffer
                self._values.setdefault(id(buffer), buffer.detach().clone())

    def drew(self) -> bool:
        """Whether a global generator has moved on."""
        before, now = self._states, _generators(self._device)
        same = all(torch.equal(a, b) for a, b in zip(before[0], now[0], strict=True))
        return not (same and np.array_equal(before[1][1], now[1][1]) and before[1][2:] == now[1][2:])

    def changed(self) -> list[tuple[nn.Module, str]]:
        """The buffers that are not what they were, by their module and name.

        Values are compared: torch's batch normalisation writes into its statistics without counting it as a change.
        """
        return [
            (part, name)
            for (part, name), buffer in self._places.items()
            if part._buffers.get(name) is not buffer or not _equal(buffer, self._values[id(buffer)])
        ]

    @torch.no_grad()
    def restore(self) -> None:
        """Put back modes, buffers and generators."""
        for part, name in self.changed():
            buffer = self._places[part, name]
            part._buffers[name] = buffer
            buffer.copy_(self._values[id(buffer)])
        for part, mode in self._modes.items():
            part.training = mode
        if self.drew():
            torch.set_rng_state(self._states[0][0])
            for state in self._states[0][1:]:
                torch.cuda.set_rng_state(state, self._device)
            np.random.set_state(self._states[1])  # noqa: NPY002

    def restore_and_refuse(self, consequence: str) -> None:
        """Put back everything, and say what there was to put back.

        Raises:
            ValueError: Where a generator has moved on, or a buffer is not what it was.
        """
        drew, changed = self.drew(), self.changed()
        self.restore()
        if drew:
            raise ValueError(f"f draws random numbers, where {consequence}; use .eval(), or a map that draws nothing")
        if changed:
            part, name = changed[0]
            raise ValueError(
                f"the buffer {name!r} of a {type(part).__name__} changes when f is called, where {consequence}; "
                "use .eval(), or a map that keeps no count"
            )


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _generators(device: torch.device) -> tuple[list[Tensor], Any]:
    """The states of the global generators: torch's, and NumPy's."""
    states = [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])
    return states, np.random.get_state()  # noqa: NPY002


@contextmanager
def unchanged(*modules: nn.Module, device: torch.device) -> Iterator[Kept]:
    """Put back, at the end, the modes and buffers of modules and the global generators; also where this raises."""
    kept = Kept(device, *modules)
    try:
        yield kept
    finally:
        kept.restore()


@contextmanager
def alone(modules: Mapping[str, nn.Module], consequence: str, device: torch.device) -> Iterator[None]:
    """Call modules that treat each example on its own, as far as can be seen: others are refused.

    Afterwards their modes and buffers and the global generators are what they were, also where this raises.

    Args:
        modules: By what to call them in a sentence.
        consequence: As for `check`.
        device: Of what they read.

    Raises:
        ValueError: As `check` at the beginning; at the end where one draws from a global generator or changes a buffer.
    """
    for name, module in modules.items():
        check(module, consequence, name=name)
    with unchanged(*modules.values(), device=device) as kept:
        yield
        kept.restore_and_refuse(consequence)


def watched(f: Map, x: Tensor, consequence: str) -> Tensor:
    """`f(x)`, of a copy of `x`, where `f` treats each example on its own as far as can be seen.

    All modules are seen that `f` calls on the way, behind a lambda or a bound method too, and what `f` has changed is
    as it was before, also where this raises: modes, buffers, and the global generators.

    Args:
        f: A map of batches.
        x: A batch.
        consequence: As for `check`.

    Raises:
        ValueError: As `check`, and where `f` draws from a global generator or changes a buffer of its own.
    """
    if isinstance(f, nn.Module):
        check(f, consequence)
    thread = threading.get_ident()

    def before(module: nn.Module, args: object) -> None:
        if threading.get_ident() == thread:
            _refuse(module, "a layer that f calls", consequence)
            kept.add(module)

    with unchanged(device=x.device) as kept:
        handle = register_module_forward_pre_hook(before)
        try:
            y = f(x.clone())
        finally:
            handle.remove()
        kept.restore_and_refuse(consequence)
    return y


def drawing(module: nn.Module, x: Tensor) -> str:
    """The innermost layer that draws from a global generator in a training pass, in words; empty where none does.

    It is tried on a copy of the module and of `x`, and the generators are put back. A layer that holds a
    `torch.Generator` of its own counts as well.
    """
    copied = copy.deepcopy(module).train()
    names = {
        part: f"{name!r} ({type(part).__name__})" if name else type(part).__name__
        for name, part in copied.named_modules()
    }
    for part, name in names.items():
        if any(isinstance(value, torch.Generator) for value in vars(part).values()):
            return name
    with unchanged(device=x.device) as kept, torch.no_grad():
        copied(x.clone())
        return _innermost(copied, x, names) if kept.drew() else ""


def _innermost(module: nn.Module, x: Tensor, names: Mapping[nn.Module, str]) -> str:
    """The name of the first layer to end whose call has drawn."""
    found: list[str] = []
    states: list[Kept] = []

    def before(part: nn.Module, _: tuple) -> None:
        states.append(Kept(x.device))

    def after(part: nn.Module, _: tuple, output: object) -> None:
        if states.pop().drew():
            found.append(names[part])

    for part in names:
        part.register_forward_pre_hook(before)
        part.register_forward_hook(after)
    module(x.clone())
    return found[0] if found else names[module]


def apart(module: nn.Module, x: Tensor, where: str) -> Tensor:
    """The output of a module on a copy of `x`.

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


def restoring(call: Map, x: Tensor) -> Tensor:
    """The output of a callable on `x`, which afterwards is what it was, for others read it too. Without a graph.

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
