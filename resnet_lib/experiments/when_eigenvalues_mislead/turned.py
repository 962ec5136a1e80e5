"""Trained blocks whose directions are turned at random: whether that is why spectral radii tell their product."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.evidence.choices import Choices, ways
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.when_eigenvalues_mislead import networks
from resnet_lib.sweep import SAMPLED, Experiment, Grid


@dataclass(frozen=True)
class Turned(networks.Trained):
    """A network of the chapter, of which each block's Jacobian is turned by a random rotation of its own."""


def rotations(shape: Sequence[int], generator: torch.Generator) -> Float[Tensor, "*batch d d"]:
    """Random orthogonal matrices, each direction as likely as any other."""
    q, r = torch.linalg.qr(torch.randn(*shape, shape[-1], generator=generator, dtype=torch.float64))
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]


def overlap(matrices: Float[Tensor, "block image d d"]) -> Float[Tensor, " image"]:
    """Cosine, without its sign, of what a block stretches most to, and the next one from; mean over neighbours."""
    u, _, vh = torch.linalg.svd(matrices)
    return (u[:-1, ..., 0] * vh[1:, ..., 0, :]).sum(-1).abs().mean(0)


def turned_trial(setting: Turned, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 of the norm of the product, as it is and with turned blocks; one row per (seed, epoch, image).

    `turned` has an independent random rotation `Q` for each block, `Q^T J Q`, which keeps its norm and eigenvalues;
    `common` has one for all. `norms` and `radii` are the products of the norms and of the spectral radii.
    """
    pieces = []
    for seed, epoch, jacobians in networks.around_training(setting, seeds):
        q = rotations(jacobians.shape[:-1], runtime.stream(seed, "turned", epoch))
        ways_to_turn = {"product": None, "turned": q, "common": q[:1]}
        values = {"norms": linalg.spectral_norms(jacobians).log10().sum(0)}
        values["radii"] = linalg.spectral_radius(jacobians).log10().sum(0)
        for name, turn in ways_to_turn.items():
            blocks = jacobians if turn is None else turn.mT @ jacobians @ turn
            values[name] = linalg.spectral_norms(networks.chained(blocks)).log10()
        values["overlap"] = overlap(jacobians)
        piece = {"seed": seed, "epoch": epoch, "image": range(len(values["norms"]))}
        pieces.append(pd.DataFrame(piece | {name: value.numpy() for name, value in values.items()}))
    return pd.concat(pieces, ignore_index=True)


_TURNED = tuple(Turned(**vars(setting)) for setting in (networks.MLP, networks.SCALED))
TURNED = Experiment(
    name="misleading-turned",
    agrees=SAMPLED,
    trial=turned_trial,
    quick=Grid(settings=_TURNED, seeds=networks.SEEDS),
    full=Grid(settings=tuple(replace(setting, images=16) for setting in _TURNED), seeds=networks.MANY_SEEDS),
    data=("digits",),
)
TURNED_CHOICES = Choices(TURNED, ways(_TURNED))


def shear_turned(table: pd.DataFrame) -> Evidence:
    """How much farther off the radii are with turned blocks, image mean, one value per seed; control: turned alike."""
    rows = table[(table["alpha"] == 1) & (table["epoch"] > 0)]
    as_is, turned, common = (
        (rows[name] - rows["radii"]).abs().groupby(rows["seed"]).mean() for name in ("product", "turned", "common")
    )
    return Evidence((turned - as_is).to_numpy(), (common - as_is).abs().to_numpy(), "decades")
