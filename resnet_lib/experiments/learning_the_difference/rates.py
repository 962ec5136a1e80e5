"""The learning rates of single blocks, by the steps that it takes, or by what it explains."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from resnet_lib import training
from resnet_lib.evidence import choices
from resnet_lib.experiments.learning_the_difference import regressors
from resnet_lib.experiments.learning_the_difference.regressors import SWIRL, TURN, Regressor, score
from resnet_lib.experiments.learning_the_difference.single import PLAIN, RESIDUAL
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

ANGLES = (0, 30, 60, 90, 120, 180)
IN_PLANE = {"width": 2, "tolerance": 0.0, "steps": 1000, "hidden": 64, "examples": 512}
"""A block of the plane that takes all of its steps."""
START = 0.01
# What `tuning.choose` takes of `difference-tuning`, which is stored under results/; a test compares.
BEST: dict[tuple[str, str, float], float] = choices.cells(
    {
        (PLAIN, TURN): {90: 0.057},
        (RESIDUAL, TURN): {0: 0.1, 30: 0.043, 60: 0.1, 90: 0.1, 120: 0.13, 180: 0.13},
        (RESIDUAL, SWIRL): {0: 0.057},
    }
)
"""By kind, target and angle. All turns are as far for a plain block, so that one is tuned for all; the plane has
the rate of the swirl."""


def regressor(kind: str, target: str, angle: float, width: int = 8, *, again: bool = False) -> Regressor:
    """The setting of one block at its rate; of `shifted` it is that of the residual block."""
    key = (PLAIN, TURN, 90) if kind == PLAIN else (RESIDUAL, TURN, angle)
    found = Regressor(kind, target, angle, BEST[(RESIDUAL, SWIRL, 0) if width == 2 else key], again=again)
    return replace(found, **IN_PLANE) if width == 2 else found  # pyright: ignore[reportArgumentType]


def tuning_trial(setting: Regressor, seeds: Sequence[int]) -> pd.DataFrame:
    """Scores at the rates that a search tries, from the setting's own; one row per rate and seed.

    The score of `regressors.score` stands in the column `validation_accuracy`.
    """
    return tuning.search(lambda lr: _scored(replace(setting, lr=lr), seeds), setting.lr)


def _scored(setting: Regressor, seeds: Sequence[int]) -> training.Fit:
    table = regressors.trial(setting, seeds)
    scores = score(table, setting)
    history = pd.DataFrame({"epoch": 1, "seed": list(seeds), tuning.SCORE: scores})
    template = regressors.fit(replace(setting, steps=0), seeds[:1])[0].template
    return training.Fit(tuple(seeds), history, {}, tuple((scores == 0).tolist()), template)


SETTINGS = tuple(replace(regressor(*key, width=2 if key[1] == SWIRL else 8), lr=START) for key in BEST)
TUNING = Experiment("difference-tuning", tuning_trial, *tuning.grids(SETTINGS[-1:], SETTINGS), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("kind", "target", "angle"), best=BEST)
TITLES = {key: f"{key[0]}, {'swirl' if key[1] == SWIRL else f'turn by {key[2]:g}°'}" for key in BEST}
