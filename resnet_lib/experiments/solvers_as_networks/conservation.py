"""What keeps the total of a state: not the shortcut, but a branch that only moves what is there."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.solvers_as_networks.heat import DRAWS, HEAT, MANY_DRAWS, stacked
from resnet_lib.linalg.grids import Ends
from resnet_lib.nets import dynamics
from resnet_lib.nets.merges import Add
from resnet_lib.sweep import Experiment


class Exchange(nn.Module):
    """A branch that moves heat between neighbours, by any law: a random network of both temperatures says how much.

    What leaves a point enters the next one, and nothing passes the ends, but for a share `outlet` of the total that
    leaves through the last point.
    """

    def __init__(self, generator: torch.Generator, *, hidden: int = 8, outlet: float = 0.0):
        super().__init__()
        first, second = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((hidden, 2), hidden)
        )
        self.first, self.second = nn.Parameter(first, requires_grad=False), nn.Parameter(second, requires_grad=False)
        self.outlet = outlet

    def forward(self, u: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        """What enters each point from the left, minus what leaves it to the right."""
        pairs = torch.stack([u[:, :-1], u[:, 1:]], -1)
        inner = 0.1 * torch.relu(pairs @ self.first.mT) @ self.second
        closed, leaving = torch.zeros_like(u[:, :1]), self.outlet * u.sum(1, keepdim=True)
        flux = torch.cat([closed, inner, leaving], 1)
        return flux[:, :-1] - flux[:, 1:]


@dataclass(frozen=True)
class Total:
    """The total of positive states under `layers` layers with random branches."""

    points: int = 64
    layers: int = 10


def total_trial(setting: Total, seeds: Sequence[int]) -> pd.DataFrame:
    """Relative drift of the total under each kind of branch; one row per draw."""
    rows = []
    for seed in seeds:
        start = 0.5 + torch.rand(1, setting.points, generator=runtime.stream(seed, "total"), dtype=torch.float64)
        kernel = 0.1 * torch.randn(3, generator=runtime.stream(seed, "kernel"), dtype=torch.float64)
        closed = kernel - kernel.mean()

        def drift(end: Tensor, start: Tensor = start) -> float:
            return float((end.sum() - start.sum()).abs() / start.sum())

        def under(kernel: Sequence[float], ends: Ends, start: Tensor = start) -> float:
            return drift(stacked(kernel, ends, setting.layers, start))

        def exchanged(outlet: float, seed: int = seed, start: Tensor = start) -> float:
            branch = Exchange(runtime.stream(seed, "exchange"), outlet=outlet)
            return drift(dynamics.Repeat(nets.Block(branch, nn.Identity(), Add()), setting.layers)(start))

        rows.append(
            {
                "seed": seed,
                "random": under(kernel.tolist(), "periodic"),
                "heat": under([0.25 * tap for tap in HEAT], "periodic"),
                "closed": under(closed.tolist(), "periodic"),
                "leaking": under([0.25, -0.475, 0.25], "periodic"),
                "walls": under(closed.tolist(), "no-flux"),
                "walls_heat": under([0.25 * tap for tap in HEAT], "no-flux"),
                "exchange": exchanged(0.0),
                "outlet": exchanged(0.01),
            }
        )
    return pd.DataFrame(rows)


TOTAL = Experiment.repeated("solvers-conservation", total_trial, (Total(),), quick=DRAWS, full=MANY_DRAWS, group=50)


def _pair(value: str, control: str):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(values=table[value].to_numpy(), control=table[control].to_numpy())

    measure.__doc__ = f"`{value}`, one value per draw; control: `{control}`."
    return measure


skip = _pair("random", "heat")
divergence = _pair("closed", "leaking")
walls = _pair("walls", "walls_heat")
flux = _pair("exchange", "outlet")
