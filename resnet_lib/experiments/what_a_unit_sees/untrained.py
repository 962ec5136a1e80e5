"""Random networks before any training: how wide the energy map of a central unit is, by depth and kind of block.

Fields are those of a unit of the last state in the first one, so that the stem has no part in them.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import fields, statistics
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Stack, Unit
from resnet_lib.sweep import ROUNDED, Experiment, Grid

FAMILIES = ("plain", "residual", "scaled", "batch", "strong")
"""Pre-activation blocks of two 3x3 layers, He's initialisation: without shortcuts; as they are; with branches times
`1/sqrt(L)`; with batch normalisation; with branches times `STRONG`, beside which a shortcut hardly counts."""
STRONG = 10.0
LEFT = 1 - 1 / math.pi
"""Variance of a channel behind a ReLU and a layer of He's, the input's being 1: of `relu(z)`, times 2."""
STEM = 2.0
"""Variance of a channel behind the stem, that of the noise being 1."""


@dataclass(frozen=True)
class Untrained:
    """A random network, and the noise that it sees.

    Attributes:
        family: One of `FAMILIES`.
        blocks: Their number.
        side: Pixels of a side of the image.
        width: Channels.
        probes: Random weights of channels, over which energies are summed.
        estimated: Images of noise from which batch normalisations have their statistics.
    """

    family: str
    blocks: int
    side: int
    width: int = 16
    probes: int = 4
    estimated: int = 4


def untrained_trial(setting: Untrained, seeds: Sequence[int]) -> pd.DataFrame:
    """Variance along an axis and share on the central pixel of the energy map, beside the law's; one row per draw."""
    records = []
    for seed in seeds:
        one = energy(setting, seed)
        variance, centre = float(fields.width(one)) ** 2, float(fields.within(one, 0))
        records.append({"seed": seed, "variance": variance, "centre": centre})
    predicted = fields.law_width(shares(setting.family, setting.blocks)) ** 2
    return pd.DataFrame(records).assign(family=setting.family, blocks=setting.blocks, predicted=predicted)


def maps_trial(setting: Untrained, seeds: Sequence[int]) -> pd.DataFrame:
    """The energy map within `REACH` pixels of the centre; one row per draw and pixel."""
    offsets = np.arange(-REACH, REACH + 1)
    rows, columns = (grid.ravel() for grid in np.meshgrid(offsets, offsets, indexing="ij"))
    found = []
    for seed in seeds:
        middle = setting.side // 2
        part = energy(setting, seed)[0, middle - REACH : middle + REACH + 1, middle - REACH : middle + REACH + 1]
        one = {"seed": seed, "family": setting.family, "row": rows, "column": columns, "energy": part.flatten().numpy()}
        found.append(pd.DataFrame(one))
    return pd.concat(found, ignore_index=True)


@functools.lru_cache(maxsize=256)
def energy(setting: Untrained, seed: int) -> Tensor:
    """The energy map of the central unit of one random network at one image of noise; (1, side, side)."""
    draw = runtime.stream(seed, "fields", "noise", setting.side)
    net = network(setting, seed)
    noise = torch.randn(1 + setting.estimated, 3, setting.side, setting.side, generator=draw)
    probes = torch.randn(setting.probes, setting.width, generator=runtime.stream(seed, "fields", "probes"))
    with torch.no_grad():
        if setting.family == "batch":
            with statistics.estimating(net):
                net(noise[1:])
        first = net.stem(noise[:1])
    return fields.energy(fields.gradients(nn.Sequential(*net.blocks), first, probes))


def network(setting: Untrained, seed: int) -> Stack:
    """The random network of a setting, in evaluation mode; a place has the same weights in all families."""
    draw = runtime.stream(seed, "fields", "network")
    net = nets.conv_net((setting.blocks,), (setting.width,), unit=unit_of(setting), generator=draw)
    return net.eval().requires_grad_(False)


def unit_of(setting: Untrained) -> Unit:
    """The recipe of the setting's blocks.

    Example:
        >>> unit_of(Untrained("scaled", 4, 9)).alpha
        0.5
    """
    bare = Unit(order="pre", norm="none")
    return {
        "plain": bare.plain(),
        "residual": bare,
        "scaled": replace(bare, alpha=setting.blocks**-0.5),
        "batch": Unit(order="pre"),
        "strong": replace(bare, alpha=STRONG),
    }[setting.family]


