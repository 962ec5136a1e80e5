"""Singular layers, alone and beside the identity: what is lost for good, and what can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Columns, Experiment

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))


@dataclass(frozen=True)
class Singular:
    """A projection of `dimension` coordinates onto a random subspace of `rank`; the text has a line in space."""

    dimension: int
    rank: int


def projections(setting: Singular, seeds: Sequence[int]) -> Float[Tensor, "seed d d"]:
    """Orthogonal projections onto the span of the first columns of a random rotation."""
    d = setting.dimension
    streams = [runtime.stream(seed, "singular", d, setting.rank) for seed in seeds]
    bases = torch.linalg.qr(torch.stack([torch.randn(d, d, generator=g, dtype=torch.float64) for g in streams])).Q
    kept = bases[:, :, : setting.rank]
    return kept @ kept.mT


def trial(setting: Singular, seeds: Sequence[int]) -> pd.DataFrame:
    """The least singular value of `P`, of `I + P` and of `I - P`, and the condition of `I + P`; one row per draw."""
    p = projections(setting, seeds)
    eye = torch.eye(setting.dimension, dtype=torch.float64)
    values = {name: linalg.singular_values(m) for name, m in (("plain", p), ("residual", eye + p), ("minus", eye - p))}
    least = {name: found[:, -1].numpy() for name, found in values.items()}
    condition = values["residual"][:, 0] / values["residual"][:, -1]
    return pd.DataFrame({"seed": list(seeds), **least, "condition": condition.numpy()})


SETTINGS = (Singular(3, 1), Singular(16, 5), Singular(64, 32))
SINGULAR = Experiment.repeated(
    "distinct-singular",
    trial,
    SETTINGS,
    DRAWS,
    MANY_DRAWS,
    agrees=Columns("exact", {"plain": "noise", "minus": "noise"}),
)


def plain(table: pd.DataFrame) -> Evidence:
    """Least singular value of the singular layer, one value per draw and size; control: beside the identity."""
    return Evidence(table["plain"].to_numpy(), table["residual"].to_numpy())


def residual(table: pd.DataFrame) -> Evidence:
    """Distance of the least singular value of I + P from 1, one value per draw and size; control: I - P."""
    return Evidence((table["residual"] - 1).abs().to_numpy(), (table["minus"] - 1).abs().to_numpy())


def negative(table: pd.DataFrame) -> Evidence:
    """Least singular value of I - P, whose singular layer is -P, one value per draw and size; control: I + P."""
    return Evidence(table["minus"].to_numpy(), table["residual"].to_numpy())
