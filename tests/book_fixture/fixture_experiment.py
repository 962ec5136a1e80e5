"""The experiment of the fixture book: small, and with a formula of `resnet_lib.linalg` in it that a test can change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from resnet_lib import linalg, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Experiment, Grid


@dataclass(frozen=True)
class Gaussian:
    """A square matrix with entries of standard deviation `scale/sqrt(dimension)`."""

    dimension: int
    scale: float = 1.0


def trial(setting: Gaussian, seeds: Sequence[int]) -> pd.DataFrame:
    """Spectral radius of a draw, and of the same draw at half its size; one row per seed."""
    size = setting.scale / setting.dimension**0.5
    shape = (setting.dimension, setting.dimension)
    draws = np.stack([size * runtime.rng(seed, "fixture").standard_normal(shape) for seed in seeds])
    radius = linalg.spectral_radius(torch.from_numpy(draws)).numpy()
    return pd.DataFrame({"seed": list(seeds), "radius": radius, "half": radius / 2})


FIXTURE = Experiment(
    name="fixture-radius",
    trial=trial,
    quick=Grid(settings=(Gaussian(64),), seeds=tuple(range(8))),
    full=Grid(settings=(Gaussian(256),), seeds=tuple(range(20))),
)
EXPERIMENTS = (FIXTURE,)


def disc(table: pd.DataFrame) -> Evidence:
    """Spectral radius of each draw; the control is that of half its size."""
    return Evidence(values=table["radius"].to_numpy(), control=table["half"].to_numpy())


def draw(table: pd.DataFrame) -> Figure:
    """Spectral radius by draw."""
    figure = Figure()
    axes = figure.subplots()
    axes.plot(table["seed"], table["radius"], "o")
    axes.set_xlabel("draw")
    axes.set_ylabel("spectral radius")
    return figure
