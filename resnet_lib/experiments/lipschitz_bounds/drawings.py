"""The chapter's figures: a selection of a trial's table, a drawing of it, and for one a chart with inputs."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.evidence.variants import shown

SHOWN = shown({"residual": "scaled", "plain": "plain-bare", "constrained": "constrained"})
"""The networks of these rules as figures show them, in their order."""


def ladder_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Bounds and sensitivities of trained networks by depth; one row per network."""
    rows = table[table["rule"].isin(SHOWN) & table["product"].notna()]
    columns = ["rule", "blocks", "seed", "product", "certified", "found", "at_data", "test_accuracy"]
    return rows[columns].round(4)


def ladder(table: pd.DataFrame) -> Figure:
    """Product bound, semidefinite bound and sensitivity found by depth, one panel per rule."""
    figure, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 3.1))
    lines = (
        ("product", "product bound", "post", "-"),
        ("certified", "semidefinite bound", "zero-gamma", "--"),
        ("found", "found by search", "pre", "-"),
        ("at_data", "largest at data", "control", ":"),
    )
    for axis, (rule, found) in zip(axes, SHOWN.items(), strict=True):
        rows = table[table["rule"] == rule]
        means = rows.groupby("blocks")[[name for name, *_ in lines]].mean()
        for name, label, key, dash in lines:
            look = {"color": COLOURS[key], "marker": MARKERS[key], "linestyle": dash}
            axis.plot(means.index, means[name], label=label, **look)
            axis.plot(rows["blocks"], rows[name], ".", color=COLOURS[key], alpha=0.5)
        axis.set(title=found.title, xlabel="blocks", xticks=[2, 5, 10, 20])
    axes[0].set(ylabel=r"$\log_{10}$ Lipschitz constant")
    axes[0].legend(fontsize="small")
    return figure


def signal_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Gain by depth, the median of the draws, every fifth block."""
    rows = table[(table["depth"] % 5 == 0) | (table["depth"] == 1)]
    return rows.groupby(["kind", "beta", "depth"])["gain"].median().round(5).reset_index()


def signal(table: pd.DataFrame) -> Figure:
    """Gain by depth for the guaranteed choice, aligned, and the one that keeps the mean square; with the laws."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    depth = np.arange(1, 101)
    kinds = (
        ("aligned", "aligned with the skip", "zero-gamma", 0.0),
        ("preserving", "norm kept on average", "scaled", 0.0),
        ("guaranteed", "guaranteed, random directions", "pre", np.log10(0.82) / 2),
    )
    for kind, label, key, rate in kinds:
        rows = table[(table["kind"] == kind) & (table["beta"] == 0.1)]
        look = {"color": COLOURS[key], "marker": MARKERS[key], "markevery": 2}
        axis.plot(rows["depth"], rows["gain"], label=label, **look)
        axis.plot(depth, rate * depth, "--", color=COLOURS["theory"], linewidth=1)
    axis.axhline(-2, color=COLOURS["reference"], linewidth=1)
    axis.set(xlabel="blocks", ylabel=r"$\log_{10}$ gain, $\beta=0.1$")
    axis.legend()
    return figure


def signal_chart(table: pd.DataFrame) -> Chart:
    """Two inputs: beta, and the share of the branch that is aligned with the skip; gain by depth from the law."""
    beta = slider("beta", "weight β of the branch", 0.1, (0.01, 0.5), step=0.01)
    scale = slider("scale", "branch's constant αK (times β)", 1, (0, 6), step=0.1)
    aligned = slider("aligned", "alignment with the shortcut (cosine)", 0, (0, 1), step=0.05)
    square = "pow(1 - beta, 2) + 2 * (1 - beta) * scale * beta * aligned + pow(scale * beta, 2)"
    curve = alt.Chart(alt.sequence(0, 101, 1, as_="depth")).transform_calculate(
        gain=f"datum.depth * log({square}) / (2 * LN10)"
    )
    x, y = (
        alt.X("depth:Q", title="blocks"),
        alt.Y("gain:Q", title="log10 gain", scale=alt.Scale(domain=(-6, 6))),
    )
    told = alt.param(
        name="told",
        expr="(scale <= 1 ? 'Guaranteed: no two states move apart.' : 'No guarantee.') + ' Gain a block: ' + "
        f"format(sqrt({square}), '.4f') + '.'",
    )
    measured = table[(table["kind"] == "guaranteed") & (table["beta"] == 0.1)]
    return worded(
        alt.layer(
            alt.Chart(measured).mark_point(color=ink("control"), opacity=0.6).encode(x, y),
            curve.mark_line(color=ink("pre"), clip=True).encode(x, y),
        )
        .properties(width=320, height=260)
        .add_params(beta, scale, aligned, told),
        """
        the gain of another choice

        Set β, the branch's constant αK in multiples of β, and how far the branch points along the shortcut. Line: the
        law of the text. Dots: measured at β = 0.1 and αK = β without alignment, where the line begins. At αK above β
        the guarantee is gone.

        The logarithm of the gain by the number of blocks, a straight line through zero. It falls for the guaranteed
        choice, is level where the branch is fully aligned, and rises beyond the guarantee.
        """,
    )


def condition_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Median condition number by alpha."""
    return table.groupby(["kind", "alpha"])["kappa"].median().round(6).reset_index()


def condition(table: pd.DataFrame) -> Figure:
    """Condition number by the size of the branch, one line per kind of branch."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    kinds = (
        ("gaussian", "Gaussian", "post"),
        ("symmetric", "symmetric", "plain"),
        ("positive", "positive semidefinite", "bottleneck"),
        ("skew", "skew-symmetric", "pre"),
        ("rotation", "rotation in planes", "zero-gamma"),
        ("repair", "repairs its shortcut", "control"),
    )
    for kind, label, key in kinds:
        rows = table[table["kind"] == kind]
        axis.plot(rows["alpha"], rows["kappa"], label=label, color=COLOURS[key], marker=MARKERS[key], markevery=6)
    axis.axhline(2, color=COLOURS["reference"], linewidth=1)
    axis.set(xlabel=r"size of the branch, $\alpha$", ylabel="condition number", yscale="log", ylim=(0.9, 300))
    axis.legend(fontsize="small", ncols=2)
    return figure
