r"""The largest learning rate at which gradient descent stays near a fit of a residual chain, found by trying.

The chain has a weight in each layer, $f(a)=\prod_l(1+a_l)$ for the input 1. Gradient descent minimises
$\tfrac12(f-y)^2$, and starts where all $a_l$ are equal and $f$ is off the target $y$ by a part in $10^9$.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Columns, Experiment, Grid

EDGE = 10 ** (1 / 38) - 1  # the slope at which 20 layers have a step ten times smaller than at 0, by the law
SLOPES = (-0.5, -0.4, -0.3, -0.2, -0.1, 0.0, EDGE, 0.1, 0.2, 0.3, 0.4, 0.5)
LAYERS = (5, 10, 20, 40, 80)
OFF = 1e-9  # of the target, at the start
DECADES = 120.0  # the search begins with steps from 1e-60 to 1e60; 80 layers of slope -0.5 take 1e46


@dataclass(frozen=True)
class Steps:
    """Residual chains that gradient descent fits to a target near their own output.

    Attributes:
        slopes: The slopes that the layers of a chain share at the start.
        layers: How many each has.
        divided: Whether the output is divided by the gain that the chain starts with, as a head could do.
        updates: Steps of gradient descent in one try.
        halvings: Of the interval that holds the logarithm of the largest stable step.
    """

    slopes: tuple[float, ...]
    layers: int
    divided: bool = False
    updates: int = 200
    halvings: int = 25


def diverges(slopes: np.ndarray, layers: int, step: np.ndarray, *, divided: bool, updates: int) -> np.ndarray:
    """Whether gradient descent ends farther from the target than it began; one truth value per chain."""
    factors = np.repeat(1 + slopes[:, None], layers, axis=1)
    head = 1 / factors.prod(1) if divided else np.ones(len(slopes))
    first = head * factors.prod(1)
    target = first * (1 + OFF)
    with np.errstate(all="ignore"):  # steps that are far too large overflow
        for _ in range(updates):
            output = head * factors.prod(1)
            factors = factors - (step * (output - target) * output)[:, None] / factors
        return ~(np.abs(head * factors.prod(1) - target) <= np.abs(first - target))


def trial(setting: Steps, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 of the largest stable step, by bisection, and of the gain; one row per slope. Nothing is drawn."""
    slopes = np.array(setting.slopes)
    low, high = np.full(slopes.shape, -DECADES / 2), np.full(slopes.shape, DECADES / 2)
    for _ in range(setting.halvings):
        middle = (low + high) / 2
        wild = diverges(slopes, setting.layers, 10**middle, divided=setting.divided, updates=setting.updates)
        low, high = np.where(wild, low, middle), np.where(wild, middle, high)
    gain = setting.layers * np.log10(1 + slopes)
    return pd.DataFrame({"seed": seeds[0], "slope": slopes, "step": (low + high) / 2, "gain": gain})


_SETTINGS = (*(Steps(SLOPES, layers) for layers in LAYERS), Steps(SLOPES, 20, divided=True))
_GRID = Grid(_SETTINGS, seeds=(0,))
STEPS = Experiment("scalar-steps", trial, _GRID, _GRID, agrees=Columns("rounded"))  # a bisection ends between rungs


def against_zero(table: pd.DataFrame, *, divided: bool = False) -> pd.DataFrame:
    """Decades by which the step of a chain is larger than that of slope 0 at the same depth; one row per chain."""
    rows = table[table["divided"] == divided]
    neutral = rows[rows["slope"] == 0].set_index("layers")["step"]
    found = rows.assign(larger=rows["step"] - rows["layers"].map(neutral))
    return found[["layers", "slope", "step", "gain", "larger"]].reset_index(drop=True)


def _at(table: pd.DataFrame, slope: float, *, divided: bool = False) -> np.ndarray:
    found = against_zero(table, divided=divided)
    return found.loc[(found["slope"] == slope) & (found["layers"] == 20), "larger"].to_numpy()


def healthy(table: pd.DataFrame) -> Evidence:
    """Decades between the step at slope 0.5 and at 0, 20 layers; control: at the slope where they are -1."""
    return Evidence(values=_at(table, 0.5), control=_at(table, EDGE), unit="decades")


def price(table: pd.DataFrame) -> Evidence:
    """Decades that the step shrinks by over `2 - 2/L` times those of the gain; control: over those of the gain."""
    found = against_zero(table)
    found = found[found["slope"] != 0]
    shrunk = -found["larger"] / found["gain"]
    long = found["layers"] >= 10
    return Evidence(values=(shrunk / (2 - 2 / found["layers"])).to_numpy(), control=shrunk[long].to_numpy())


def divided(table: pd.DataFrame) -> Evidence:
    """Decades between the steps at slope 0.5 and at 0 with a divided output; control: with the output as it is."""
    return Evidence(values=_at(table, 0.5, divided=True), control=_at(table, 0.5), unit="decades")
