"""The published networks, and the images that they are measured on, in groups: a seed of these experiments is a group.

No training is involved, so that nothing varies but the image. Group `k` of size `n` holds the test images `k n` to
`k n + n - 1`; a verdict's interval is over groups, and speaks of one network on images of this kind.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from resnet_lib import data
from resnet_lib.analysis import statistics
from resnet_lib.data import Split
from resnet_lib.nets import Stack
from resnet_lib.sweep import Grid

DEPTHS = (20, 32, 44, 56)
DATA = ("cifar10", *(f"published-{depth}" for depth in DEPTHS))
STATISTICS = ("trained", "anew")
"""Batch statistics as they were trained, or estimated anew on training images after the surgery."""
FEW, MANY = tuple(range(5)), tuple(range(20))
"""Groups of a trial run, and of a publication."""


@dataclass(frozen=True)
class Network:
    """A published network and the groups of images that it is measured on.

    Attributes:
        depth: Weight layers of the network.
        size: Images of a group.
        learned: Training images on which batch statistics are estimated anew.
    """

    depth: int
    size: int = 500
    learned: int = 500


def network(setting: Network) -> Stack:
    """The published network, in evaluation mode."""
    return data.published(setting.depth)


@functools.lru_cache(maxsize=2)
def _images(part: str) -> Split:
    return data.images(part)


def groups(setting: Network, seeds: Sequence[int], part: str = "test") -> Split:
    """The images of some groups, one group after the other.

    Raises:
        ValueError: Where there are not so many images.
    """
    images = _images(part)
    if (last := (max(seeds) + 1) * setting.size) > len(images):
        raise ValueError(f"seeds={tuple(seeds)} of size={setting.size} need {last} images; there are {len(images)}")
    rows = torch.cat([torch.arange(seed * setting.size, (seed + 1) * setting.size) for seed in seeds])
    return Split(images.x[rows], images.y[rows])


def learned(setting: Network) -> torch.Tensor:
    """The first training images, as many as the setting says."""
    return _images("train").x[: setting.learned]


def statistic(net: Stack, setting: Network, statistics_: str) -> Stack:
    """The network itself, or a copy whose batch statistics are those of the training images that it reads."""
    return net if statistics_ == "trained" else statistics.reestimated(net, learned(setting))


def right(logits: torch.Tensor, y: torch.Tensor, size: int) -> torch.Tensor:
    """The share of images that are labelled rightly in each group; the last axis but one is the images'.

    Example:
        >>> logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> right(logits, torch.tensor([0, 1, 1, 1]), 2).tolist()
        [0.5, 1.0]
    """
    hits = (logits.argmax(-1) == y) & ~logits.isnan().any(-1)
    return hits.double().unflatten(-1, (-1, size)).mean(-1)


def grids(quick: Sequence[Network], full: Sequence[Network]) -> tuple[Grid, Grid]:
    """QUICK and FULL of an experiment: published networks on few groups of images, and on many."""
    return Grid(quick, FEW), Grid(full, MANY)
