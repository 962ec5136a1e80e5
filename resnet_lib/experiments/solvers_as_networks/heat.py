"""The heat equation: one explicit step is a residual block, and a stack of them blows up beyond the ratio 1/2."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.linalg.grids import Ends, Line
from resnet_lib.nets import dynamics
from resnet_lib.nets.merges import Add
from resnet_lib.sweep import Experiment

DRAWS = tuple(range(20))
MANY_DRAWS = tuple(range(200))
HEAT = (1.0, -2.0, 1.0)
PADDING: dict[Ends, Literal["circular", "replicate"]] = {"periodic": "circular", "no-flux": "replicate"}
"""What torch calls the ends of a line, for kernels of three taps."""


def layer(kernel: Sequence[float], ends: Ends) -> nets.Block:
    """A residual block with one convolution as its branch: `u + kernel * u`, in float64."""
    branch = nn.Conv1d(1, 1, 3, padding=1, padding_mode=PADDING[ends], bias=False, dtype=torch.float64)
    branch.weight = nn.Parameter(torch.tensor(kernel, dtype=torch.float64)[None, None], requires_grad=False)
    return nets.Block(branch, nn.Identity(), Add())


def stacked(kernel: Sequence[float], ends: Ends, layers: int, u: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
    """What `layers` equal blocks make of some bars."""
    return dynamics.Repeat(layer(kernel, ends), layers)(u[:, None])[:, 0]


@dataclass(frozen=True)
class Bar:
    """Bars of random temperature under `layers` heat steps of the ratio `ratio`, `alpha dt / dx^2`."""

    ends: Ends
    ratio: float
    points: int = 64
    layers: int = 200


def heat_trial(setting: Bar, seeds: Sequence[int]) -> pd.DataFrame:
    """The stack of blocks against the modes of the line, and what it makes of the fastest mode; one row per draw."""
    n, r, layers = setting.points, setting.ratio, setting.layers
    line = Line(n, setting.ends)
    draws = [torch.randn(n, generator=runtime.stream(seed, "heat"), dtype=torch.float64) for seed in seeds]
    u = torch.stack(draws)
    angles, modes = line.modes()
    factors = 1 - 4 * r * torch.sin(angles / 2) ** 2
    exact = ((u @ modes) * factors**layers) @ modes.mT
    found, off = (stacked([s * r * tap for tap in HEAT], setting.ends, layers, u) for s in (1, 1.01))
    zigzag = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(n // 2)[None]
    grown = stacked([r * tap for tap in HEAT], setting.ends, layers, zigzag)
    return pd.DataFrame(
        {
            "seed": list(seeds),
            "difference": ((found - exact).norm(dim=1) / exact.norm(dim=1)).numpy(),
            "off": ((off - exact).norm(dim=1) / exact.norm(dim=1)).numpy(),
            "gain": (found.norm(dim=1) / u.norm(dim=1)).numpy(),
            "zigzag": float(grown.norm() / zigzag.norm()),
        }
    )


STABLE = (0.05, 0.1, 0.25, 0.4, 0.5)
UNSTABLE = (0.51, 0.55, 0.6, 0.75)
_BARS = (*(Bar(ends, r) for ends in PADDING for r in STABLE), *(Bar("periodic", r) for r in UNSTABLE))
BARS = Experiment.repeated("solvers-heat", heat_trial, _BARS, quick=DRAWS, full=MANY_DRAWS, group=50)


def block(table: pd.DataFrame) -> Evidence:
    """Relative difference of the stack and the modes, one value per draw and ratio; control: a ratio 1% too large."""
    rows = table[table["ratio"] <= 0.5]
    return Evidence(rows["difference"].to_numpy(), rows["off"].to_numpy())


def stable(table: pd.DataFrame) -> Evidence:
    """Gain of a random bar's norm for ratios up to 1/2, one value per draw and ratio; control: ratios from 0.51 on."""
    small = table["ratio"] <= 0.5
    return Evidence(table.loc[small, "gain"].to_numpy(), table.loc[~small, "gain"].to_numpy())


def growth(table: pd.DataFrame) -> Evidence:
    """Growth of the zigzag over `(4r - 1)^L`, minus 1; control: over the prediction for a ratio smaller by 0.001."""
    rows = table[(table["ratio"] > 0.5) & (table["seed"] == 0)]

    def apart(ratio: pd.Series) -> np.ndarray:
        return (rows["zigzag"] / (4 * ratio - 1) ** rows["layers"] - 1).to_numpy()

    return Evidence(apart(rows["ratio"]), apart(rows["ratio"] - 0.001))


@dataclass(frozen=True)
class Shown:
    """The bar of the figure: insulated, hot in its first third; its fastest mode goes through `longest` layers."""

    points: int = 32
    longest: int = 200


def shown_trial(setting: Shown, seeds: Sequence[int]) -> pd.DataFrame:
    """Rows of three kinds: temperatures (`profile`), growth of the fastest mode (`growth`), and each `mode` of the bar.

    A row `mode` has in `u` what the mode of angle `ratio` gives to the point `x` at the start.
    """
    line = Line(setting.points, "no-flux")
    start = (torch.arange(setting.points) < setting.points // 3).double()
    rows = []
    for ratio in (0.25, 0.51):
        for layers in (0, 20, 50, 100):
            u = stacked([ratio * tap for tap in HEAT], line.ends, layers, start[None])[0] if layers else start
            rows += [("profile", ratio, layers, float(x), value) for x, value in enumerate(u.tolist())]
    fastest = line.modes().vectors[:, -1:].mT
    for ratio in np.linspace(0.47, 0.6, 27):
        grown = stacked([ratio * tap for tap in HEAT], line.ends, setting.longest, fastest)
        rows.append(("growth", float(ratio), setting.longest, 0.0, float(grown.norm())))
    angles, modes = line.modes()
    parts = modes * (start @ modes)
    for angle, part in zip(angles.tolist(), parts.mT.tolist(), strict=True):
        rows += [("mode", angle, 0, float(x), value) for x, value in enumerate(part)]
    table = pd.DataFrame(rows, columns=["kind", "ratio", "layers", "x", "u"])
    return table.round({"ratio": 6}).assign(u=[float(f"{u:.5g}") for u in table["u"]], seed=seeds[0])


SHOWN = Experiment.repeated("solvers-heat-shown", shown_trial, (Shown(),), quick=(0,), full=(0,))
