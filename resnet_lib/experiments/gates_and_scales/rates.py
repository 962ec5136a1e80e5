"""How the learning rates of the networks were chosen."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from resnet_lib import data
from resnet_lib.evidence import choices
from resnet_lib.experiments.gates_and_scales.networks import (
    BEST_BIAS,
    DROPOUT,
    GATE,
    HALF,
    HIGHWAY,
    IDENTITY,
    MATRIX,
    PLAIN,
    START,
    Network,
    fit,
    variants,
)
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

TRIED = 7
"""Rates for each network."""

# What `tuning.choose` takes of `RATES` (stored under results/; a test compares).
BEST = {
    (IDENTITY, 0.0): 0.043,
    (HALF, 0.0): 0.05,
    (DROPOUT, 0.0): 0.05,
    (GATE, 0.0): 0.05,
    (GATE, BEST_BIAS): 0.06,
    (MATRIX, 0.0): 0.0081,
    (START, 0.0): 0.006,
    (PLAIN, 0.0): 0.0057,
    (HIGHWAY, 2.0): 0.015,
    (HIGHWAY, 0.0): 0.13,
    (HIGHWAY, -2.0): 0.26,
    (HIGHWAY, -4.0): 0.26,
}
_SEARCHED = {
    (IDENTITY, 0.0): 0.05,
    (HALF, 0.0): 0.05,
    (DROPOUT, 0.0): 0.05,
    (GATE, 0.0): 0.05,
    (GATE, BEST_BIAS): 0.07,
    (MATRIX, 0.0): 0.006,
    (START, 0.0): 0.006,
    (PLAIN, 0.0): 0.01,
    (HIGHWAY, 2.0): 0.02,
    (HIGHWAY, 0.0): 0.1,
    (HIGHWAY, -2.0): 0.2,
    (HIGHWAY, -4.0): 0.2,
}
"""Where each search begins."""


def tuning_trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    digits = data.load("digits", flat=True)
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds, digits), setting.lr, TRIED)


_ALL = variants(_SEARCHED)
_GRIDS = tuning.grids([replace(_ALL[0], blocks=2, epochs=1)], _ALL)
TUNING = Experiment("gates-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(
    TUNING,
    by=("kind", "bias"),
    best=BEST,
    untrained=((HALF, 0.0), (DROPOUT, 0.0), (GATE, 0.0), (HIGHWAY, 0.0)),
)


def title(kind: str, bias: float) -> str:
    """What the page calls a network.

    Example:
        >>> title(HIGHWAY, -4.0)
        'highway, bias -4'
    """
    return f"{kind}, bias {bias:g}" if kind in (HIGHWAY, GATE) else kind


TITLES = {name: title(*name) for name in RATES.best}
