"""Eigenvalues of the blocks of published networks, before the ReLU behind the addition, and norms of their branches.

A branch's Jacobian is `J = P Q` with `Q` from the state to the hidden units that are on and `P` from these back, so
that its eigenvalues other than 0 are those of `Q P`, a matrix as large as there are units on. All others are exactly 0,
and those of the block, `I + J`, exactly 1; they are counted, and no large matrix is formed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import linalg, runtime
from resnet_lib.analysis import jacobian, lesion
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.published_networks import networks
from resnet_lib.experiments.published_networks.networks import DATA, DEPTHS, Network
from resnet_lib.nets import Block, Stack
from resnet_lib.sweep import ROUNDED, Experiment, Grid

NEAR, EXACT = 0.5, 1e-4
"""How near to 1 an eigenvalue is near, and how near it counts as equal."""
AT_ONCE = 256
"""Columns of the matrix that are computed together."""


@dataclass(frozen=True)
class Spectra(Network):
    """A network whose blocks are measured at single images.

    Attributes:
        stages: Of the network, counted from 0; one has twice as many coordinates as the next, eight times the work.
    """

    size: int = 1
    stages: tuple[int, ...] = (2,)


def trial(setting: Spectra, seeds: Sequence[int]) -> pd.DataFrame:
    """The measures of each block that keeps the shape, at one image a group; one row per image and block."""
    net, images = networks.network(setting), networks.groups(setting, seeds)
    with torch.no_grad():
        states = net.states(images.x)
    records = []
    for stage, position in chosen(net, setting.stages):
        block = net.blocks[position]
        assert isinstance(block, Block)
        for image, seed in enumerate(seeds):
            found = measured(block, states[position][image : image + 1], seed)
            records.append({"seed": seed, "stage": stage, "block": position, **found})
    return pd.DataFrame(records).assign(depth=setting.depth)


def chosen(net: Stack, stages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stage and position of each block that keeps the shape, of some stages."""
    free, stage = lesion.removable(net), 0
    for position in range(len(net.blocks)):
        stage += position not in free
        if position in free and stage in stages:
            yield stage, position


def measured(block: Block, x: Tensor, seed: int) -> dict[str, float]:
    """What is measured of one block at one state.

    `near` is the share of the block's eigenvalues within `NEAR` of 1, `exact` within `EXACT`, `alone` that of the
    branch's own eigenvalues within `NEAR` of 1, `radius` the largest modulus, `norm` the branch's spectral norm, and
    `identity` that of the shortcut.
    """
    matrix, count = hidden(block, x), x.numel()
    values = torch.linalg.eigvals(matrix)
    zeros = count - len(values)
    block_, alone = (values.abs() < NEAR).sum() + zeros, ((values - 1).abs() < NEAR).sum()
    radius = max([1.0] * (zeros > 0) + [float((1 + values).abs().max())] * (len(values) > 0))
    norms = [
        linalg.extreme_singular_values(
            jacobian.operator(path, x[0]), 1, tol=1e-3, generator=runtime.stream(seed, "published", "norm")
        ).values.item()
        for path in (block.branch, block.shortcut)
    ]
    return {
        "near": float(block_) / count,
        "exact": float((values.abs() < EXACT).sum() + zeros) / count,
        "alone": float(alone) / count,
        "radius": radius,
        "norm": norms[0],
        "identity": norms[1],
    }


def hidden(block: Block, x: Tensor) -> Tensor:
    """`Q P` of a branch of two affine parts with a ReLU between them: from the hidden units that are on to themselves.

    Raises:
        ValueError: Where the branch has another form.
    """
    layers = list(block.branch) if isinstance(block.branch, nn.Sequential) else []
    cuts = [i for i, layer in enumerate(layers) if isinstance(layer, nn.ReLU)]
    affine = nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d
    if len(cuts) != 1 or not all(isinstance(layer, affine) for i, layer in enumerate(layers) if i not in cuts):
        raise ValueError("the branch is not of the form affine, ReLU, affine, which that of the original unit is")
    first, second = nn.Sequential(*layers[: cuts[0]]), nn.Sequential(*layers[cuts[0] + 1 :])
    with torch.no_grad():
        units = first(x)
        on = (units > 0).flatten().nonzero().flatten()
        rows = []
        for piece in on.split(AT_ONCE):
            basis = torch.zeros(len(piece), units.numel(), dtype=x.dtype)
            basis[torch.arange(len(piece)), piece] = 1
            state = _linear(second, basis.view(len(piece), *units.shape[1:]))
            rows.append(_linear(first, state).flatten(1)[:, on])
    return torch.cat(rows).mT if rows else torch.zeros(0, 0, dtype=x.dtype)


def _linear(part: nn.Module, x: Tensor) -> Tensor:
    return part(x) - part(torch.zeros_like(x[:1]))


def median(table: pd.DataFrame, column: str, depth: int = 56, stage: int = 2) -> np.ndarray:
    """Median over the blocks of one stage of a network, one value an image."""
    chosen = table[(table["depth"] == depth) & (table["stage"] == stage)]
    return chosen.groupby("seed")[column].median().to_numpy()


def near(table: pd.DataFrame) -> Evidence:
    """Share of eigenvalues within 0.5 of 1 at the median block, one value an image; control: without the shortcut."""
    return Evidence(median(table, "near"), median(table, "alone"))


def exact(table: pd.DataFrame) -> Evidence:
    """Share of eigenvalues that are exactly 1 at the median block, one value an image; control: without the shortcut.

    Of the branch alone those within 0.5 of 1 are counted, which are more than those that are 1.
    """
    return Evidence(median(table, "exact"), median(table, "alone"))


def small(table: pd.DataFrame) -> Evidence:
    """Spectral norm of the branch's Jacobian at the median block, one value an image; control: that of the shortcut."""
    return Evidence(median(table, "norm"), median(table, "identity"))


SPECTRA = Experiment(
    name="published-spectra",
    agrees=ROUNDED,
    trial=trial,
    quick=Grid(settings=(Spectra(20), Spectra(56)), seeds=(0,)),
    full=Grid(settings=tuple(Spectra(depth, stages=(1, 2)) for depth in DEPTHS), seeds=tuple(range(8))),
    data=DATA,
)
