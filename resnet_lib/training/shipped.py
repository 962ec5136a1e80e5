"""Trained networks that ship with the book: one file each, weights in float16, with what they are and how they came.

Rounding to float16 moves a weight by at most a 2,048th of itself. What is measured is the rounded network, also where
it was trained just now, so that whoever reads the file finds the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from resnet_lib.training import checkpoints

M = TypeVar("M", bound=nn.Module)

FOLDER = "networks"
"""Where they lie in the book's folder."""


def rounded_(net: M) -> M:
    """Round the parameters of a network to float16, in place; its buffers, such as running means, stay as they are.

    Returns:
        `net`.

    Raises:
        ValueError: Where a parameter is too large for float16, beyond 65,504.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(net.weight, 0.1)
        >>> rounded_(net).weight.item()
        0.0999755859375
    """
    rounded = {name: value.detach().half() for name, value in net.named_parameters()}
    for name, value in rounded.items():
        if not value.isfinite().all():
            raise ValueError(f"{name} holds a value that float16 cannot; a network that diverged does not ship")
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(rounded[name])
    return net


def write(path: Path, net: nn.Module, about: Mapping[str, Any]) -> None:
    """Write a network's parameters as float16, its buffers as they are, and what is to be said about it.

    Raises:
        ValueError: Where the parameters are not `rounded_`: the file would hold another network.
        OSError: Where the folder cannot be written.

    Example:
        >>> import tempfile
        >>> net = rounded_(nn.Linear(2, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder) / "linear.safetensors", net, {"seed": 0})
        ...     [file.name for file in Path(folder).iterdir()]
        ['linear.safetensors']
    """
    for name, value in net.named_parameters():
        if not torch.equal(value.half().to(value), value):
            raise ValueError(f"{name} is not rounded; use shipped.rounded_(net) before it is measured and written")
    parameters = {f"parameters/{name}": value.half() for name, value in net.named_parameters()}
    buffers = {f"buffers/{name}": value for name, value in net.named_buffers()}
    checkpoints.write(path, parameters | buffers, about)


def read_(path: Path, net: nn.Module) -> dict[str, Any] | None:
    """Put the parameters and buffers of a file into a network of the same architecture.

    Returns:
        What the file says of them, or None where there is no file; the network is what it was then.

    Raises:
        Damaged: Where the file is not as it was written.
        ValueError: Where it holds another architecture; the network is what it was then.

    Example:
        >>> import tempfile
        >>> net, other = rounded_(nn.Linear(2, 2)), nn.Linear(2, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "linear.safetensors"
        ...     write(file, net, {"seed": 0})
        ...     about = read_(file, other)
        >>> about, torch.equal(net.weight, other.weight)
        ({'seed': 0}, True)
    """
    if (found := checkpoints.read(path)) is None:
        return None
    tensors, about = found
    wanted = {f"parameters/{name}": value for name, value in net.named_parameters()}
    wanted |= {f"buffers/{name}": value for name, value in net.named_buffers()}
    theirs, ours = ({name: tuple(value.shape) for name, value in part.items()} for part in (tensors, wanted))
    if theirs != ours:
        other = min(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
        raise ValueError(
            f"{path} holds another network: {other} has the shape {theirs.get(other)} there and {ours.get(other)} here"
        )
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(tensors[name])
    return about
