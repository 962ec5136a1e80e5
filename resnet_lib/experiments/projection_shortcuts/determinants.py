"""The determinant of what a projection keeps: its optimum, its limits, and what a classifier thinks of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import data, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.projection_shortcuts.matrices import DRAWS, MANY_DRAWS
from resnet_lib.linalg import stiefel, subspaces
from resnet_lib.sweep import Experiment, Grid

LOG10 = float(np.log(10))
FREE_STEPS = 200


def _normal(seed: int, *path: str | int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, *path), dtype=torch.float64)


@dataclass(frozen=True)
class Size:
    """``k`` rows of ``d`` entries."""

    d: int
    k: int


def determinant_trial(setting: Size, seeds: Sequence[int]) -> pd.DataFrame:
    """What ascents of ``det(W S W^T)`` reach, over the product of the k largest eigenvalues; one row per draw of S.

    Columns: ``constrained`` and ``random`` (a point of the manifold) as ratios, ``free`` as log10 after 200 steps;
    ``flat_wide`` and ``flat_narrow``: smallest over largest eigenvalue of ``W S W^T``, random W of 2d and d/2 rows.
    """
    d, k = setting.d, setting.k
    records = []
    for seed in seeds:
        a = _normal(seed, "determinant", d, shape=(d, d))
        covariance = a @ a.mT / d + 0.01 * torch.eye(d, dtype=torch.float64)
        best = float(stiefel.largest_log_determinant(covariance, k))
        start = _normal(seed, "determinant", "start", d, k, shape=(k, d))
        kept = stiefel.maximise_determinant(start, covariance)
        free = stiefel.maximise_determinant(start, covariance, constrained=False, steps=FREE_STEPS)
        random = stiefel.log_determinant(torch.linalg.qr(start.mT).Q.mT, covariance)
        flat = {}
        for name, rows in (("flat_wide", 2 * d), ("flat_narrow", d // 2)):
            w = _normal(seed, "determinant", name, d, shape=(rows, d))
            values = torch.linalg.eigvalsh(w @ covariance @ w.mT)
            flat[name] = float(values[0] / values[-1])
        records.append(
            {
                "seed": seed,
                "constrained": np.exp(kept.value - best),
                "log10_constrained": (kept.value - best) / LOG10,
                "steps": kept.steps,
                "converged": kept.converged,
                "random": np.exp(float(random) - best),
                "free": (free.value - best) / LOG10,
                **flat,
            }
        )
    return pd.DataFrame(records)


_SIZES = (Size(8, 2), Size(32, 16), Size(64, 10))
DETERMINANTS = Experiment.repeated("shortcuts-determinants", determinant_trial, _SIZES, DRAWS, MANY_DRAWS, group=50)


def det_constrained(table: pd.DataFrame) -> Evidence:
    """Relative error of the product of eigenvalues, one value per (draw, size); control: a random point."""
    return Evidence(values=(table["constrained"] - 1).abs().to_numpy(), control=(table["random"] - 1).abs().to_numpy())


def det_unconstrained(table: pd.DataFrame) -> Evidence:
    """log10 of what 200 free steps reach over the product, one value per (draw, size); control: orthonormal rows."""
    return Evidence(values=table["free"].to_numpy(), control=table["log10_constrained"].to_numpy(), unit="decades")


def det_widening(table: pd.DataFrame) -> Evidence:
    """Smallest over largest eigenvalue with 2d rows, one value per (draw, size); control: d/2 rows."""
    return Evidence(values=table["flat_wide"].to_numpy(), control=table["flat_narrow"].to_numpy())


@dataclass(frozen=True)
class Labels:
    """Two Gaussian classes in ``d`` dimensions, apart along the direction of ``least`` or ``most`` variance.

    They are four of that direction's standard deviations apart, so that the best accuracy is 97.7%.
    """

    where: str
    d: int = 8
    k: int = 2
    examples: int = 1000


def labels_trial(setting: Labels, seeds: Sequence[int]) -> pd.DataFrame:
    """Test accuracy of a linear classifier on all coordinates and on k, chosen in three ways; one row per draw."""
    records = []
    for seed in seeds:
        scales = torch.linspace(3, 1, setting.d, dtype=torch.float64)
        scales[-1] = 0.2
        axis = 0 if setting.where == "most" else setting.d - 1
        x = _normal(seed, "labels", shape=(2 * setting.examples, setting.d)) * scales
        y = torch.arange(2 * setting.examples) % 2
        x[:, axis] += 4 * scales[axis] * (y.double() - 0.5)
        parts = [(x[: setting.examples], y[: setting.examples]), (x[setting.examples :], y[setting.examples :])]
        covariance = subspaces.covariance(parts[0][0])
        random = torch.linalg.qr(_normal(seed, "labels", "random", shape=(setting.d, setting.k))).Q.mT
        ways = {
            "all": torch.eye(setting.d, dtype=torch.float64),
            "pca": subspaces.principal(covariance, setting.k),
            "random": random,
            "discriminant": subspaces.discriminant(*parts[0], 1),
        }
        record: dict[str, float] = {"seed": seed}
        for name, w in ways.items():
            train, test = ((part @ w.mT, label) for part, label in parts)
            record[name] = 100 * subspaces.probe(train, test)
            record[f"variance_{name}"] = subspaces.reconstruction(w, covariance)
        records.append(record)
    return pd.DataFrame(records)


LABELS = Experiment.repeated(
    "shortcuts-labels", labels_trial, (Labels("least"), Labels("most")), DRAWS, MANY_DRAWS, group=50
)


def det_labels(table: pd.DataFrame) -> Evidence:
    """Accuracy on 2 principal coordinates minus on all, one value per draw; control: classes along most variance."""
    loss = (table["pca"] - table["all"]).groupby(table["where"])
    return Evidence(
        values=loss.get_group("least").to_numpy(),
        control=loss.get_group("most").to_numpy(),
    )


@dataclass(frozen=True)
class Pixels:
    """``k`` coordinates of the 64 pixels of the digits."""

    k: int


def pixels_trial(setting: Pixels, seeds: Sequence[int]) -> pd.DataFrame:
    """Variance kept and test accuracy of a linear classifier for k coordinates; one row per (draw, way).

    ``pca``: principal; ``random`` and ``random2``: orthonormal; ``discriminant``: Fisher's, of which there are nine.
    """
    digits = data.load("digits", flat=True)
    train, test = digits.train.x.double(), digits.test.x.double()
    covariance = subspaces.covariance(train)
    records = []
    for seed in seeds:
        ways = {
            "pca": subspaces.principal(covariance, setting.k),
            "random": torch.linalg.qr(_normal(seed, "pixels", shape=(64, setting.k))).Q.mT,
            "random2": torch.linalg.qr(_normal(seed, "pixels", "second", shape=(64, setting.k))).Q.mT,
            "discriminant": subspaces.discriminant(train, digits.train.y, min(setting.k, 9)),
        }
        for name, w in ways.items():
            accuracy = subspaces.probe((train @ w.mT, digits.train.y), (test @ w.mT, digits.test.y))
            kept = subspaces.reconstruction(w, covariance)
            records.append({"seed": seed, "way": name, "accuracy": 100 * accuracy, "variance": 100 * kept})
    return pd.DataFrame(records)


_KEPT = (2, 5, 10, 20, 40, 64)
PIXELS = Experiment.repeated(
    "shortcuts-pixels", pixels_trial, tuple(map(Pixels, _KEPT)), DRAWS, MANY_DRAWS, group=50, data=("digits",)
)


def det_digits(table: pd.DataFrame) -> Evidence:
    """Accuracy on 10 principal minus 10 random coordinates, one value per draw; control: two random sets."""
    accuracy = table[table["k"] == 10].pivot(index="seed", columns="way", values="accuracy")
    return Evidence(
        values=(accuracy["pca"] - accuracy["random"]).to_numpy(),
        control=(accuracy["random2"] - accuracy["random"]).to_numpy(),
    )


@dataclass(frozen=True)
class Ellipse:
    """Two Gaussian classes in the plane, apart along the ``short`` or the ``long`` axis of the data's ellipse.

    ``long`` and ``short`` are the standard deviations of all data along the axes; the classes are ``apart`` times the
    standard deviation of a class from each other.
    """

    apart_along: str
    long: float = 2.0
    short: float = 0.6
    apart: float = 4.0
    points: int = 120


def moments(setting: Ellipse) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariance of all data, covariance of a class, and the vector between the means."""
    total = np.diag([setting.long**2, setting.short**2])
    axis = 0 if setting.apart_along == "long" else 1
    # Equal classes: total variance = within + (distance / 2)^2, and distance = apart * sqrt(within).
    within = total.copy()
    within[axis, axis] = total[axis, axis] / (1 + setting.apart**2 / 4)
    between = np.zeros(2)
    between[axis] = setting.apart * within[axis, axis] ** 0.5
    return total, within, between


