"""Drawn functions on [0, 1]: what the identity adds to the variation of one, and what a stack of blocks makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import variation
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import initialisation
from resnet_lib.nets.merges import Add
from resnet_lib.sweep import Columns, Experiment, Grid

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))
CORNERS = 200
ROUGH = 10.0  # of a function whose variation is larger than that of the identity by so much


@dataclass(frozen=True)
class Functions:
    """Random functions on [0, 1], ``count`` a draw.

    ``polygon`` has 200 pieces of random length and increments of Gaussian size and a common drift; the sizes are
    spread over four decades. ``network`` is a ReLU network of one to three hidden layers of 16 units at its random
    start, and is traced: once alone, and once as the branch of a block with an identity shortcut.
    """

    family: str
    count: int


def polygons(seed: int, count: int, *path: str) -> tuple[Float[Tensor, "count n"], Float[Tensor, "count n"]]:
    """Points and values of random polygons, the first at 0 and the last at 1."""
    generator = runtime.stream(seed, "polygons", *path)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    lengths = uniform(count, CORNERS) + 0.01
    points = torch.cat([torch.zeros(count, 1), (lengths / lengths.sum(1, keepdim=True)).cumsum(1)], 1)
    points[:, -1] = 1.0
    steps = torch.randn(count, CORNERS, generator=generator, dtype=torch.float64)
    drift = 6 * uniform(count, 1) - 3
    size = 10 ** (4 * uniform(count, 1) - 2)
    values = torch.cat([torch.zeros(count, 1), size * (steps + drift).cumsum(1) / CORNERS], 1)
    return points, values


def network(seed: int, nth: int) -> nn.Sequential:
    """A ReLU network of one input and one output at its random start, whose first layer bends inside of [0, 1]."""
    generator = runtime.stream(seed, "network", nth)
    layers: list[nn.Module] = [nn.Linear(1, 16, dtype=torch.float64), nn.ReLU()]
    for _ in range(nth % 3):
        layers += [nn.Linear(16, 16, dtype=torch.float64), nn.ReLU()]
    net = initialisation.initialise(nn.Sequential(*layers, nn.Linear(16, 1, dtype=torch.float64)), generator)
    with torch.no_grad():
        first = net.get_submodule("0")
        assert isinstance(first, nn.Linear)
        first.bias.copy_(-first.weight[:, 0] * torch.rand(16, generator=generator, dtype=torch.float64))
    return net


def outside(alone: Float[Tensor, " n"], added: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How far TV(x + F) is outside of the band around TV(F), relative to its upper end; negative inside."""
    return torch.maximum(added - (alone + 1), (alone - 1).abs() - added) / (alone + 1)


def band_trial(setting: Functions, seeds: Sequence[int]) -> pd.DataFrame:
    """How far the sums are outside of the band, at most; and monotone functions at its ends; one row per draw.

    `above` is the least of TV(x + F) - TV(F) over increasing functions. `ends` is the largest relative distance from
    the end of the band that a monotone function should reach, `inner` the least of a periodic one with slopes in
    (-1, 1) from both ends.
    """
    rows = []
    for seed in seeds:
        if setting.family == "network":
            pairs = []
            for nth in range(setting.count):
                branch = network(seed, nth)
                block = nets.Block(branch, nn.Identity(), Add())
                pairs.append([variation.trace(f).variation for f in (branch, block)])
            alone, added = torch.tensor(pairs, dtype=torch.float64).T
        else:
            points, values = polygons(seed, setting.count)
            alone, added = variation.total(values), variation.total(points + values)
        points, values = polygons(seed, setting.count, "monotone")
        rise = values.diff(dim=1).abs().cumsum(1)
        rise = torch.cat([torch.zeros(len(rise), 1), rise], 1)
        steep = -rise - points  # slopes below -1 everywhere
        high = variation.total(points + rise) / (variation.total(rise) + 1) - 1
        low = variation.total(points + steep) / (variation.total(steep) - 1) - 1
        wave = torch.sin(2 * np.pi * (1 + seed % 5) * points) * 0.9 / (2 * np.pi * (1 + seed % 5))
        waved, wave = variation.total(points + wave), variation.total(wave)
        rows.append(
            {
                "seed": seed,
                "outside": float(outside(alone, added).max()),
                "above": float((variation.total(points + rise) - variation.total(rise)).min()),
                "ends": float(torch.maximum(high.abs(), low.abs()).max()),
                "inner": float(torch.minimum(1 - waved / (wave + 1), waved / (wave - 1).abs() - 1).min()),
            }
        )
    return pd.DataFrame(rows)


