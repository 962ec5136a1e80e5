"""A control with power: networks that are trained to vary little are seen as smoother, by as much as is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib.analysis import variation
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.smoothness_and_variation.networks import (
    MANY_SEEDS,
    OTHER_SEEDS,
    SEEDS,
    pairs,
    ways,
)
from resnet_lib.experiments.smoothness_and_variation.rates import BEST
from resnet_lib.experiments.smoothness_and_variation.regressors import SINE, Regressor, fit, measured, outputs
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training.stacked import Stacked

PENALTY = 0.03
"""Chosen on seeds of the tuning: as large as lets most networks come to the loss, and one in five does not."""
BETWEEN = 64  # pieces of the grid on which the penalty reads the variation


@dataclass(frozen=True)
class Penalised(Regressor):
    """A regressor that descends its mean squared error plus ``penalty`` times its total variation on a grid."""

    penalty: float = 0.0


def trial(setting: Penalised, seeds: Sequence[int]) -> pd.DataFrame:
    """Exact variation at the same training loss, and the error there; one row per seed."""
    grid = torch.linspace(0, 1, BETWEEN + 1, dtype=torch.float64)[:, None]

    def penalty(params: Stacked) -> Tensor:
        count = len(next(iter(params.values())))
        return setting.penalty * variation.total(outputs(setting, params, grid.expand(count, -1, 1))[..., 0])

    return measured(setting, seeds, fit(setting, seeds, penalty if setting.penalty else None))


_FREE = Penalised("residual", BEST["residual", SINE, 1.0])
_NETWORKS = (_FREE, replace(_FREE, again=True), replace(_FREE, penalty=PENALTY))
PENALISED = Experiment.repeated(
    "variation-penalised", trial, _NETWORKS, SEEDS[:16], MANY_SEEDS[:32], group=32, agrees=SAMPLED
)
_WAYS = ways(_NETWORKS)
_OTHER = {
    "half of the penalty": tuple(replace(each, penalty=each.penalty / 2) for each in _NETWORKS),
    "plain networks": tuple(replace(each, kind="plain", lr=BEST["plain", SINE, 1.0]) for each in _NETWORKS),
}
_KEPT = ("other points and weights", choices.THIRD, choices.THRICE, "twice the steps", "four times the steps")
CHOICES = choices.Choices(PENALISED, {way: _WAYS[way] for way in _KEPT} | _OTHER, OTHER_SEEDS[:8])


def seen(table: pd.DataFrame) -> Evidence:
    """Log of the variation with over that without the penalty, a value a seed; control: two draws without."""
    named = table.assign(kind=np.where(table["penalty"] == 0, "free", "penalised"))
    return Evidence(pairs(named, "variation", "penalised", "free"), pairs(named, "variation", "again", "free"))
