"""Stochastic depth against training without it where both learn at one rate: the better one of either."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from resnet_lib import files, sweep
from resnet_lib.experiments.dropping_blocks import lesions
from resnet_lib.experiments.dropping_blocks.networks import BEST, STOCHASTIC
from resnet_lib.sweep import SAMPLED, Experiment, Grid, Result

RATES = {last: BEST["residual", 10, last] for last in (1.0, STOCHASTIC)}
"""The best rate by the last block's chance to survive."""
_EXCHANGED = tuple(
    lesions.Lesions("residual", 10, RATES[other], last=last, counts=(0, 5), swaps=(), anew=20)
    for last, other in ((1.0, STOCHASTIC), (STOCHASTIC, 1.0))
)

# Each network at the other's rate; at its own it stands in `dropping-depth`.
COMMON = Experiment(
    name="dropping-common",
    agrees=SAMPLED,
    trial=lesions.trial,
    quick=Grid(settings=_EXCHANGED[:1], seeds=(0,)),
    full=Grid(settings=_EXCHANGED, seeds=tuple(range(20)), group=5),
    data=("digits",),
)


def results(root: Path | None = None) -> dict[str, Result]:
    """Both networks at each of the two rates, by words that name the rate; none where a table is not stored."""
    root = root or files.root()
    own, other = (sweep.stored(experiment, root) for experiment in (lesions.DEPTH, COMMON))
    if own is None or other is None:
        return {}
    seeds = own.table["seed"].isin(other.table["seed"].unique()) & (own.table["decay"] == "linear")
    table = pd.concat([own.table[seeds & own.table["last"].isin(RATES)], other.table], ignore_index=True)
    return {f"{lr:g} for both": replace(other, table=table[np.isclose(table["lr"], lr)]) for lr in RATES.values()}
