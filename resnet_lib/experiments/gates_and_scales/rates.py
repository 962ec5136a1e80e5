"""How the learning rates of the networks were chosen."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from resnet_lib import data
from resnet_lib.evidence import choices
from resnet_lib.experiments.gates_and_scales.networks import (
    BEST_BIAS,
    BIASES,
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
    shallow,
    variants,
)
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

TRIED = 7
"""Rates for each network."""

# What `tuning.choose` takes of `RATES` (stored under results/; a test compares).
BEST = {
    (IDENTITY, 0.0): 0.05,
    (HALF, 0.0): 0.05,
    (DROPOUT, 0.0): 0.05,
    (GATE, 0.0): 0.05,
    (GATE, BEST_BIAS): 0.07,
    (MATRIX, 0.0): 0.01,
    (START, 0.0): 0.02,
    (PLAIN, 0.0): 0.01,
    **{(HIGHWAY, bias): 0.1 for bias in BIASES},
}
BEST_SHALLOW = {(IDENTITY, 0.0): 0.05, (HIGHWAY, BEST_BIAS): 0.2}
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
    (HIGHWAY, -6.0): 0.2,
}
"""Where each search begins."""


def tuning_trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    digits = data.load("digits", flat=True)
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds, digits), setting.lr, TRIED)


_SHALLOW = [shallow(setting) for setting in variants(BEST_SHALLOW)]
_ALL = [*variants(_SEARCHED), *_SHALLOW]
_GRIDS = tuning.grids([replace(_SHALLOW[0], blocks=2, epochs=1)], _ALL)
TUNING = Experiment("gates-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(
    TUNING,
    by=("blocks", "kind", "bias"),
    best={
        **{(25, *name): lr for name, lr in BEST.items()},
        **{(10, *name): lr for name, lr in BEST_SHALLOW.items()},
    },
    untrained=((25, HALF, 0.0), (25, DROPOUT, 0.0), (25, GATE, 0.0), (25, HIGHWAY, 0.0)),
)


def title(blocks: int, kind: str, bias: float) -> str:
    """What the page calls a network.

    Example:
        >>> title(25, HIGHWAY, -4.0)
        'highway, bias -4'
    """
    biased = f"{kind}, bias {bias:g}" if kind in (HIGHWAY, GATE) else kind
    return biased if blocks == 25 else f"{biased}, {blocks} blocks"


TITLES = {name: title(*name) for name in RATES.best}
