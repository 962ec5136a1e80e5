"""The chapter's networks on digits: what is trained, under which other choices, and one value a seed of each claim."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
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
    trial,
    variants,
)
from resnet_lib.experiments.gates_and_scales.rates import BEST
from resnet_lib.sweep import Columns, Experiment, Result

SEEDS, MANY_SEEDS = tuple(range(10)), tuple(range(200, 240))
SHUT = 2.0
AGREES = Columns("sampled")
DIGITS = Experiment.repeated(
    "gates-digits", trial, variants(BEST), SEEDS, MANY_SEEDS, group=20, data=("digits",), agrees=AGREES
)


COMPARED = tuple(each for each in variants(BEST) if each.kind != HIGHWAY or each.bias != 0.0)
_WAYS = choices.ways(COMPARED)
FEW = tuple(range(5))
CHOICES = choices.Choices(DIGITS, {name: _WAYS[name] for name in (choices.THIRD, choices.THRICE)}, FEW)
LONGER = choices.Choices(DIGITS, {"twice the epochs": _WAYS["twice the epochs"]}, FEW, "gates-longer-choices")
DIVIDED = choices.divisions(DIGITS, COMPARED)


def others() -> dict[str, Result]:
    """The stored results under other choices, by the words that name these."""
    return CHOICES.results() | LONGER.results() | DIVIDED.results()


def lasting() -> dict[str, Result]:
    """Those of `others` under which every highway network keeps finite weights: not three times the rates."""
    return {name: result for name, result in others().items() if name != choices.THRICE}


def column(table: pd.DataFrame, name: str, kind: str, bias: float = 0.0) -> pd.Series:
    """A column of one network, by seed."""
    rows = table[(table["kind"] == kind) & (table["bias"] == bias)]
    return rows.set_index("seed")[name].sort_index()


def _minus(table: pd.DataFrame, one: tuple[str, float], other: tuple[str, float], twin: str) -> Evidence:
    """Test accuracy of one network minus that of another, seed by seed; control: the first kind built otherwise."""
    first, second = (column(table, "test", *name) for name in (one, other))
    if list(first.index) != list(second.index):
        raise ValueError(f"{one} and {other} were not trained with the same seeds")
    return Evidence((first - second).to_numpy(), column(table, "twin", twin).to_numpy())


def _clean(kind: str, bias: float = 0.0) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        return _minus(table, (IDENTITY, 0.0), (kind, bias), IDENTITY)

    measure.__doc__ = f"Test accuracy of the identity minus that of {kind}, a value a seed; control: a held identity."
    return measure


half, dropout, conv, start = _clean(HALF), _clean(DROPOUT), _clean(MATRIX), _clean(START)
gate, gate_zero, better = _clean(GATE, BEST_BIAS), _clean(GATE), _clean(HIGHWAY, BEST_BIAS)


def shut(table: pd.DataFrame) -> Evidence:
    """Test accuracy of highways at bias -4 minus that at 2, a value a seed; control: plain, and a highway of T = 1."""
    return _minus(table, (HIGHWAY, BEST_BIAS), (HIGHWAY, SHUT), PLAIN)


def off(table: pd.DataFrame) -> Evidence:
    """Test accuracy of highways at bias 2 minus plain ones, a value a seed; control: plain, and a highway of T = 1."""
    return _minus(table, (HIGHWAY, SHUT), (PLAIN, 0.0), PLAIN)


def learned(table: pd.DataFrame) -> Evidence:
    """Change of the mean carry in training, the least of two biases, a value a seed; control: biases moved by 2."""
    biases = sorted(bias for bias in table[table["kind"] == HIGHWAY]["bias"].unique() if bias < 0)
    changes = [column(table, "carry", HIGHWAY, b) - column(table, "carry_start", HIGHWAY, b) for b in biases]
    moved = column(table, "carry_moved", HIGHWAY, BEST_BIAS) - column(table, "carry_start", HIGHWAY, BEST_BIAS)
    return Evidence(np.min([change.to_numpy() for change in changes], axis=0), moved.to_numpy())
