"""Plain and residual networks of twelve blocks at the same training loss, each at a learning rate of its own."""

from dataclasses import replace

import pandas as pd

from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.smoothness_and_variation.networks import OTHER_SEEDS, at, pairs, ways
from resnet_lib.experiments.smoothness_and_variation.rates import DEEP, DEEP_BEST, DEEP_START, GAINS
from resnet_lib.experiments.smoothness_and_variation.regressors import Regressor, trial
from resnet_lib.sweep import SAMPLED, Experiment

SEEDS, MANY_SEEDS = tuple(range(6)), tuple(range(200, 232))
_DRAWN = (("plain", False), ("plain", True), ("residual", False))
_NETWORKS = tuple(Regressor(kind, DEEP_BEST[kind], blocks=DEEP, again=again) for kind, again in _DRAWN)
DEPTH = Experiment.repeated("variation-depth", trial, _NETWORKS, SEEDS, MANY_SEEDS, group=32, agrees=SAMPLED)
_OTHER = {"branches that start at a quarter": tuple(replace(each, gain=GAINS[0]) for each in _NETWORKS)}
CHOICES = choices.Choices(DEPTH, ways(_NETWORKS) | at(DEEP_START, _NETWORKS) | _OTHER, OTHER_SEEDS[:6])


def rougher(table: pd.DataFrame) -> Evidence:
    """Log of the variation of the residual over that of the plain network, a value a seed; control: two plain draws."""
    return Evidence(pairs(table, "variation", "residual", "plain"), pairs(table, "variation", "again", "plain"))
