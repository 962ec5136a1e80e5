"""The chapter's trained networks in numbers: one row for each, and what the page tells of them under every choice."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from resnet_lib.experiments.euler_and_its_limit import trained
from resnet_lib.experiments.euler_and_its_limit.measuring import FINEST, RULE

_BY_POWER = {
    0.0: {
        "mlp": "unscaled",
        "small": "unscaled, started at a quarter",
        "slow": "unscaled, started at a quarter, at the rate of the first",
        "zero": "unscaled, started at zero",
        "norm": "unscaled, batch normalisation",
    },
    0.25: {"mlp": "scaled by L^(-1/4)"},
    0.5: {"mlp": "scaled by L^(-1/2)"},
    1.0: {"mlp": "scaled by 1/L", "penalty": "scaled by 1/L, penalty", "tied": "scaled by 1/L, shared weights"},
}
TITLES = {(kind, power, trained.DEPTH): title for power, row in _BY_POWER.items() for kind, title in row.items()}
TITLES |= {("mlp", 0.0, depth): f"unscaled, {depth} blocks" for depth in (8, 4)}
"""Words for the networks by kind, power and depth."""
LOSSES = {
    "8 sub-steps": ("substeps", RULE),
    "RK4": ("rk4", 1),
    "the flow": ("flow", FINEST),
    "no block at all": ("without", 1),
    "blocks in another order": ("shuffled", 1),
}
OTHERS = {
    "cosine of neighbours": ("alignment", 1),
    "before training": ("start-alignment", 1),
    "distance from the flow": ("distance", FINEST),
    "by 8 sub-steps": ("distance-substeps", RULE),
    "by RK4": ("distance-rk4", 1),
}


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent, points that each change costs, cosines and distances; means over seeds, a row a network."""
    rows = []
    for network, title in TITLES.items():
        row: dict[str, str] = {"network": title}
        right = 100 * trained.values(table, "substeps", 1, *network)
        row["accuracy"] = f"{right.mean():.1f}"
        for name, (measure, k) in LOSSES.items():
            row[name] = f"{trained.loss(table, measure, k, *network).mean():.2f}"
        for name, (measure, k) in OTHERS.items():
            row[name] = f"{trained.values(table, measure, k, *network).mean():.3f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _lost(measure: str, k: int, kind: str, power: float) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda table: trained.loss(table, measure, k, kind, power)


def _slope(measure: str, k: int, power: float) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda table: trained.slopes(table, measure, k, power)


def _length(depth: int) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda table: trained.values(table, "path", 1, "mlp", 1.0, depth)


TOLD: dict[str, Callable[[pd.DataFrame], np.ndarray]] = {
    **{
        f"points lost by {way}, {TITLES[kind, power, trained.DEPTH]}": _lost(*LOSSES[way], kind, power)
        for kind, power in (
            ("mlp", 0.0),
            ("small", 0.0),
            ("slow", 0.0),
            ("zero", 0.0),
            ("mlp", 0.25),
            ("mlp", 0.5),
            ("mlp", 1.0),
            ("norm", 0.0),
        )
        for way in ("8 sub-steps", "RK4")
    },
    "exponent of the path, unscaled": _slope("path", 1, 0.0),
    "before training": _slope("start-path", 1, 0.0),
    "exponent of the distance, unscaled": _slope("distance", FINEST, 0.0),
    "that before training": _slope("start-distance", FINEST, 0.0),
    "exponent of the path, scaled by 1/L": _slope("path", 1, 1.0),
    **{f"length of the path, scaled by 1/L, {depth} blocks": _length(depth) for depth in trained.DEPTHS},
}
"""What the page tells of the networks in numbers, one value per seed."""