BAND = Experiment(
    name="variation-band",
    trial=band_trial,
    quick=Grid(settings=(Functions("polygon", 500), Functions("network", 6)), seeds=DRAWS),
    full=Grid(settings=(Functions("polygon", 500), Functions("network", 6)), seeds=MANY_DRAWS, group=20),
    agrees=Columns("exact", {"outside": "noise", "ends": "noise"}),
)


def band(table: pd.DataFrame) -> Evidence:
    """Distance outside of the band, one value per family and draw; control: excess over TV(F) of increasing ones."""
    return Evidence(values=table["outside"].to_numpy(), control=table["above"].to_numpy())


def ends(table: pd.DataFrame) -> Evidence:
    """Distance of monotone functions from the ends, one value per family and draw; control: periodic flat ones."""
    return Evidence(values=table["ends"].to_numpy(), control=table["inner"].to_numpy())


@dataclass(frozen=True)
class Rough:
    """Waves ``a sin(2 pi (k x + c))`` of random frequency ``k`` from 3 to 20, phase and variation up to ``most``."""

    most: float
    count: int = 50


def rough_trial(setting: Rough, seeds: Sequence[int]) -> pd.DataFrame:
    """What the identity changes of waves whose variation is above 10; means over the waves, one row per draw.

    `ratio` is TV(x + F) / TV(F), and `halved` that of (x + F) / 2. `turns` is the share of the turning points that are
    left, and `flat` the same for waves scaled to a steepest slope of 0.9. All on a grid of 4,001 points.
    """
    x = torch.linspace(0, 1, 4_001, dtype=torch.float64)
    rows = []
    for seed in seeds:
        u = torch.rand(3, setting.count, 1, generator=runtime.stream(seed, "rough"), dtype=torch.float64)
        k = 3 + 17 * u[0]
        unit = torch.sin(2 * np.pi * (k * x + u[1]))
        wave = unit * ROUGH * (setting.most / ROUGH) ** u[2] / variation.total(unit)[:, None]
        flat = unit * 0.9 / (2 * np.pi * k)
        ratio = variation.total(x + wave) / variation.total(wave)
        rows.append(
            {
                "seed": seed,
                "ratio": float(ratio.mean()),
                "halved": float(ratio.mean() / 2),
                "turns": float((variation.turns(x + wave) / variation.turns(wave)).mean()),
                "flat": float((variation.turns(x + flat) / variation.turns(flat)).mean()),
            }
        )
    return pd.DataFrame(rows)


ROUGHNESS = Experiment.repeated("variation-rough", rough_trial, (Rough(most=200.0),), DRAWS, MANY_DRAWS, group=20)


def anchor(table: pd.DataFrame) -> Evidence:
    """TV(x + F) / TV(F), one value per draw; control: half of the sum."""
    return Evidence(values=table["ratio"].to_numpy(), control=table["halved"].to_numpy())


def turning(table: pd.DataFrame) -> Evidence:
    """Share of the turning points that the identity leaves, one value per draw; control: waves of slopes below 1."""
    return Evidence(values=table["turns"].to_numpy(), control=table["flat"].to_numpy())


@dataclass(frozen=True)
class Tents:
    """Stacks of ``depth`` blocks ``x + c (T(x) - x)`` with a tent ``T`` whose peak lies anywhere from 0.3 to 0.7.

    ``strength`` is ``c``: 1 for the tent itself. Below 0, its absolute value is a share of the largest ``c`` at which
    the branch's slope stays inside of (-1, 1).
    """

    depth: int
    strength: float = 1.0


def tent_block(peak: float, strength: float) -> nets.Block:
    """The residual block ``x + c (T(x) - x)``; its branch is a ReLU network with two hidden units."""
    branch = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    first, last = branch[0], branch[2]
    with torch.no_grad():
        first.weight.fill_(1.0)  # pyright: ignore[reportArgumentType, reportCallIssue]
        first.bias.copy_(torch.tensor([0.0, -peak], dtype=torch.float64))  # pyright: ignore[reportArgumentType, reportCallIssue]
        slopes = torch.tensor([[1 / peak - 1, -1 / peak - 1 / (1 - peak)]], dtype=torch.float64)
        last.weight.copy_(strength * slopes)  # pyright: ignore[reportArgumentType, reportCallIssue]
        last.bias.zero_()  # pyright: ignore[reportCallIssue]
    return nets.Block(branch, nn.Identity(), Add())


