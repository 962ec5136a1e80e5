"""This module counts what a network costs: parameters, multiply-adds, activations kept for the backward pass, time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from resnet_lib.nets import effects
from resnet_lib.nets.blocks import Linear
from resnet_lib.nets.dynamics import Antisymmetric, Shear
from resnet_lib.nets.projections import Conv2d, Orthonormal, Patches, Principal
from resnet_lib.whole import whole


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


_NORMS = (
    *(getattr(nn, f"{kind}{d}d") for kind in ("BatchNorm", "InstanceNorm") for d in (1, 2, 3)),
    *(nn.SyncBatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)
"""Layers whose parameters scale and shift, which counts as nothing here; so do PReLU's slopes."""

_LINEAR = (nn.Linear, Linear, Antisymmetric)
_ORTHONORMAL = (Orthonormal,)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, Conv2d, Patches, Principal, *_ORTHONORMAL)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

_UNCOUNTED = re.compile(
    r"_*(mv|addmv|addr|addbmm|v?dot|trilinear|conv_tbc|cdist_forward|euclidean_dist|fft_\w+|cholesky\w*|lu_\w+|\w+_mm"
    r"|linalg_(?!vector_norm|cross)\w+|triangular_solve|\w*sparse\w*)_?"
)
"""torch's operators that add up products, but of which its own count knows nothing."""

_OF_ORTHONORMAL = ("linalg_cholesky_ex", "linalg_solve_triangular")
"""Those that `projections.orthonormal` calls: sums of the size of its shorter side, which are left out of the count."""


def _of(layer: nn.Module) -> Callable[[Tensor, Tensor], int] | None:
    """Multiply-adds of a call of a layer by its input and output; None of a layer without parameters of its own.

    By the exact class: what a class made from one of these computes besides is not known.

    Raises:
        TypeError: Where the layer has parameters and is not known.
    """
    kind = type(layer)
    if kind in _LINEAR:
        return lambda x, y: y.numel() * layer.in_features  # pyright: ignore[reportReturnType, reportOperatorIssue]
    if kind in _CONVOLUTIONS:
        return lambda x, y: y.numel() * layer.weight[0].numel()  # pyright: ignore[reportIndexIssue, reportReturnType, reportOperatorIssue, reportCallIssue, reportAttributeAccessIssue]
    if kind in _TRANSPOSED:
        return lambda x, y: x.numel() * layer.weight[0].numel()  # pyright: ignore[reportIndexIssue, reportReturnType, reportOperatorIssue, reportCallIssue, reportAttributeAccessIssue]
    if kind is Shear:  # its layer counts itself, and this is what its transpose does
        return lambda x, y: x.numel() // 2 * layer.inner.in_features  # pyright: ignore[reportAttributeAccessIssue, reportReturnType, reportOperatorIssue]
    if kind in (*_NORMS, nn.PReLU) or not any(value is not None for value in layer._parameters.values()):
        return None
    raise TypeError(
        f"{kind.__name__} is a layer of a kind whose multiplications are not known; known are linear layers, "
        "convolutions (transposed too) and normalisations of torch and of this package; count its parts, or measure "
        "costs.latency"
    )