def ellipse_trial(setting: Ellipse, seeds: Sequence[int]) -> pd.DataFrame:
    """For each degree of the axis the determinant and the best accuracy, in closed form, and a sample of points.

    Columns: ``part`` is ``axis`` (with ``degrees``, ``det``, ``accuracy``) or ``point`` (with ``x``, ``y``, ``label``).
    """
    total, within, between = moments(setting)
    pieces = []
    for seed in seeds:
        degrees = np.arange(181.0)
        w = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1)
        half = np.abs(w @ between) / (2 * np.einsum("ni,ij,nj->n", w, within, w) ** 0.5)
        accuracy = [50 * (1 + erf(value / 2**0.5)) for value in half]
        axis = {"degrees": degrees, "det": np.einsum("ni,ij,nj->n", w, total, w), "accuracy": accuracy}
        label = np.arange(setting.points) % 2
        noise = _normal(seed, "ellipse", setting.apart_along, shape=(setting.points, 2)).numpy()
        xy = noise @ np.sqrt(within) + np.outer(label - 0.5, between)
        point = {"x": xy[:, 0], "y": xy[:, 1], "label": label.astype(float)}
        frames = [pd.DataFrame({"part": "axis", **axis}), pd.DataFrame({"part": "point", **point})]
        pieces.append(pd.concat(frames, ignore_index=True).assign(seed=seed))
    names = ["seed", "part", "degrees", "det", "accuracy", "x", "y", "label"]
    return pd.concat(pieces, ignore_index=True)[names]


_ELLIPSES = Grid(settings=(Ellipse("short"), Ellipse("long")), seeds=(0,))
ELLIPSE = Experiment(name="shortcuts-ellipse", trial=ellipse_trial, quick=_ELLIPSES, full=_ELLIPSES)