def steepest(peak: float) -> float:
    """The largest strength at which the branch's slope stays inside of (-1, 1)."""
    return min((1 - peak) / (2 - peak), peak / (1 - peak))


def tents_trial(setting: Tents, seeds: Sequence[int]) -> pd.DataFrame:
    """Exact variation of the stack, its branch's and its net change; one row per draw."""
    rows = []
    for seed in seeds:
        peak = 0.3 + 0.4 * float(torch.rand(1, generator=runtime.stream(seed, "tent"), dtype=torch.float64))
        c = setting.strength if setting.strength > 0 else -setting.strength * steepest(peak)
        blocks = [tent_block(peak, c) for _ in range(setting.depth)]
        found = variation.trace(nn.Sequential(*blocks))
        rows.append(
            {
                "seed": seed,
                "variation": found.variation,
                "net": abs(float(found.values[-1] - found.values[0])),
                "pieces": len(found.points) - 1,
                "branch": variation.trace(blocks[0].branch).variation,
            }
        )
    return pd.DataFrame(rows)


SMALL = -0.9
_STACKS = tuple(Tents(depth, strength) for strength in (1.0, SMALL) for depth in (1, 2, 3, 4, 6, 8))
TENTS = Experiment.repeated("variation-tents", tents_trial, _STACKS, DRAWS[:10], MANY_DRAWS[:50], group=10)


def depth(table: pd.DataFrame) -> Evidence:
    """log2 of the variation per block, one value per depth and draw; control: branches of slopes below 1."""
    rate = np.log2(table["variation"]) / table["depth"]
    return Evidence(rate[table["strength"] == 1].to_numpy(), rate[table["strength"] == SMALL].to_numpy())  # pyright: ignore[reportAttributeAccessIssue]


def small(table: pd.DataFrame) -> Evidence:
    """Share of the variation that is no net change, one value per depth and draw; control: the tents themselves."""
    share = 1 - table["net"] / table["variation"]
    return Evidence(share[table["strength"] == SMALL].to_numpy(), share[table["strength"] == 1].to_numpy())


@dataclass(frozen=True)
class Pairs:
    """Functions of one family, whose variation is shown with and without the identity, ``count`` a draw."""

    family: str
    count: int = 40


FAMILIES = ("increasing", "falling", "waves", "walks", "networks", "tents")


def pairs_trial(setting: Pairs, seeds: Sequence[int]) -> pd.DataFrame:
    """Variation alone and with the identity added; one row per function."""
    pieces = []
    for seed in seeds:
        points, values = polygons(seed, setting.count, "shown")
        generator = runtime.stream(seed, "pairs", setting.family)
        size = 5 * torch.rand(setting.count, 1, generator=generator, dtype=torch.float64)
        if setting.family in ("networks", "tents"):
            found = []
            for nth in range(setting.count):
                share = (nth + 0.5) / setting.count
                if setting.family == "tents":
                    block = tent_block(0.5, 2 * share)
                else:
                    block = nets.Block(network(seed, nth), nn.Identity(), Add())
                found.append([variation.trace(f).variation for f in (block.branch, block)])
            alone, added = np.transpose(found)
        else:
            steps = values.diff(dim=1)
            steps = {
                "increasing": steps.abs(),
                "falling": -steps.abs(),
                "walks": steps - steps.mean(1, keepdim=True),
            }.get(setting.family, steps)
            shape = torch.cat([torch.zeros(setting.count, 1), steps.cumsum(1)], 1)
            if setting.family == "waves":
                shape = torch.sin(2 * np.pi * (1 + torch.arange(setting.count)[:, None] % 6) * points)
            shape = size * shape / variation.total(shape)[:, None]
            alone, added = (variation.total(each).numpy() for each in (shape, points + shape))
        pieces.append(pd.DataFrame({"seed": seed, "alone": alone, "added": added}))
    return pd.concat(pieces, ignore_index=True)


_SHOWN = Grid(settings=tuple(Pairs(family) for family in FAMILIES), seeds=(0,))
PAIRS = Experiment("variation-pairs", pairs_trial, quick=_SHOWN, full=_SHOWN)