def count(module: nn.Module, shape: tuple[int, ...], *, batch: SupportsIndex = 2) -> Cost:
    """The costs of a module for one example of that shape.

    Two more passes, at other inputs, count the products that torch itself sees, so that no product of matrices or
    vectors outside of the layers is left out, and none that only some inputs cost. What works on each number by
    itself, a product of two equal shapes for instance, counts as nothing.

    Args:
        module: In training mode its normalisations keep what they need for it. It stays as it is.
        shape: Of one example, e.g. (3, 32, 32).
        batch: Examples in the pass that is counted; a multiple of what one costs, but for what does not depend on it.

    Raises:
        TypeError: Where a layer is of a kind whose multiplications are not known, or `batch` is no whole number.
        ValueError: Where `batch` is below 1, or the module multiplies matrices outside of its layers, takes derivatives
            on its way, does more for one input than for another, or is called in inference mode.

    Example:
        >>> count(nn.Linear(3, 4), (3,))
        Cost(parameters=16, multiply_adds=12, saved=3)
    """
    if (batch := whole("batch", batch)) < 1:
        raise ValueError(f"batch={batch} must be at least 1; 2 lets batch normalisation run")
    effects.require_graph("a count of what a module keeps and multiplies")
    tally = shared = 0

    def adder(times: Callable[[Tensor, Tensor], int]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal tally, shared
            tally += times(inputs[0], output)
            if type(layer) in _ORTHONORMAL:  # A A^T, twice, for all examples together: `projections.orthonormal`
                rows, columns = sorted(layer.weight.flatten(1).shape)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
                shared += 2 * rows**2 * columns

        return add

    hooks = []
    own = {parameter.untyped_storage().data_ptr() for parameter in [*module.parameters(), *module.buffers()]}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    for layer in module.modules():
        if isinstance(layer, effects.Adapts) and layer.adapts():
            raise _changing(layer, "as many steps as its error asks for")
    first = next(module.parameters(), torch.zeros(()))
    x = torch.ones(batch, *shape, dtype=first.dtype, device=first.device, requires_grad=True)
    times = [(layer, _of(layer)) for layer in module.modules()]
    known = _OF_ORTHONORMAL if any(type(layer) in _ORTHONORMAL for layer in module.modules()) else ()
    try:
        hooks += [layer.register_forward_hook(adder(of)) for layer, of in times if of is not None]
        with effects.unchanged(module, device=x.device), _countable(module):
            with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
                _ = module(x.clone())  # kept until all is counted: storage that is freed may be given out again
            counted, extra = tally, shared
            for factor in (-0.5, 3.0):
                tally = shared = 0
                with torch.no_grad(), _Products(known) as products:
                    module(x.detach() * factor)
                if (tally, shared) != (counted, extra):
                    raise _changing(module, f"{counted / batch:,.0f} multiply-adds and then {tally / batch:,.0f}")
                if products.besides or products.flops != 2 * (counted + extra):
                    besides = f" besides {', '.join(sorted(products.besides))}" if products.besides else ""
                    raise ValueError(
                        f"{type(module).__name__} takes {products.flops / 2 / batch:,.0f} multiply-adds an example"
                        f"{besides}, of which its linear layers and convolutions explain "
                        f"{(counted + extra) / batch:,.0f}: it multiplies matrices outside of them; count its parts, "
                        "or measure costs.latency"
                    )
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return Cost(parameters, counted // batch, math.ceil(sum(saved.values()) / batch))


def _changing(module: nn.Module, what: str) -> ValueError:
    """The error for a module whose cost is not one number."""
    return ValueError(
        f"{type(module).__name__} takes {what}, so that its cost depends on what it reads; count what it calls and how "
        "often (a field's evaluations), or measure costs.latency on examples"
    )


@contextmanager
def _countable(module: nn.Module) -> Iterator[None]:
    """Say in words where torch cannot watch what a module keeps: inside its own functional derivatives."""
    try:
        yield
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):
            raise
        raise ValueError(
            f"{type(module).__name__} takes derivatives on its way (an implicit method does), inside of which torch "
            "does not tell what is kept; count its parts, or measure costs.latency"
        ) from error


class _Products(TorchDispatchMode):
    """Counts what torch multiplies, by its own formulas, at the level of its operators.

    Attributes:
        flops: Multiplications and additions.
        besides: Operators that multiply and have no formula.
    """

    def __init__(self, known: Sequence[str]):
        super().__init__()
        self.flops, self.besides, self._known = 0, set[str](), known

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=output)
        elif (name := func._overloadpacket.__name__) not in self._known and (
            "attention" in name or _UNCOUNTED.fullmatch(name)
        ):
            self.besides.add(name.strip("_"))
        return output


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
    modules: Mapping[str, nn.Module], x: Float[Tensor, "n ..."], *, rounds: SupportsIndex = 5, backward: bool = False
) -> dict[str, Latency]:
    """Seconds that a call of each module takes, in turns, so that a busy moment hits all of them.

    Args:
        modules: By name; they read the same `x`. They stay as they are, their gradients and statistics too.
        x: A batch.
        rounds: How often each is timed, after one call that is not.
        backward: Whether a call includes the backward pass of the output's sum.

    Raises:
        TypeError: Where `rounds` is no whole number.
        ValueError: Where `rounds` is below 1, there is no module, one has nothing to take a gradient of, or a backward
            pass is asked for in inference mode.
    """
    if (rounds := whole("rounds", rounds)) < 1 or not modules:
        raise ValueError(f"rounds={rounds} of {len(modules)} modules; give at least one of each")
    if backward:
        effects.require_graph("a backward pass")
    given = x.detach().clone()  # which a module may write into
    learned = {name: [p for p in module.parameters() if p.requires_grad] for name, module in modules.items()}
    if backward and not all(learned.values()):
        without = [name for name, values in learned.items() if not values]
        raise ValueError(
            f"modules {without} have no parameters that learn, and so no backward pass; use backward=False"
        )

    def call(name: str) -> float:
        start = time.perf_counter()
        with torch.set_grad_enabled(backward):
            y = modules[name](given)
            if backward:
                torch.autograd.grad(y.sum(), learned[name], allow_unused=True)
        if x.device.type == "cuda":
            torch.cuda.synchronize(x.device)
        return time.perf_counter() - start

    times: dict[str, list[float]] = {name: [] for name in modules}
    with effects.unchanged(*modules.values(), device=x.device):
        for turn in range(rounds + 1):
            for name in modules:
                seconds = call(name)
                if turn:
                    times[name].append(seconds)
    return {name: Latency(min(values), tuple(values)) for name, values in times.items()}
