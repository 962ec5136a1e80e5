"""The chapter's figures: a selection of a trial's table, a drawing of it, and a chart with sliders."""

import itertools

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.euler_and_its_limit import limits, measuring, trained

METHODS = {"euler": "post", "midpoint": "pre", "rk4": "scaled", "implicit-midpoint": "zero-gamma"}


def errors_by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """Median error over draws, for the methods that are shown and for both kinds of field."""
    shown = table[table["method"].isin(METHODS) & (table["field"] != "turning")]
    return shown.groupby(["field", "method", "depth"])["error"].median().reset_index()


def orders(table: pd.DataFrame) -> Figure:
    """Error against depth, one panel per field: smooth, with a jump, and independent weights."""
    figure, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 2.9))
    titles = {"smooth": "smooth in depth", "jump": "with one jump", "independent": "independent"}
    for axis, (field, title) in zip(axes, titles.items(), strict=True):
        for method, key in METHODS.items():
            rows = table[(table["field"] == field) & (table["method"] == method)].sort_values("depth")
            if len(rows):
                axis.loglog(rows["depth"], rows["error"], color=COLOURS[key], marker=MARKERS[key], label=method)
        axis.set(title=title, xlabel="layers $L$")
        axis.set_xticks([16, 64, 256], ["16", "64", "256"])
        axis.minorticks_off()
    axes[0].set_ylabel("relative error of the end")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def medians_by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """Median displacement and difference over draws."""
    keys = ["weights", "power", "depth"]
    return table.groupby(keys)[["displacement", "difference"]].median().reset_index()


def laws(table: pd.DataFrame) -> Figure:
    """Displacement, and distance to the network of twice the depth, against depth."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    keys = dict(zip(limits.POWERS, ("post", "pre", "scaled"), strict=True))
    for axis, column, title in zip(
        axes, ("displacement", "difference"), ("displacement", "distance to depth $2L$"), strict=True
    ):
        for weights, power in itertools.product(("smooth", "independent"), limits.POWERS):
            rows = table[(table["weights"] == weights) & (table["power"] == power)]
            line = "-" if weights == "smooth" else "--"
            label = f"{weights}, $L^{{-{power:g}}}$"
            axis.loglog(
                rows["depth"], rows[column], line, color=COLOURS[keys[power]], marker=MARKERS[keys[power]], label=label
            )
        axis.set(title=title, xlabel="layers $L$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def paths(table: pd.DataFrame) -> Figure:
    """Coordinates along depth for three scalings, rough and smooth weights."""
    powers, lengths = (0.25, 0.5, 1.0), (0.0, 0.5)
    figure, axes = plt.subplots(2, 3, sharex=True, figsize=(8, 4.1))
    for row, length in zip(axes, lengths, strict=True):
        for axis, power in zip(row, powers, strict=True):
            rows = table[(table["power"] == power) & (table["length"] == length)]
            for _, line in rows.groupby("coordinate"):
                axis.plot(line["moment"], line["x"], color=COLOURS["pre" if length else "post"], linewidth=1)
            axis.set_title(f"$L^{{-{power:g}}}$, " + ("smooth" if length else "independent"))
    for axis in axes[1]:
        axis.set_xlabel("depth $l/L$")
    return figure


def path_explorer(table: pd.DataFrame) -> Chart:
    """Coordinates along depth, with sliders for the exponent of the scale and the correlation length in depth."""
    lengths = sorted(float(value) for value in table["length"].unique())
    power = slider("p", "exponent p of the branches' size 1/L^p", 0.5, (0.25, 1), step=0.25)
    names = {value: f"correlated over {value:g} of the depth" if value else "independent" for value in lengths}
    length = menu("length", "weights along the depth", 0, names)
    lines = (
        alt.Chart(table[["power", "length", "moment", "coordinate", "x"]])
        .transform_filter("datum.power == p && datum.length == length")
        .mark_line(strokeWidth=1.5)
        .encode(
            alt.X("moment:Q", title="depth l/L"),
            alt.Y("x:Q", title="coordinates of the state", axis=alt.Axis(minExtent=36)),
            detail="coordinate:N",
            color=alt.condition("datum.length > 0", alt.value(ink("pre")), alt.value(ink("post"))),
        )
    )
    return worded(
        lines.add_params(power, length).properties(width=320, height=280),
        """
        the path for another scale and smoothness

        Choose the exponent p, and over which part of the depth the weights are alike. Each line is one of six
        coordinates of the same network of 512 layers. Independent weights are rough at every p, and at p = 1 hardly
        anything happens; correlated ones at p = 1 follow the curves of an ODE.

        Six lines, the coordinates of the state against the depth. They are rough for independent weights and smooth for
        correlated ones; the larger the exponent, the shorter the way that they go.
        """,
    )


SHOWN = shown(
    {
        ("mlp", 0.0): "residual-bare",
        ("small", 0.0): "residual-small",
        ("mlp", 0.25): "scaled-less",
        ("mlp", 0.5): "scaled",
        ("mlp", 1.0): "scaled-more",
        ("norm", 0.0): "residual",
        ("tied", 1.0): "tied",
    }
)
"""The networks of `trained.Network`, by kind and power, as figures show them."""


def accuracy_by_substeps(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of the networks of 16 blocks, one row per seed and number of sub-steps."""
    rows = table[(table["measure"] == "substeps") & (table["depth"] == trained.DEPTH)]
    return rows[["kind", "power", "k", "seed", "value"]].reset_index(drop=True)


