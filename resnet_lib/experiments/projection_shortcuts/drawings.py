"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from resnet_lib.evidence.style import COLOURS, MARKERS
from resnet_lib.evidence.variants import find
from resnet_lib.experiments.projection_shortcuts.networks import TITLES, differences

WAYS = {"pca": "principal", "discriminant": "Fisher's (at most 9)", "random": "random orthonormal"}


def narrowing_and_widening(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios of norms at one size each way: 32 to 16 and 16 to 32 coordinates, orthonormal and as PyTorch draws."""
    rows = table[(table["size"] == 1) & table["rows"].isin([16, 32]) & (table["rows"] + table["columns"] == 48)]
    return rows[["shortcut", "weights", "rows", "columns", "seed", "forward", "gradient"]].reset_index(drop=True)


def ratios(table: pd.DataFrame) -> Figure:
    """Histograms of the ratios: one row per direction of change, a column forward and gradient."""
    figure, axes = plt.subplots(2, 2, sharex=True, sharey="row", figsize=(8, 4.6))
    edges = np.linspace(0.2, 1.3, 56)
    for axis_row, rows in zip(axes, (16, 32), strict=True):
        for axis, way in zip(axis_row, ("forward", "gradient"), strict=True):
            for weights, name, colour in (
                ("torch", "as PyTorch draws them", "reference"),
                ("orthonormal", "orthonormal " + ("rows" if rows == 16 else "columns"), "post"),
            ):
                mine = table[(table["rows"] == rows) & (table["weights"] == weights)]
                axis.hist(mine[way], list(edges), alpha=0.8, color=COLOURS[colour], label=name)
            axis.axvline(1, linestyle="--", color=COLOURS["theory"], linewidth=1)
            axis.axvline(0.5**0.5, linestyle=":", color=COLOURS["theory"], linewidth=1)
            axis.set(yscale="log", ylim=(0.7, 4000))
        axis_row[0].set_ylabel("32 to 16" if rows == 16 else "16 to 32")
        axis_row[0].legend(loc="upper left", fontsize="small")
    axes[0, 0].set_title(r"signal, $\Vert Wx\Vert/\Vert x\Vert$")
    axes[0, 1].set_title(r"gradient, $\Vert W^\top g\Vert/\Vert g\Vert$")
    for axis in axes[1]:
        axis.set_xlabel("ratio of norms")
    return figure


def least_defects(table: pd.DataFrame) -> pd.DataFrame:
    """Over the draws the largest of the least defects found, for each square of the map."""
    rows = table[(table["kind"] == "matrix") & (table[["c_in", "c_out"]].max(axis=1) <= 8)]
    return rows.groupby(["c_in", "c_out"])[["found", "predicted"]].max().reset_index()


def feasibility(table: pd.DataFrame) -> Figure:
    """The map of the least defects over input and output dimension, each with its value."""
    grid = table.pivot(index="c_out", columns="c_in", values="found")
    figure, axis = plt.subplots(figsize=(5.6, 4.6))
    mesh = axis.pcolormesh(grid.columns, grid.index, grid, cmap="cividis_r", vmin=0, edgecolors="none")
    largest = float(table["found"].max())
    for d_in, d_out, value in zip(table["c_in"], table["c_out"], table["found"], strict=True):
        text = "0" if value < 1e-6 else f"{value:.2f}"
        colour = "white" if value > 0.6 * largest else "black"
        axis.text(d_in, d_out, text, ha="center", va="center", fontsize="small", color=colour)
    size = int(table["c_in"].max())
    for d_in in range(1, size // 2 + 1):  # where the channels double
        axis.add_patch(Rectangle((d_in - 0.5, 2 * d_in - 0.5), 1, 1, fill=False, edgecolor="#FF6A00", linewidth=2.5))
    axis.set(xlabel=r"$d_{\rm in}$", ylabel=r"$d_{\rm out}$", aspect="equal")
    axis.set(xlim=(0.5, size + 0.5), ylim=(0.5, size + 0.5))
    axis.set(xticks=range(1, size + 1), yticks=range(1, size + 1))
    axis.grid(visible=False)
    figure.colorbar(mesh, ax=axis, label=r"least $\Vert WW^\top-I\Vert_F$ found")
    return figure


def axes_of_the_ellipse(table: pd.DataFrame) -> pd.DataFrame:
    """The closed forms for every degree, and every point of the samples."""
    return table[["apart_along", "part", "degrees", "det", "accuracy", "x", "y", "label"]].reset_index(drop=True)


def ellipse(table: pd.DataFrame) -> Figure:
    """For both cases the points, and below determinant and accuracy over the angle of the axis."""
    cases = (("long", "classes apart along the long axis"), ("short", "classes apart along the short axis"))
    figure, axes = plt.subplots(2, 2, figsize=(8, 5), height_ratios=[1.1, 1], sharey="row")
    for column, (case, title) in enumerate(cases):
        rows = table[table["apart_along"] == case]
        points, axis = rows[rows["part"] == "point"], axes[0, column]
        for label, colour, marker in ((0, "post", "o"), (1, "plain", "^")):
            mine = points[points["label"] == label]
            axis.scatter(mine["x"], mine["y"], s=10, linewidths=0, marker=marker, color=COLOURS[colour])
        axis.set(title=title, aspect="equal", xlim=(-5.5, 5.5), ylim=(-2.6, 2.6))
        curves = rows[rows["part"] == "axis"]
        share = curves["det"] / curves["det"].max()
        axes[1, column].plot(curves["degrees"], share, "--", color=COLOURS["theory"], label="determinant / largest")
        axes[1, column].plot(curves["degrees"], curves["accuracy"] / 100, color=COLOURS["pre"], label="accuracy")
        axes[1, column].set(xlabel="angle of the projection axis (degrees)", ylim=(0, 1.05), xticks=range(0, 181, 45))
    axes[1, 0].set_ylabel("share")
    axes[1, 0].legend(loc="lower left", fontsize="small")
    return figure


def kept_by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Means over draws of the variance kept and of the accuracy, for each number of coordinates and way."""
    rows = table[table["way"].isin(list(WAYS))]
    return rows.groupby(["way", "k"])[["variance", "accuracy"]].mean().reset_index()


def kept(table: pd.DataFrame) -> Figure:
    """Two panels over the number of coordinates: variance kept, accuracy of a linear classifier."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharex=True)
    looks = {"pca": ("pre", "-"), "discriminant": ("scaled", "-."), "random": ("reference", "--")}
    for axis, column, label in zip(
        axes, ("variance", "accuracy"), ("variance kept (%)", "test accuracy of a linear classifier (%)"), strict=True
    ):
        for way, name in WAYS.items():
            rows = table[table["way"] == way]
            if way == "discriminant":
                rows = rows[rows["k"] <= 10]
            key, line = looks[way]
            axis.plot(rows["k"], rows[column], line, color=COLOURS[key], marker=MARKERS[key], label=name)
        axis.set(xscale="log", xlabel="coordinates kept, of 64", ylabel=label, ylim=(0, 103))
        axis.set_xticks([2, 5, 10, 20, 40, 64], ["2", "5", "10", "20", "40", "64"])
        axis.minorticks_off()
    axes[1].legend(loc="lower right")
    return figure


def against_a(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy minus that of A with the same seed; one row per (variant, seed)."""
    rows = differences(table).reset_index().melt(id_vars="seed", var_name="shortcut", value_name="difference")
    rows = rows[rows["shortcut"] != "A"].assign(title=lambda part: part["shortcut"].map(TITLES))
    return rows.sort_values(["shortcut", "seed"], ignore_index=True)


def variants(table: pd.DataFrame) -> Figure:
    """One row per variant: the paired differences of the seeds and their mean."""
    names = [name for name in TITLES if name in set(table["shortcut"])]
    figure, axis = plt.subplots(figsize=(7.5, 0.42 * len(names) + 1))
    _rows(axis, table, names)
    axis.axvspan(-0.5, 0.5, color=COLOURS["reference"], alpha=0.2, linewidth=0)
    axis.axvline(0, color=COLOURS["theory"], linewidth=1)
    axis.set_xlabel("test accuracy minus that of zero-padding, same seed (percentage points)")
    return figure


def _rows(axis: Axes, table: pd.DataFrame, names: list[str]) -> None:
    for height, name in enumerate(reversed(names)):
        values = table.loc[table["shortcut"] == name, "difference"]
        shown = find("plain" if name == "plain" else "original")
        axis.scatter(
            values, np.full(len(values), height), s=22, color=shown.look["color"], marker=shown.marker, alpha=0.6
        )
        axis.plot([values.mean()], [height], "|", markersize=16, markeredgewidth=2, color=COLOURS["theory"])
    axis.set_yticks(range(len(names)), [TITLES[name] for name in reversed(names)])
    axis.grid(axis="y", visible=False)
