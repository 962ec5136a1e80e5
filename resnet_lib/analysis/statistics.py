"""This module estimates the running statistics of batch normalisations anew on given data, and changes no weight.

A batch normalisation in evaluation mode divides by what its layer read while the network was trained. Once blocks have
been removed, exchanged, averaged or followed in smaller steps, the later layers read something else, and the statistics
are those of another network. What such a network loses is then partly the surgery and partly the stale statistics;
measured with both, one sees which.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)

LEAST = 2
"""Examples that have a variance."""


def reestimated(network: Network, x: Float[Tensor, "examples ..."]) -> Network:
    """A copy of a network whose batch normalisations have the mean and variance of what they read of `x`.

    All of `x` is one batch, so that each layer reads what the layers before it make of the same examples with their new
    statistics. Nothing else changes: weights, modes, dropout and the network that was given are what they were. The
    statistics are those of `torch.optim.swa_utils.update_bn` for a single batch, whose other layers are in the mode of
    the network here and in training mode there.

    Args:
        network: Any module; where it has no batch normalisation, the copy is equal to it.
        x: The examples, e.g. those that the network was trained on; at least two.

    Raises:
        ValueError: Where there are fewer than two examples, or a batch normalisation is called twice, since it reads
            something else each time and has one mean.

    Example:
        >>> norm = nn.BatchNorm1d(1).eval()
        >>> reestimated(norm, torch.tensor([[1.0], [3.0]])).running_mean
        tensor([2.])
    """
    check(x)
    copied = copy.deepcopy(network)
    with torch.no_grad(), estimating(copied), _once(copied):
        copied(x)
    return copied


@contextmanager
def estimating(*modules: nn.Module) -> Iterator[None]:
    """Within this context each call of a batch normalisation replaces its running statistics by those of the call.

    Afterwards mode and momentum are what they were, and the statistics those of the last call.

    Example:
        >>> norm = nn.BatchNorm1d(1).eval()
        >>> with estimating(norm):
        ...     _ = norm(torch.tensor([[1.0], [3.0]]))
        >>> norm.running_mean.item(), norm.training
        (2.0, False)
    """
    norms = [norm for module in modules for norm in _norms(module)]
    before = [(norm.training, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            norm.training, norm.momentum = True, 1.0
        yield
    finally:
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.training, norm.momentum = training, momentum


def check(x: Tensor) -> None:
    """Refuse examples that have no variance.

    Raises:
        ValueError: Where there are fewer than two.
    """
    if len(x) < LEAST:
        raise ValueError(
            f"statistics of {len(x)} example(s) have no variance; give at least {LEAST}, e.g. the training images"
        )


def _norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]


@contextmanager
def _once(network: nn.Module) -> Iterator[None]:
    """Refuse a second call of any batch normalisation of a network."""
    called = set[nn.Module]()

    def before(norm: nn.Module, _: tuple) -> None:
        if norm in called:
            raise ValueError(
                f"a {type(norm).__name__} of the network is called twice and can have one mean only; give each place a "
                "copy of the block, or measure with lesion_scores, where a place has statistics of its own"
            )
        called.add(norm)

    handles = [norm.register_forward_pre_hook(before) for norm in _norms(network)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