def substeps(table: pd.DataFrame) -> Figure:
    """Test accuracy against the number of sub-steps per block; one point per seed."""
    figure, axis = plt.subplots(figsize=(7, 3.8))
    for (kind, power), found in SHOWN.items():
        rows = table[(table["kind"] == kind) & (table["power"] == power)]
        means = 100 * rows.groupby("k")["value"].mean()
        axis.plot(means.index, means, **found.look)
        axis.plot(rows["k"], 100 * rows["value"], ".", color=found.look["color"], alpha=0.5)
    axis.axvline(measuring.RULE, color=COLOURS["reference"], linewidth=0.8)
    axis.set(xscale="log", xlabel="sub-steps of each block", ylabel="test accuracy (%)", ylim=(60, 101))
    axis.set_xticks(list(measuring.SUBSTEPS), [str(k) for k in measuring.SUBSTEPS])
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def lengths_by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """Length of the path through the unscaled and the 1/L networks, one row per depth and seed."""
    rows = table[(table["measure"] == "path") & (table["kind"] == "mlp") & table["power"].isin([0.0, 1.0])]
    return rows[["power", "depth", "seed", "value"]].reset_index(drop=True)


def lengths(table: pd.DataFrame) -> Figure:
    """Length of the path against depth, with the two readings."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    depths = np.array(trained.DEPTHS)
    for power in (0.0, 1.0):
        rows, look = table[table["power"] == power], SHOWN["mlp", power].look
        means = rows.groupby("depth")["value"].mean()
        axis.loglog(means.index, means, **look)
        axis.loglog(rows["depth"], rows["value"], ".", color=look["color"], alpha=0.5)
        if power == 0:
            first = means.iloc[0]
            axis.loglog(depths, first * depths / depths[0], ":", color=COLOURS["theory"], label="depth is time")
            axis.loglog(depths, first + 0 * depths, "--", color=COLOURS["theory"], label="depth is accuracy")
    axis.set(xlabel="blocks $L$", ylabel="length of the path")
    axis.set_xticks(depths, [str(depth) for depth in depths])
    axis.minorticks_off()
    axis.legend()
    return figure


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """Where the points of the first seed end."""
    return table[table["seed"] == table["seed"].min()][["task", "model", "x", "out"]].reset_index(drop=True)


def topology(table: pd.DataFrame) -> Figure:
    """Learned maps of the line: the reflection, and the inside of a sphere against its outside."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
    looks = {"flow": ("post", "flow"), "augmented": ("pre", "augmented flow"), "big-step": ("scaled", "one block")}
    for axis, task in zip(axes, ("reflection", "spheres"), strict=True):
        for model, (key, title) in looks.items():
            rows = table[(table["task"] == task) & (table["model"] == model)].sort_values("x")
            if len(rows):
                axis.plot(
                    rows["x"], rows["out"].clip(-6, 6), MARKERS[key], color=COLOURS[key], label=title, markersize=3
                )
        axis.axhline(0, color=COLOURS["reference"], linewidth=0.8)
        axis.set(xlabel="input")
    axes[0].set(title=r"$x\mapsto-x$", ylabel="output")
    axes[1].set(title="inside below, outside above")
    axes[0].legend()
    return figure
