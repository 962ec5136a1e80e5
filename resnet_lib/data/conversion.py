"""This module reads a published file of weights and puts it into the names and the order of this package's networks.

A file is a pickle, and a pickle can run code: it is read by torch's loader of plain weights alone, which refuses that.
The published networks put the zeros of option A on both sides of the channels that they carry (a quarter of the new
width each), `nets.cifar_resnet` behind them. So the channels of the second and third stage come in another order here:
those that are carried come first. A channel's place in the stream changes nothing else, so both networks are the same
function; `check` compares them by a forward pass of the published one that is written out here.
"""

import io
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resnet_lib import runtime
from resnet_lib.data.official import DataError
from resnet_lib.data.releases import Weights
from resnet_lib.nets.networks import Stack, cifar_resnet

WIDTH, STAGES = 16, 3
"""Channels of the first stage, doubled in each of the next ones."""
NORM = ("weight", "bias", "running_mean", "running_var")
SAME = 1e-9
"""Largest difference of logits, relative to the largest logit, at which two networks are the same, in float64."""
PREFIX = "module."


def converted(data: bytes, weights: Weights, source: str) -> dict[str, np.ndarray]:
    """The tensors of a published file, as arrays, by the names that `nets.cifar_resnet` has for them.

    Args:
        data: Its content.
        weights: Which file it should be.
        source: Where it comes from, for errors.

    Raises:
        DataError: Where it cannot be read without running code, is cut off, or is another network.
    """
    theirs = _state(data, source)
    per_stage = (weights.depth - 2) // (2 * STAGES)
    _require_architecture(theirs, _shapes(per_stage), weights, source)
    found = {"stem.weight1.weight": theirs["conv1.weight"], **_norm(theirs, "bn1", "stem.norm1", slice(None))}
    before = torch.arange(WIDTH)
    for stage in range(STAGES):
        order = carried_first(stage)
        for position in range(per_stage):
            their, our = f"layer{stage + 1}.{position}", f"blocks.{stage * per_stage + position}.branch"
            found[f"{our}.weight1.weight"] = theirs[f"{their}.conv1.weight"][:, before]
            found |= _norm(theirs, f"{their}.bn1", f"{our}.norm1", slice(None))
            found[f"{our}.weight2.weight"] = theirs[f"{their}.conv2.weight"][order]
            found |= _norm(theirs, f"{their}.bn2", f"{our}.norm2", order)
            before = order
    found["head.2.weight"], found["head.2.bias"] = theirs["linear.weight"][:, before], theirs["linear.bias"]
    return {name: value.contiguous().numpy() for name, value in found.items()}


