"""What the figure of the waves shows: norms along the steps, and densities for a grid of methods, steps and times."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from resnet_lib.experiments.solvers_as_networks import waves
from resnet_lib.ode import propagators
from resnet_lib.sweep import Columns, Experiment

START = {"centre": 8.0, "momentum": 1.4, "width": 1.2}
TIMES = (3.0, 6.0, 9.0, 12.0)
LENGTHS = (0.01, 0.03, 0.06, 0.1, 0.12)
EVERY = 20
EDGE = 0.6  # of densities; the chart ends there


@dataclass(frozen=True)
class Seen:
    """One packet before the hill, followed by a method."""

    method: str


def seen_trial(setting: Seen, seeds: Sequence[int]) -> pd.DataFrame:
    """Rows of two kinds: `norm` after every 20 steps of 0.03, and the `density` at some times for some steps.

    A density has the norm of its wave beside it. Norms are kept below 1e100 and densities below the chart's edge, in
    three digits.
    """
    line, potential = waves.LINE, waves.hill(waves.LINE, 1.0)
    start = propagators.joined(waves.packet(line, **START))
    rows = []
    if setting.method != "exact":
        step = waves.step_of(setting.method, line, potential, waves.STEP)
        x = start
        for n in range(waves.STEPS + 1):
            if n % EVERY == 0:
                rows.append(("norm", waves.STEP, float(n), 0.0, 0.0, float(x.norm())))
            x = x @ step.mT
    for length in LENGTHS if setting.method != "exact" else (3.0,):
        step, x, n = waves.step_of(setting.method, line, potential, length), start, 0
        for time in TIMES:
            while n < round(time / length):
                x, n = x @ step.mT, n + 1
            norm = float(x.norm())
            density = propagators.parted(x)[::2].abs() ** 2 / line.spacing
            places = torch.arange(0, line.points, 2) * line.spacing
            for place, value in zip(places.tolist(), density.clamp(max=EDGE).tolist(), strict=True):
                rows.append(("density", length, time, place, value, norm))
    table = pd.DataFrame(rows, columns=["kind", "step", "time", "x", "density", "norm"])
    table["norm"] = [float(f"{min(value, 1e100):.3g}") for value in table["norm"]]
    return table.round({"x": 3, "density": 3}).assign(seed=seeds[0])


EXPLORER = Experiment.repeated(
    "solvers-waves-shown",
    seen_trial,
    tuple(map(Seen, (*waves.METHODS, "exact"))),
    quick=(0,),
    full=(0,),
    agrees=Columns("exact", {"density": "noise", "norm": "noise"}),
)
