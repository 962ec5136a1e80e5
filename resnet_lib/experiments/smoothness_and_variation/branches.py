"""One block of one input: how much the branch varies where there is a shortcut around it, and where there is none."""

import numpy as np
import pandas as pd

from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.smoothness_and_variation import networks
from resnet_lib.experiments.smoothness_and_variation.rates import TARGETS, regressor
from resnet_lib.experiments.smoothness_and_variation.regressors import FALLING, RANDOM, RISING, trial
from resnet_lib.sweep import SAMPLED, Experiment, Grid

SEEDS, MANY_SEEDS = tuple(range(64)), networks.MANY_SEEDS  # two draws on the rising target scatter by half
_DRAWN = (("plain", False), ("around", False), ("around", True), ("shifted", False))
_BLOCKS = tuple(regressor(kind, target, again=again) for target in TARGETS for kind, again in _DRAWN)
BRANCHES = Experiment("variation-branches", trial, Grid(_BLOCKS, SEEDS), Grid(_BLOCKS, MANY_SEEDS), agrees=SAMPLED)

_COMPARED = tuple(each for each in _BLOCKS if each.kind != "shifted")
CHOICES = choices.Choices(BRANCHES, networks.ways(_COMPARED), networks.OTHER_SEEDS)
_SHIFTED = tuple(each for each in _BLOCKS if not each.again)
SHIFTED = choices.Choices(
    BRANCHES,
    {way: found for way, found in networks.ways(_SHIFTED).items() if way in (choices.THIRD, choices.THRICE)},
    networks.OTHER_SEEDS[:5],
    "variation-shifted-choices",
)
"""Other rates for the identity alone, with the networks that are trained on `y - x`."""


def compared(table: pd.DataFrame, target: str, first: str, second: str) -> np.ndarray:
    """Log of the branch's variation in one network over that in another, seed by seed; `again` is the other draw."""
    return networks.pairs(table[table["target"] == target], "branch", first, second)


def _discouraged(target: str):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(*(compared(table, target, "around", other) for other in ("plain", "again")))  # pyright: ignore[reportArgumentType]

    measure.__doc__ = f"log of TV(F) with over without the shortcut, {target} targets, a value a seed; control: draws."
    return measure


discouraged = _discouraged(RANDOM)
rising = _discouraged(RISING)
falling = _discouraged(FALLING)


def shift(table: pd.DataFrame) -> Evidence:
    """Distance in log TV from the network trained on y - x, a value a target and seed; control: from that on y."""
    values, control = (
        np.concatenate([np.abs(compared(table, target, "around", other)) for target in TARGETS])
        for other in ("shifted", "plain")
    )
    return Evidence(values, control)