def carried_first(stage: int) -> Tensor:
    """The published place of each of this package's channels in a stage, counted from 0.

    Example:
        >>> carried_first(0).tolist() == list(range(16)), carried_first(1)[[0, 15, 16, 31]].tolist()
        (True, [8, 23, 0, 31])
    """
    order = torch.arange(WIDTH)
    for _ in range(stage):
        width = 2 * len(order)
        carried = order + width // 4
        rest = torch.arange(width)
        order = torch.cat([carried, rest[: width // 4], rest[width - width // 4 :]])
    return order


def network(depth: int, arrays: Mapping[str, np.ndarray]) -> Stack:
    """The network of that depth with these tensors, in evaluation mode."""
    stack = cifar_resnet(depth, generator=torch.Generator().manual_seed(0)).eval()
    counters = {name: value for name, value in stack.state_dict().items() if name.endswith("num_batches_tracked")}
    stack.load_state_dict({**counters, **{name: torch.from_numpy(value) for name, value in arrays.items()}})
    return stack


def check(data: bytes, weights: Weights, arrays: Mapping[str, np.ndarray], source: str) -> float:
    """The largest relative difference between the logits of the published network and of its conversion.

    Both read the same two images of Gaussian noise, in float64.

    Raises:
        DataError: Where it is above `SAME`, or not a number.
    """
    noise = torch.randn(2, 3, 32, 32, generator=runtime.stream(0, "data", "published", "images"))
    with torch.no_grad():
        theirs = published_logits(
            {name: value.double() for name, value in _state(data, source).items()}, noise.double()
        )
        ours = network(weights.depth, arrays).double()(noise.double())
    found = float((ours - theirs).abs().max() / theirs.abs().max())
    if not found <= SAME:
        raise DataError(
            f"{source} does not give the published network once its channels are in this package's order: logits "
            f"differ by {found:.1e} of the largest; nothing was kept; please report it"
        )
    return found


def published_logits(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The logits of a published network by its own names and its own option A; knows nothing of `nets`."""

    def norm(x: Tensor, name: str) -> Tensor:
        scale, shift, mean, variance = (state[f"{name}.{part}"] for part in NORM)
        return functional.batch_norm(x, mean, variance, scale, shift, eps=1e-5)

    x = norm(functional.conv2d(x, state["conv1.weight"], padding=1), "bn1").relu()
    blocks = dict.fromkeys(name.rpartition(".conv1.")[0] for name in state if ".conv1." in name)
    for block in blocks:
        first, second = state[f"{block}.conv1.weight"], state[f"{block}.conv2.weight"]
        stride = 1 if len(first) == x.shape[1] else 2
        branch = norm(functional.conv2d(x, first, stride=stride, padding=1), f"{block}.bn1").relu()
        branch = norm(functional.conv2d(branch, second, padding=1), f"{block}.bn2")
        extra = (len(first) - x.shape[1]) // 2
        x = (functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, extra, extra)) + branch).relu()
    return functional.linear(x.mean(dim=(2, 3)), state["linear.weight"], state["linear.bias"])


def _state(data: bytes, source: str) -> dict[str, Tensor]:
    """The tensors of a file by their names, without the prefix of its data parallelism."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about the age of the format
            read = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # of a dozen kinds, from a page in place of a file to a call of os.system
        lines = str(error).strip().splitlines() or ["it ends early"]
        code = any(word in str(error) for word in ("GLOBAL", "REDUCE", "Unsupported operand", "weights_only"))
        what = "holds more than plain weights, and was not read" if code else "is no file of weights, or is cut off"
        raise DataError(f"{source} {what} ({type(error).__name__}: {lines[0][:120]}); take another copy") from error
    state = read.get("state_dict") if isinstance(read, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{source} has no key 'state_dict' that holds tensors; take another copy")
    found = {str(name).removeprefix(PREFIX): value for name, value in state.items()}
    # Newer versions of torch count batches; evaluation reads no such counter.
    return {name: value for name, value in found.items() if not name.endswith("num_batches_tracked")}


def _norm(theirs: Mapping[str, Tensor], their: str, our: str, order: Tensor | slice) -> dict[str, Tensor]:
    return {f"{our}.{part}": theirs[f"{their}.{part}"][order] for part in NORM}


def _shapes(per_stage: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published network's tensors."""

    def layer(name: str, norm: str, out: int, into: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (out, into, 3, 3)
        yield from ((f"{norm}.{part}", (out,)) for part in NORM)

    found = dict(layer("conv1", "bn1", WIDTH, 3))
    into = WIDTH
    for stage in range(STAGES):
        out = WIDTH * 2**stage
        for position in range(per_stage):
            block = f"layer{stage + 1}.{position}"
            found |= dict(layer(f"{block}.conv1", f"{block}.bn1", out, into))
            found |= dict(layer(f"{block}.conv2", f"{block}.bn2", out, out))
            into = out
    return found | {"linear.weight": (10, into), "linear.bias": (10,)}


def _require_architecture(
    theirs: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], weights: Weights, source: str
) -> None:
    """Refuse another network, by the first tensor that is missing, too many, or of another shape or kind."""
    missing, more = [name for name in shapes if name not in theirs], [name for name in theirs if name not in shapes]
    what = ""
    if missing:
        what = f"lacks {missing[0]!r}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    elif more:
        what = f"has {len(more)} tensors too many, the first of them {more[0]!r}"
    for name, shape in shapes.items():
        if not what and tuple(theirs[name].shape) != shape:
            what = f"has {name!r} of shape {tuple(theirs[name].shape)}, not {shape}"
        elif not what and not (theirs[name].is_floating_point() and theirs[name].isfinite().all()):
            what = f"has {name!r} with values that are no finite numbers"
    if what:
        raise DataError(
            f"{source} is not ResNet-{weights.depth} for CIFAR-10 with option A: it {what}; take another copy"
        )
