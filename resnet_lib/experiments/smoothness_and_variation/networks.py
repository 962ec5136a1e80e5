"""Plain and residual networks at the same training loss: which of them varies less, and which of them errs less?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from resnet_lib import runtime
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.evidence.significance import paired
from resnet_lib.experiments.smoothness_and_variation.rates import GAINS, regressor
from resnet_lib.experiments.smoothness_and_variation.regressors import (
    SINE,
    Regressor,
    trial,
)
from resnet_lib.sweep import SAMPLED, Experiment

SEEDS, MANY_SEEDS = tuple(range(32)), tuple(range(200, 296))
OTHER_SEEDS = tuple(range(300, 324))  # of other choices
SMALL, USUAL, LARGE = GAINS
ORDERS = 100  # in which errors are dealt out
SAME_RATE = 0.005
_DRAWN = (("plain", False), ("residual", False), ("residual", True))
_NETWORKS = tuple(regressor(kind, SINE, gain, again=again) for gain in GAINS for kind, again in _DRAWN)
NETWORKS = Experiment.repeated("variation-networks", trial, _NETWORKS, SEEDS, MANY_SEEDS, group=32, agrees=SAMPLED)


def ways(settings: Sequence[Regressor]) -> dict[str, tuple[Regressor, ...]]:
    """Other choices for these networks, on other points; a third of a rate is given three times the steps."""
    found = choices.ways(settings, time="steps")
    return {
        "other points and weights": tuple(settings),
        choices.THIRD: tuple(replace(each, steps=3 * each.steps) for each in found[choices.THIRD]),
        choices.THRICE: found[choices.THRICE],
        "twice the steps": found["twice the steps"],
        "four times the steps": tuple(replace(each, steps=4 * each.steps) for each in settings),
        "less of the noise fitted": tuple(replace(each, level=0.8) for each in settings),
    }


def at(rate: float, settings: Sequence[Regressor]) -> dict[str, tuple[Regressor, ...]]:
    """One learning rate for all of these networks, as one more choice."""
    return {choices.SAME: tuple(replace(each, lr=rate) for each in settings)}


CHOICES = choices.Choices(NETWORKS, ways(_NETWORKS) | at(SAME_RATE, _NETWORKS), OTHER_SEEDS[:12])


def pairs(table: pd.DataFrame, column: str, first: str, second: str) -> np.ndarray:
    """Log of a column's ratio of two networks, seed by seed, where both reach the loss; `again` is the other draw."""
    named = table.assign(network=table["kind"].where(~table["again"].astype(bool), "again"))
    named = named[named["network"].isin((first, second))]
    named = named[named.groupby("seed")["reached"].transform("all")]
    return paired(named.assign(log=np.log(named[column])), "log", "network", first, second)


def compared(table: pd.DataFrame, column: str, gain: float, first: str, second: str) -> np.ndarray:
    """Log of a column's ratio between two networks of a gain, seed by seed; `again` is the other draw."""
    return pairs(table[table["gain"] == gain], column, first, second)


def _smoother(gain: float, column: str = "variation"):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(*(compared(table, column, gain, "residual", other) for other in ("plain", "again")))  # pyright: ignore[reportArgumentType]

    measure.__doc__ = f"log of `{column}`, residual over plain, gain {gain:g}, a value a seed; control: two draws."
    return measure


smoother = _smoother(USUAL)
smoother_small = _smoother(SMALL)
smoother_large = _smoother(LARGE)
generalises = _smoother(USUAL, "error")
generalises_small = _smoother(SMALL, "error")
generalises_large = _smoother(LARGE, "error")


def linked(table: pd.DataFrame) -> Evidence:
    """Spearman correlation of variation and error over six networks, one value a seed; control: errors dealt out."""
    found, control = [], []
    for seed, mine in table[~table["again"].astype(bool)].groupby("seed"):
        varied, error = (mine[column].rank().to_numpy() for column in ("variation", "error"))
        rng = runtime.rng(int(str(seed)), "variation", "shuffled")
        dealt = [np.corrcoef(varied, rng.permutation(error))[0, 1] for _ in range(ORDERS)]
        found.append(np.corrcoef(varied, error)[0, 1])
        control.append(np.mean(dealt))
    return Evidence(np.array(found), np.array(control))


def start(table: pd.DataFrame) -> Evidence:
    """Log of the variation at the largest gain over that at the smallest, mean of both kinds; control: two draws."""
    rows = table[~table["again"].astype(bool)]
    means = rows.assign(log=np.log(rows["variation"])).groupby(["gain", "seed"])["log"].mean()
    two = compared(table, "variation", SMALL, "again", "residual")
    return Evidence((means[LARGE] - means[SMALL]).to_numpy(), two)
