"""Deep networks with random weights: what they tend to as the depth grows, by the size of the branches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.euler_and_its_limit.orders import (
    DRAWS,
    MANY_DRAWS,
    gaussian,
    independent_end,
    smooth_weights,
    times,
)
from resnet_lib.sweep import Experiment, Grid


@dataclass(frozen=True)
class Limit:
    """Networks ``x + L^-power V_l tanh x`` of growing depth; ``weights`` are ``smooth`` in depth or ``independent``."""

    weights: str
    power: float
    dimension: int = 16
    depths: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)


def limit_trial(setting: Limit, seeds: Sequence[int]) -> pd.DataFrame:
    """Displacement, and distance to the network of twice the depth; one row per draw and depth."""
    start = gaussian(seeds, "limit", "start", shape=(setting.dimension,))
    weights = smooth_weights(seeds, "limit", d=setting.dimension)
    finest = 2 * max(setting.depths)

    def end(depth: int) -> Tensor:
        if setting.weights == "independent":
            return independent_end(seeds, depth, finest, setting.power, start)
        x = start
        for layer in range(depth):
            x = x + depth**-setting.power * times(weights(layer / depth), x.tanh())
        return x

    ends = {depth: end(depth) for depth in sorted({*setting.depths, *(2 * n for n in setting.depths)})}
    rows = [
        pd.DataFrame(
            {
                "seed": list(seeds),
                "depth": depth,
                "displacement": (ends[depth] - start).norm(dim=1).numpy(),
                "difference": (ends[2 * depth] - ends[depth]).norm(dim=1).numpy(),
            }
        )
        for depth in setting.depths
    ]
    return pd.concat(rows, ignore_index=True)


POWERS = (0.25, 0.5, 1.0)
LIMITS = Experiment(
    name="ode-limits",
    trial=limit_trial,
    quick=Grid(settings=tuple(Limit(w, p) for w in ("smooth", "independent") for p in POWERS), seeds=DRAWS),
    full=Grid(
        settings=tuple(Limit(w, p, dimension=64) for w in ("smooth", "independent") for p in POWERS),
        seeds=MANY_DRAWS,
        group=20,
    ),
)


def exponents(table: pd.DataFrame, column: str) -> pd.Series:
    """Slope of the log of a column against log depth; by weights, power and draw."""

    def slope(rows: pd.DataFrame) -> float:
        return float(np.polyfit(np.log(rows["depth"]), np.log(rows[column]), 1)[0])

    return table.groupby(["weights", "power", "seed"])[["depth", column]].apply(slope)


def _limit(column: str, value: tuple[str, float], control: tuple[str, float]):
    def measure(table: pd.DataFrame) -> Evidence:
        found = exponents(table, column)
        return Evidence(values=found[value].to_numpy(), control=found[control].to_numpy())

    measure.__doc__ = f"Exponent of the {column} with depth: {value}, one value per draw; control: {control}."
    return measure


smooth = _limit("difference", ("smooth", 1.0), ("independent", 1.0))
smooth_moves = _limit("displacement", ("smooth", 1.0), ("independent", 1.0))
independent = _limit("displacement", ("independent", 1.0), ("smooth", 1.0))
diffusion = _limit("difference", ("independent", 0.5), ("smooth", 1.0))
larger = _limit("displacement", ("independent", 0.25), ("independent", 0.5))


def laws(table: pd.DataFrame) -> Evidence:
    """Mean distance of the displacements' exponents from theory, one value per draw; control: theories exchanged."""
    found = exponents(table, "displacement").reset_index(name="found")
    top = found["weights"].map({"smooth": 1.0, "independent": 0.5})
    right = (found["found"] - (top - found["power"])).abs().groupby(found["seed"]).mean()
    wrong = (found["found"] - (1.5 - top - found["power"])).abs().groupby(found["seed"]).mean()
    return Evidence(values=right.to_numpy(), control=wrong.to_numpy())


@dataclass(frozen=True)
class Trajectory:
    """One deep network, for its picture: weights that are correlated in depth, branches of size ``L^-power``.

    Attributes:
        power: Exponent of the branches' size.
        length: Correlation length of the weights, as a fraction of the depth; 0 for independent ones.
        depth: Number of blocks, ``L``.
        dimension: Units of a state.
        shown: How many of these the picture shows.
    """

    power: float
    length: float
    depth: int = 512
    dimension: int = 16
    shown: int = 6


def trajectory_trial(setting: Trajectory, seeds: Sequence[int]) -> pd.DataFrame:
    """Some coordinates along depth; one row per coordinate and moment."""
    d, depth = setting.dimension, setting.depth
    noise = gaussian(seeds, "trajectory", shape=(2 * depth, d, d))
    lags = torch.arange(-depth, depth + 1, dtype=torch.float64) / depth
    kernel = torch.exp(-(lags**2) / max(setting.length, 1e-9) ** 2)
    kernel = kernel / kernel.norm()  # each weight keeps its size; neighbours are alike within the length
    x, path = gaussian(seeds, "trajectory", "start", shape=(d,)), []
    path.append(x)
    spectrum = torch.fft.rfft(noise, n=4 * depth, dim=1) * torch.fft.rfft(kernel, n=4 * depth)[None, :, None, None]
    weights = torch.fft.irfft(spectrum, n=4 * depth, dim=1)[:, depth : 2 * depth] / d**0.5
    for layer in range(depth):
        x = x + depth**-setting.power * times(weights[:, layer], x.tanh())
        path.append(x)
    states = torch.stack(path)[:: depth // 32, :, : setting.shown]
    moment, seed, coordinate = np.indices(states.shape)
    values = states.numpy().ravel().clip(-200, 200)
    table = {"moment": moment.ravel() / (len(states) - 1), "coordinate": coordinate.ravel(), "x": values.round(3)}
    return pd.DataFrame({"seed": np.array(seeds)[seed.ravel()]} | table)


_TRAJECTORIES = tuple(Trajectory(p, l) for p in (0.25, 0.5, 0.75, 1.0) for l in (0.0, 0.02, 0.1, 0.5))
TRAJECTORIES = Experiment.repeated("ode-trajectories", trajectory_trial, _TRAJECTORIES, quick=(0,), full=(0,))
