"""Euler's steps on packets in double precision, and the same ones in whole numbers of many bits: what rounding adds."""

import decimal
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.solvers_as_networks import waves
from resnet_lib.experiments.solvers_as_networks.heat import DRAWS, MANY_DRAWS
from resnet_lib.ode import propagators
from resnet_lib.sweep import Columns, Experiment

BITS, DIGITS = 256, 100
TERMS = 120
"""Of the series of a turn, whose angle is at most about 50."""


@dataclass(frozen=True)
class Rounded:
    """Packets that start as those of `waves` do, before a hill of a height or without one, under Euler's steps."""

    height: float
    step: float = waves.STEP
    steps: int = waves.STEPS


def turn(angle: Decimal) -> tuple[Decimal, Decimal]:
    """Cosine and sine of an angle of at most 50, to 60 digits and more, by their series."""
    parts = [Decimal(0), Decimal(0)]
    term = Decimal(1)
    for k in range(2 * TERMS):
        parts[k % 2] += term if k % 4 < 2 else -term
        term = term * angle / (k + 1)
    return parts[0], parts[1]


def precise(centre: float, momentum: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """The packet of `waves.packet`, as whole numbers of units of 2^-256; its norm is 1 as near as doubles tell."""
    with decimal.localcontext(prec=DIGITS):
        at, rate, size = Decimal(centre), Decimal(momentum), Decimal(width)
        (real, imag), (cosine, sine) = turn(-rate * at), turn(rate / 3)
        rows = []
        for place in range(-2 * waves.LINE.points, 3 * waves.LINE.points):
            if place == -2 * waves.LINE.points:
                (a, b), (c, d) = turn(rate * place / 3 / 8), (real, imag)
                for _ in range(3):
                    a, b = a * a - b * b, 2 * a * b
                real, imag = a * c - b * d, a * d + b * c
            high = (-(((Decimal(place) / 3 - at) / size) ** 2) / 4).exp()
            rows.append((high * real, high * imag))
            real, imag = real * cosine - imag * sine, real * sine + imag * cosine
        sums = np.array(rows, dtype=object).reshape(5, waves.LINE.points, 2).sum(0)
        unit = Decimal(2) ** BITS / (sums**2).sum().sqrt()
        whole = np.array([int(each * unit) for each in sums.reshape(-1)], dtype=object).reshape(sums.shape)
    return whole[:, 0], whole[:, 1]


def exactly(setting: Rounded, q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """log10 of the norms after all of Euler's steps on whole numbers, one for each row."""
    potential = waves.hill(waves.LINE, setting.height).tolist()
    unit = 1 << 128
    step = int(Decimal(repr(setting.step)) * 10**6)
    middle = np.array([(9 * unit + int(v * 2.0**60) * (unit >> 60)) * step // 10**6 for v in potential], dtype=object)
    side = 9 * unit * step // (2 * 10**6)

    def energy(u: np.ndarray) -> np.ndarray:
        return (u * middle - (np.roll(u, 1, 1) + np.roll(u, -1, 1)) * side) >> 128

    for _ in range(setting.steps):
        q, p = q + energy(p), p - energy(q)
    squares = (q * q + p * p).sum(1) >> 2 * BITS - 100
    return np.array([float(Decimal(int(each)).log10() / 2) for each in squares]) - 50 * np.log10(2)


def rounding_trial(setting: Rounded, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 of the norm after all steps in double precision, and in whole numbers; one row per draw."""
    drawn = waves.drawn(seeds)
    step = waves.step_of("euler", waves.LINE, waves.hill(waves.LINE, setting.height), setting.step)
    x = propagators.joined(waves.packet(waves.LINE, *drawn))
    for _ in range(setting.steps):
        x = x @ step.mT
    starts = [precise(*map(float, each)) for each in zip(*drawn, strict=True)]
    exact = exactly(setting, np.stack([q for q, _ in starts]), np.stack([p for _, p in starts]))
    return pd.DataFrame({"seed": list(seeds), "double": x.norm(dim=1).log10().numpy(), "exact": exact})


ROUNDING = Experiment.repeated(
    "solvers-rounding",
    rounding_trial,
    (Rounded(1.0), Rounded(0.0)),
    quick=DRAWS[:5],
    full=MANY_DRAWS[:50],
    group=5,
    agrees=Columns("rounded", {"double": "sampled"}),
)


def added(table: pd.DataFrame) -> Evidence:
    """Decades of growth that double precision adds to exact arithmetic before a hill; control: without the hill."""
    found = [rows["double"] - rows["exact"] for rows in (table[table["height"] == high] for high in (1.0, 0.0))]
    return Evidence(found[0].to_numpy(), found[1].to_numpy(), "decades")
