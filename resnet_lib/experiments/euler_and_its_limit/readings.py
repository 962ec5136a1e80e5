"""The chapter's trained networks in numbers: one row for each, and what the page tells of them under every choice."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from resnet_lib.experiments.euler_and_its_limit import trained
from resnet_lib.experiments.euler_and_its_limit.measuring import FINEST, RULE

TITLES = {
    ("mlp", 0.0, 16): "unscaled",
    ("small", 0.0, 16): "unscaled, started at a quarter",
    ("slow", 0.0, 16): "unscaled, started at a quarter, at the rate of the first",
    ("zero", 0.0, 16): "unscaled, started at zero",
    ("norm", 0.0, 16): "unscaled, batch normalisation",
    ("mlp", 0.25, 16): "scaled by L^(-1/4)",
    ("mlp", 0.5, 16): "scaled by L^(-1/2)",
    ("mlp", 1.0, 16): "scaled by 1/L",
    ("penalty", 1.0, 16): "scaled by 1/L, penalty",
    ("tied", 1.0, 16): "scaled by 1/L, shared weights",
    ("mlp", 0.0, 8): "unscaled, 8 blocks",
    ("mlp", 0.0, 4): "unscaled, 4 blocks",
}
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
        f"points lost by {way}, {TITLES[kind, power, 16]}": _lost(*LOSSES[way], kind, power)
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
