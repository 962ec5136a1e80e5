"""Chains with random slopes: how many have a gain between a tenth and ten, and about which mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.one_number_twenty_layers.chains import forward
from resnet_lib.sweep import Experiment

SIZES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 1.8, 2.2, 3.0, 5.0)
SMALL = 0.2  # the largest size that counts as a small initialisation
WITHIN = 1.0  # decades either way, in which a gain counts as healthy
DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(100))


@dataclass(frozen=True)
class Defaults:
    """Chains whose slopes are normal, independent from layer to layer, for each of the standard deviations `sizes`.

    Attributes:
        kind: `plain` or `residual`, as in `chains`.
        mean: Of the slopes.
        sizes: Their standard deviations.
        layers: Of a chain.
        chains: How many are drawn for a seed.
    """

    kind: str
    mean: float
    sizes: tuple[float, ...] = SIZES
    layers: int = 20
    chains: int = 1000


def trial(setting: Defaults, seeds: Sequence[int]) -> pd.DataFrame:
    """Share of healthy chains and mean of log10 of the gain's size; one row per seed and size.

    All settings draw the same standard normal numbers, so that they are about the same chains, moved and stretched.
    """
    rows = []
    for seed in seeds:
        generator = runtime.stream(seed, "defaults")
        normal = torch.randn(setting.layers, setting.chains, generator=generator, dtype=torch.float64)
        for size in setting.sizes:
            slopes = setting.mean + size * normal
            gains = forward(setting.kind, torch.ones(setting.chains, dtype=torch.float64), slopes).abs().log10()
            healthy = (gains.abs() < WITHIN).double().mean().item()
            rows.append({"seed": seed, "size": size, "share": healthy, "typical": gains.mean().item()})
    return pd.DataFrame(rows)


_SETTINGS = (
    Defaults("residual", 0.0),
    Defaults("plain", 0.0),
    Defaults("plain", 1.0),
    Defaults("residual", -1.0),
)
DEFAULTS = Experiment.repeated("scalar-defaults", trial, _SETTINGS, DRAWS, MANY_DRAWS, group=20)


def along(table: pd.DataFrame, kind: str, mean: float, column: str = "share") -> pd.DataFrame:
    """One row per seed, one column per size."""
    rows = table[(table["kind"] == kind) & (table["mean"] == mean)]
    return rows.pivot(index="seed", columns="size", values=column)


def _small(shares: pd.DataFrame) -> pd.DataFrame:
    return shares[[size for size in SIZES if size <= SMALL and size in shares]]


def default(table: pd.DataFrame) -> Evidence:
    """Least share of healthy residual chains over the small sizes, one value per seed; control: largest about -1."""
    values, control = (_small(along(table, "residual", mean)) for mean in (0.0, -1.0))
    return Evidence(values=values.min(axis=1).to_numpy(), control=control.max(axis=1).to_numpy())


def never(table: pd.DataFrame) -> Evidence:
    """Largest share of healthy plain chains over all sizes, one value per seed; control: least about 1, small sizes."""
    values, control = along(table, "plain", 0.0), _small(along(table, "plain", 1.0))
    return Evidence(values=values.max(axis=1).to_numpy(), control=control.min(axis=1).to_numpy())


def moved(table: pd.DataFrame) -> Evidence:
    """Largest distance of mean log gains, plain about 1 and residual about 0, one per seed; control: plain about 0."""
    residual = along(table, "residual", 0.0, "typical")
    about_one, about_zero = ((along(table, "plain", mean, "typical") - residual).abs() for mean in (1.0, 0.0))
    return Evidence(values=about_one.max(axis=1).to_numpy(), control=_small(about_zero).min(axis=1).to_numpy())
