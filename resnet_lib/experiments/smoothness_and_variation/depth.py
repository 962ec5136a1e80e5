"""Plain and residual networks of twelve blocks at the same training loss, each at a learning rate of its own."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.smoothness_and_variation.networks import OTHER_SEEDS, at, pairs, ways
from resnet_lib.experiments.smoothness_and_variation.rates import DEEP, DEEP_BEST, DEEP_START, GAINS
from resnet_lib.experiments.smoothness_and_variation.regressors import Regressor, trial
from resnet_lib.sweep import SAMPLED, Experiment, Result

SEEDS, MANY_SEEDS = tuple(range(6)), tuple(range(200, 232))
_DRAWN = (("plain", False), ("plain", True), ("residual", False))
_NETWORKS = tuple(Regressor(kind, DEEP_BEST[kind], blocks=DEEP, again=again) for kind, again in _DRAWN)
DEPTH = Experiment.repeated("variation-depth", trial, _NETWORKS, SEEDS, MANY_SEEDS, group=32, agrees=SAMPLED)
_OTHER = {"branches that start at a quarter": tuple(replace(each, gain=GAINS[0]) for each in _NETWORKS)}
CHOICES = choices.Choices(DEPTH, ways(_NETWORKS) | at(DEEP_START, _NETWORKS) | _OTHER, OTHER_SEEDS[:6])

STATIONARY = DEEP**-0.5
MORE = choices.Choices(
    DEPTH,
    {
        "the plain network's rate for both": tuple(replace(each, lr=DEEP_BEST["plain"]) for each in _NETWORKS),
        "branches that start at 1 over the root of 12": tuple(replace(each, gain=STATIONARY) for each in _NETWORKS),
    },
    OTHER_SEEDS[:12],
    "variation-depth-more-choices",
)
"""The smaller of both rates for all, and branches that together add as much variance as the stem has."""


def varied(root: Path | None = None) -> dict[str, Result]:
    """The stored results under other choices, by the words that name them."""
    return CHOICES.results(root) | MORE.results(root)


def rougher(table: pd.DataFrame) -> Evidence:
    """Log of the variation of the residual over that of the plain network, a value a seed; control: two plain draws."""
    return Evidence(pairs(table, "variation", "residual", "plain"), pairs(table, "variation", "again", "plain"))