def shares(family: str, blocks: int) -> list[float]:
    """By the law, the share of the energy that comes through each block's branch.

    A branch of two ReLUs and two layers of He's has the gain 1. Batch normalisation divides by what it reads: by the
    state's variance `STEM + LEFT l`, and inside by `LEFT`.
    """
    gains = {
        "plain": [math.inf] * blocks,
        "residual": [1.0] * blocks,
        "scaled": [1 / blocks] * blocks,
        "batch": [1 / (LEFT * (STEM + LEFT * place)) for place in range(blocks)],
        "strong": [STRONG**2] * blocks,
    }[family]
    return [fields.share(gain) for gain in gains]


def side(blocks: int) -> int:
    """An odd number of pixels that the plain map fits in, to four standard deviations and some more."""
    return int(8 * (2 * fields.TAP * blocks) ** 0.5 + 9) | 1


REACH = 12
"""Pixels on each side of the centre that a map shows."""
NARROW = 15
"""Pixels of a side for scaled branches, whose field is narrow at every depth."""


def _settings(depths: Sequence[int], scaled: Sequence[int]) -> list[Untrained]:
    made = [Untrained(family, blocks, side(blocks)) for family in ("plain", "residual", "batch") for blocks in depths]
    made += [Untrained("scaled", blocks, NARROW) for blocks in scaled]
    return [*made, Untrained("strong", COMPARED, side(COMPARED))]


COMPARED = 12
"""Blocks of the plain and the residual network whose widths are compared."""

UNTRAINED = Experiment(
    name="fields-untrained",
    trial=untrained_trial,
    quick=Grid(_settings((3, 6, COMPARED), (10, 60)), seeds=range(12), group=6),
    full=Grid(_settings((3, 6, COMPARED, 24), (10, 30, 100)), seeds=range(60), group=10),
    agrees=ROUNDED,
)
MAPS = Experiment.repeated(
    "fields-maps",
    maps_trial,
    [Untrained(family, COMPARED, side(COMPARED)) for family in ("plain", "residual", "batch", "scaled")],
    quick=range(6),
    full=range(60),
    group=6,
    agrees=ROUNDED,
)


def _of(table: pd.DataFrame, family: str, column: str) -> pd.DataFrame:
    """One row a draw and one column a depth."""
    return table[table["family"] == family].pivot(index="seed", columns="blocks", values=column)


def slopes(table: pd.DataFrame, family: str) -> np.ndarray:
    """Slope of the log of the width on the log of the number of blocks, by least squares, one value a draw."""
    variance = _of(table, family, "variance")
    logs = np.log(variance.columns.to_numpy(dtype=float))
    centred = logs - logs.mean()
    return np.log(variance.to_numpy()) @ centred / (centred @ centred) / 2


def focus_narrower(table: pd.DataFrame) -> Evidence:
    """Width of the residual network's field over the plain one's, a value a draw; control: branches times `STRONG`."""
    variance = {family: _of(table, family, "variance")[COMPARED] for family in ("plain", "residual", "strong")}
    found = ((variance[family] / variance["plain"]).pow(0.5).to_numpy() for family in ("residual", "strong"))
    return Evidence(*found)


def focus_energy(table: pd.DataFrame) -> Evidence:
    """Variance over the law's, mean over depths, one value a draw; control: over the law without the shortcut."""
    variance, predicted, without = (
        _of(table, *what) for what in (("residual", "variance"), ("residual", "predicted"), ("plain", "predicted"))
    )
    return Evidence(*((variance / other).mean(axis=1).to_numpy() for other in (predicted, without)))


def focus_centre(table: pd.DataFrame) -> Evidence:
    """Share on the central pixel with branches times `1/sqrt(L)`, deepest; control: as they are, at `COMPARED`."""
    scaled = _of(table, "scaled", "centre")
    deepest = scaled[max(scaled.columns)]
    return Evidence(deepest.to_numpy(), _of(table, "residual", "centre")[COMPARED].to_numpy())


def depth_start(table: pd.DataFrame) -> Evidence:
    """Slope of log width on log depth, branches as they are, one value a draw; control: times `1/sqrt(L)`."""
    return Evidence(slopes(table, "residual"), slopes(table, "scaled"))


def depth_batch(table: pd.DataFrame) -> Evidence:
    """Slope of log width on log depth with batch normalisation, a value a draw; control: branches times `1/sqrt(L)`."""
    return Evidence(slopes(table, "batch"), slopes(table, "scaled"))


def depth_scaled(table: pd.DataFrame) -> Evidence:
    """Slope of log width on log depth, branches times `1/sqrt(L)`, one value a draw; control: as they are."""
    return Evidence(slopes(table, "scaled"), slopes(table, "residual"))
