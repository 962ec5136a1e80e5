"""What the sizes of blocks say about the chapter's claims: one value per seed, and the control."""

import numpy as np
import pandas as pd

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.dropping_blocks import measures, sizes

ORDERS = 100


def network(table: pd.DataFrame, variant: str, lr: float | None = None) -> pd.DataFrame:
    """The rows of one network of ten blocks; where no rate is given at the only one there is, or at its best."""
    mine = table[(table["variant"] == variant) & (table["blocks"] == 10)]
    if lr is None and mine["lr"].nunique() == 1:
        return mine
    if lr is None:
        lr = sizes.BEST_OF["plain-identity" if variant == sizes.ONE else variant]
    return mine[np.isclose(mine["lr"], lr)]


def blocks(table: pd.DataFrame, variant: str, lr: float | None = None) -> pd.DataFrame:
    """One row per seed and block, with the points lost without it and what it does to the states."""
    mine = network(table, variant, lr)
    lost = measures.losses(mine, variant).query("removed == 1").set_index(["seed", "block"])["loss"]
    done = mine[mine["measure"].isin(("size", "ratio", "rest", "cosine"))]
    return done.pivot(index=["seed", "block"], columns="measure", values="value").join(lost)


def graceful_drawn(table: pd.DataFrame) -> Evidence:
    """Points lost without the median block of a plain network as He draws it; control: it started as the identity."""
    found = (measures.single(network(table, variant), variant) for variant in (sizes.ONE, "plain-identity"))
    return Evidence(*found, unit="percentage points")


def graceful_size(table: pd.DataFrame) -> Evidence:
    """Rank correlation of size and loss over the blocks, one value per seed; control: sizes in random order."""
    values, control = [], []
    for seed, mine in blocks(table, "residual").groupby("seed"):
        size, loss = (mine[name].rank().to_numpy() for name in ("size", "loss"))
        values.append(np.corrcoef(size, loss)[0, 1])
        rng = runtime.rng(int(seed), "sizes", "orders")  # pyright: ignore[reportArgumentType]
        control.append(np.mean([np.corrcoef(rng.permutation(size), loss)[0, 1] for _ in range(ORDERS)]))
    return Evidence(values=np.array(values), control=np.array(control))


def rest_residual(table: pd.DataFrame) -> Evidence:
    """What later blocks add to the term, over the term, largest over blocks, batch normalisation; control: the last."""
    return _rest(table, "residual")


def rest_scaled(table: pd.DataFrame) -> Evidence:
    """The same for scaled branches without normalisation."""
    return _rest(table, "scaled")


def _rest(table: pd.DataFrame, variant: str) -> Evidence:
    rest = blocks(table, variant)["rest"].unstack("block")
    return Evidence(values=rest.max(axis=1).to_numpy(), control=rest.iloc[:, -1].to_numpy(), unit="of the term")
