r"""Blocks with a hidden layer that learn turns, with and without a shortcut, each at a rate of its own."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.evidence.significance import paired
from resnet_lib.experiments.learning_the_difference import regressors
from resnet_lib.experiments.learning_the_difference.rates import ANGLES, regressor
from resnet_lib.experiments.learning_the_difference.regressors import SHIFTED, SWIRL, TURN
from resnet_lib.experiments.learning_the_difference.single import PLAIN, POST, RESIDUAL
from resnet_lib.sweep import SAMPLED, Experiment

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(200, 260))
NEAR, FAR, GENERIC = 30, 120, 90
AGAIN = "again"
_COMPARED = tuple(regressor(kind, TURN, angle) for angle in ANGLES for kind in (PLAIN, RESIDUAL))
_DRAWN = tuple(regressor(PLAIN, TURN, angle, again=True) for angle in (0, NEAR, FAR))
_SHIFTED = tuple(regressor(SHIFTED, TURN, angle) for angle in (NEAR, FAR))
TURNING = Experiment.repeated(
    "difference-turning",
    regressors.trial,
    (*_COMPARED, *_DRAWN, *_SHIFTED),
    SEEDS,
    MANY_SEEDS,
    group=20,
    agrees=SAMPLED,
)
_OTHERS = (*(each for each in _COMPARED if each.angle in (0, NEAR, GENERIC, FAR)), *_DRAWN, *_SHIFTED)
CHOICES = choices.Choices(TURNING, regressors.ways(_OTHERS), SEEDS)


def log_ratio(table: pd.DataFrame, angle: float, first: str, second: str) -> np.ndarray:
    """Logarithm of the steps of one kind over those of another at an angle, both plus one, seed by seed."""
    named = table.assign(network=table["kind"].where(~table["again"].astype(bool), AGAIN))
    rows = named[named["angle"] == angle]
    return paired(rows.assign(log=np.log1p(rows["taken"])), "log", "network", first, second)


def _easier(angle: float) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(log_ratio(table, angle, RESIDUAL, PLAIN), log_ratio(table, angle, RESIDUAL, SHIFTED))

    measure.__doc__ = f"Log of steps, residual over plain, at {angle} degrees, a value a seed; control: plain on t - x."
    return measure


near, far = _easier(NEAR), _easier(FAR)


def identity(table: pd.DataFrame) -> Evidence:
    """Log of steps, residual over plain, to the identity, a value a seed; control: two plain ones."""
    return Evidence(log_ratio(table, 0, RESIDUAL, PLAIN), log_ratio(table, 0, AGAIN, PLAIN))


def hard(table: pd.DataFrame) -> Evidence:
    """Log of the plain block's steps to the identity over those to a quarter turn, a value a seed; control: draws."""
    rows = table[(table["kind"] == PLAIN) & ~table["again"].astype(bool)]
    logs = rows.assign(log=np.log1p(rows["taken"]))
    values = paired(logs, "log", "angle", 0, GENERIC)
    return Evidence(values, log_ratio(table, 0, AGAIN, PLAIN))


def exchange(table: pd.DataFrame) -> Evidence:
    """Distance in log steps of the residual block from the plain one trained on t - x; control: from that on t."""
    values, control = (
        np.concatenate([np.abs(log_ratio(table, angle, RESIDUAL, other)) for angle in (NEAR, FAR)])
        for other in (SHIFTED, PLAIN)
    )
    return Evidence(values, control)


TARGETS = Experiment.repeated(
    "difference-targets",
    regressors.trial,
    (regressor(RESIDUAL, SWIRL, 0, 2), regressor(POST, SWIRL, 0, 2), regressor(RESIDUAL, TURN, 90, 2)),
    SEEDS,
    MANY_SEEDS,
    group=20,
    agrees=SAMPLED,
)
TARGETS_CHOICES = choices.Choices(TARGETS, choices.ways(TARGETS.quick.settings, time="steps"), SEEDS)


def _target(table: pd.DataFrame, target: str, kind: str, column: str) -> np.ndarray:
    rows = table[(table["target"] == target) & (table["kind"] == kind)]
    return rows.set_index("seed")[column].sort_index().to_numpy()


def fits(table: pd.DataFrame) -> Evidence:
    """Share of the variance of t - x that y - x explains, swirl, one value a seed; control: a ReLU behind the sum."""
    return Evidence(*(_target(table, SWIRL, kind, "explained") for kind in (RESIDUAL, POST)))  # pyright: ignore[reportArgumentType]


def block(table: pd.DataFrame) -> Evidence:
    """Cosine of what a block adds and t - x behind training, one value a seed; control: before training."""
    return Evidence(*(_target(table, TURN, RESIDUAL, column) for column in ("cosine", "cosine_start")))  # pyright: ignore[reportArgumentType]
