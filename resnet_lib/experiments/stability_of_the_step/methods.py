"""Methods compared: how far the step of each may go, and what all of them share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from resnet_lib import ode
from resnet_lib.evidence.claims import Evidence
from resnet_lib.ode import tableaus
from resnet_lib.ode.tableaus import METHODS, Splitting, Tableau
from resnet_lib.sweep import Experiment

CAP = 100.0
FIELDS = {"damped": (-1, 0), "damped, turning": (-1, 1), "turning, damped": (-0.1, 1), "oscillation": (0, 1)}


@dataclass(frozen=True)
class Comparison:
    """Every method of ``tableaus.METHODS`` on the scalar field ``x' = lambda x`` with ``|lambda| = 1``."""

    field: str


def comparison_trial(setting: Comparison, seeds: Sequence[int]) -> pd.DataFrame:
    """Largest stable step, evaluations per step, ``R(0)`` and ``|R(-3)|``; one row per method. No draw: one seed."""
    real, imag = FIELDS[setting.field]
    value = complex(real, imag) / abs(complex(real, imag))
    rows = []
    for name, method in METHODS.items():
        if isinstance(method, Splitting) and setting.field != "oscillation":
            continue
        at_zero = complex(method.stability(0)) if isinstance(method, Tableau) else complex(method.matrix(0)[0, 0])
        at_three = abs(complex(method.stability(-3))) if isinstance(method, Tableau) else np.nan
        rows.append(
            {
                "seed": seeds[0],
                "method": name,
                "order": method.order,
                "limit": min(CAP, tableaus.largest_step(method, value).value),
                "stages": len(method.b) - method.first_same_as_last if isinstance(method, Tableau) else 1,
                "explicit": isinstance(method, Splitting) or method.explicit,
                "from_identity": abs(at_zero - 1),
                "at_minus_3": at_three,
            }
        )
    return pd.DataFrame(rows)


COMPARISON = Experiment.repeated(
    "stability-methods", comparison_trial, tuple(map(Comparison, FIELDS)), quick=(0,), full=(0,)
)


def _against(table: pd.DataFrame, name: str) -> np.ndarray:
    """The limit of one method over that of each other; 1 where both are zero."""
    own = table[table["method"] == name].set_index("field")["limit"]
    others = table[table["method"] != name]
    mine = others["field"].map(own).to_numpy()
    limit = others["limit"].to_numpy()
    return np.where((mine == 0) & (limit == 0), 1.0, np.minimum(mine / np.maximum(limit, 1e-300), CAP))


def largest(table: pd.DataFrame) -> Evidence:
    """Euler's largest stable step over the method's; control: implicit Euler's."""
    return Evidence(values=_against(table, "euler"), control=_against(table, "implicit-euler"))


def plus_one(table: pd.DataFrame) -> Evidence:
    """How far R(0) is from 1 for methods that are unstable at -3; control: a layer without shortcut, R(z) = z."""
    rows = table[(table["field"] == "damped") & (table["at_minus_3"] > 1)]
    return Evidence(values=rows["from_identity"].to_numpy(), control=np.ones(len(rows)))


STEPS = 40
EIGENVALUES = ((-1.0, 0.0), (-0.3, 1.0), (-0.3, -1.0), (-0.6, 0.4), (-0.6, -0.4), (0.0, 0.8), (0.0, -0.8))
SHOWN = ("euler", "heun", "rk4", "implicit-euler", "implicit-midpoint")


@dataclass(frozen=True)
class Explorer:
    """What the interactive figure shows for a method: its region, and trajectories for a grid of steps.

    Attributes:
        method: A key of `tableaus.METHODS`.
        step: The smallest step, and how far one is from the next.
        largest: The largest step.
    """

    method: str
    step: float = 0.25
    largest: float = 4.0


def explorer_trial(setting: Explorer, seeds: Sequence[int]) -> pd.DataFrame:
    """The region's boundary, and the size of the state along a trajectory for every step; rows of several kinds."""
    method = tableaus.method(setting.method)
    assert isinstance(method, Tableau)
    rows = []
    angles = np.linspace(0, 2 * np.pi, 97)
    for angle in angles:
        # The boundary of |R| <= 1 as seen from its inside, -0.5 (or outside, 2 and 1, for the implicit methods).
        x, y = _boundary(method, angle)
        rows.append({"kind": "region", "h": 0.0, "index": angle, "x": x, "y": y})
    field = torch.block_diag(
        *[torch.tensor([[re, -im], [im, re]], dtype=torch.float64) for re, im in EIGENVALUES if im >= 0]
    )
    start = torch.ones(len(field), dtype=torch.float64)
    for h in np.arange(setting.step, setting.largest + 1e-9, setting.step):
        solution = ode.solve(
            lambda t, x, h=h: h * field @ x,
            start,
            (0.0, float(STEPS)),
            method=method,
            steps=STEPS,
            jacobian=lambda t, x, h=h: h * field,
            ceiling=np.inf,
        )
        sizes = solution.states.norm(dim=1) / start.norm()
        for index, size in enumerate(sizes.clamp(1e-4, 1e6).tolist()):
            rows.append({"kind": "trajectory", "h": round(float(h), 2), "index": float(index), "x": np.nan, "y": size})
    table = pd.DataFrame(rows).assign(seed=seeds[0])
    return table.round({"x": 3, "index": 3}).assign(y=[float(f"{v:.3g}") for v in table["y"]])


def _boundary(method: Tableau, angle: float) -> tuple[float, float]:
    """A point of the curve ``|R| = 1``: along a ray, by a scan and bisection. NaN where the ray never leaves."""
    centre, inside = (-0.5, True) if method.explicit else (1.0, False)
    if method.name in ("implicit-midpoint", "crank-nicolson"):
        return 0.0, -3.5 + 7 * angle / (2 * np.pi)  # the imaginary axis
    direction = np.exp(1j * angle)
    radii = np.linspace(0, 6, 601)
    stable = np.abs(method.stability(centre + radii * direction)) <= 1
    leave = np.flatnonzero(stable != inside)
    if not len(leave):
        return np.nan, np.nan
    low, high = radii[leave[0] - 1], radii[leave[0]]
    for _ in range(30):
        middle = (low + high) / 2
        if (abs(complex(method.stability(centre + middle * direction))) <= 1) == inside:
            low = middle
        else:
            high = middle
    point = centre + low * direction
    return float(point.real), float(point.imag)


EXPLORER = Experiment.repeated("stability-explorer", explorer_trial, tuple(map(Explorer, SHOWN)), quick=(0,), full=(0,))
