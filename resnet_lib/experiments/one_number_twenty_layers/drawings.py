"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.style import COLOURS, MARKERS
from resnet_lib.experiments.one_number_twenty_layers import defaults, steps

LAYERS = 20
SPAN = (-2.4, 1.6)  # slopes: both tents, and where each crosses 1
SIZE = 0.2  # of the default weights whose density is drawn
HEALTHY = defaults.WITHIN


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Share of healthy chains by kind, mean of the slopes and size: mean over the seeds."""
    return table.groupby(["kind", "mean", "size"])["share"].mean().reset_index()


def tents(table: pd.DataFrame) -> Figure:
    """Log gain over the slope, plain and residual, with the density of default weights; shares of healthy chains."""
    figure, (plain, residual, right) = plt.subplots(1, 3, figsize=(8, 3))
    slope = np.linspace(*SPAN, 2001)
    for axis, shift, key, title in (
        (plain, 0, "plain", "plain, $a^{20}$"),
        (residual, 1, "pre", "residual, $(1+a)^{20}$"),
    ):
        with np.errstate(divide="ignore"):
            log_gain = LAYERS * np.log10(np.abs(slope + shift))
        axis.axhspan(-HEALTHY, HEALTHY, color=COLOURS["reference"], alpha=0.3, linewidth=0)
        axis.plot(slope, log_gain, color=COLOURS[key])
        density = np.exp(-((slope / SIZE) ** 2) / 2)
        axis.fill_between(slope, -20, -20 + 8 * density, color=COLOURS["scaled"], alpha=0.35, linewidth=0)
        axis.set(title=title, xlabel="slope $a$ of every layer", xlim=SPAN, ylim=(-20, 10))
        axis.text(0.62, -19.4, "default\nweights", color=COLOURS["scaled"], fontsize="small")
    plain.set_ylabel(r"$\log_{10}|$gain$|$ of 20 layers")
    for kind, mean, key, label in (
        ("residual", 0.0, "pre", "residual, about 0"),
        ("plain", 1.0, "control", "plain, about 1"),
        ("plain", 0.0, "plain", "plain, about 0"),
    ):
        rows = table[(table["kind"] == kind) & (table["mean"] == mean)]
        line = "--" if key == "control" else "-"
        right.plot(rows["size"], rows["share"], line, marker=MARKERS[key], color=COLOURS[key], label=label)
    right.set(
        xscale="log",
        title="random slopes",
        xlabel="deviation of the slopes",
        ylabel="share with gain 0.1 to 10",
        ylim=(-0.03, 1.03),
    )
    right.legend(loc="lower left", fontsize="small", bbox_to_anchor=(0, 0.08), handlelength=1.4)
    return figure


def stable_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Gain and largest stable step of the chains whose output is not divided, in decades; a row per chain."""
    return steps.against_zero(table)


def price(table: pd.DataFrame) -> Figure:
    """Decades of the gain, and of the largest stable step against that of slope 0, over the slope."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
    slope = np.linspace(-0.5, 0.5, 201)
    for layers, marker, line in ((10, "v", ":"), (20, "D", "-"), (40, "s", "--")):
        rows = table[table["layers"] == layers]
        look = {"color": COLOURS["pre"]}
        left.plot(slope, layers * np.log10(1 + slope), line, **look)
        left.plot(rows["slope"], rows["gain"], marker, label=f"{layers} layers", **look)
        right.plot(slope, -(2 * layers - 2) * np.log10(1 + slope), line, **look)
        right.plot(rows["slope"], rows["larger"], marker, label=f"{layers} layers", **look)
    for axis in (left, right):
        axis.axhline(0, color=COLOURS["reference"], linewidth=0.8)
        axis.set(xlabel="slope $a$ of every branch", xlim=(-0.55, 0.85), ylim=(-15, 15))
    left.set(title="gain", ylabel="decades (powers of ten)")
    right.set_title("largest stable step, against slope 0")
    for axis, decades, words in ((left, 20, "3,325 times"), (right, -38, "4.9 million\ntimes smaller")):
        axis.text(0.53, decades * np.log10(1.5), words, color=COLOURS["theory"], fontsize="small", va="center")
    left.legend(loc="lower right")
    return figure


def sums(table: pd.DataFrame) -> pd.DataFrame:
    """Gains of branches in a row and side by side, and the slope times the number of layers, up to 10."""
    rows = table[table["kind"].isin(["residual", "beside"]) & table["slope"].isin([0.001, 0.01, 0.1])]
    rows = rows[~rows["uneven"]].assign(total=rows["slope"] * rows["layers"])
    return rows.loc[rows["total"] <= 10 + 1e-9, ["kind", "slope", "layers", "total", "gain"]].reset_index(drop=True)


def additive(table: pd.DataFrame) -> Figure:
    """Gain against slope times layers: residual layers in a row, and the same branches side by side."""
    figure, axis = plt.subplots(figsize=(6.5, 3.5))
    total = np.geomspace(0.01, 10, 200)
    axis.plot(total, np.exp(total), "--", color=COLOURS["theory"], label="$e^{aL}$")
    axis.plot(total, 1 + total, "-", color=COLOURS["reference"], label="$1+aL$")
    for kind, key, label in (("residual", "pre", "in a row"), ("beside", "bottleneck", "side by side")):
        for slope, size in ((0.001, 9), (0.01, 6.5), (0.1, 4)):
            rows = table[(table["kind"] == kind) & (table["slope"] == slope)]
            look = {"color": COLOURS[key], "markersize": size, "markerfacecolor": "none", "linestyle": ""}
            axis.plot(rows["total"], rows["gain"], marker=MARKERS[key], label=f"{label}, $a={slope:g}$", **look)
    axis.set(xscale="log", yscale="log", xlabel="slope times layers, $aL$", ylabel="gain", ylim=(0.9, 3e4))
    axis.legend(fontsize="small")
    return figure


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """What the trained network of 8 layers does with directions and gradients; a row per seed, epoch and layer."""
    rows = table[(table["lr"] > 0) & (table["layers"] == 8)]
    columns = ["seed", "epoch", "layer", "random", "gradient", "random_factor", "gradient_factor"]
    return rows[columns].reset_index(drop=True)


def contraction(table: pd.DataFrame) -> Figure:
    """Shares of shrinking through training, and the factor of each layer at its end; points are seeds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    last = table[table["epoch"] == table["epoch"].max()]
    for name, key, label in (
        ("random", "zero-gamma", "a fresh direction"),
        ("gradient", "bottleneck", "the gradient"),
    ):
        look = {"color": COLOURS[key], "marker": MARKERS[key]}
        by_seed = table.groupby(["epoch", "seed"])[name].mean()
        means = by_seed.groupby("epoch").mean()
        left.plot(means.index, means, label=label, **look)
        left.plot(by_seed.index.get_level_values("epoch"), by_seed, ".", color=COLOURS[key], alpha=0.5)
        factor = f"{name}_factor"
        means = last.groupby("layer")[factor].mean()
        right.plot(means.index, means, label=label, **look)
        right.plot(last["layer"], last[factor], ".", color=COLOURS[key], alpha=0.5)
    left.axhline(0.5, linestyle="--", color=COLOURS["theory"], linewidth=1)
    right.axhline(1, linestyle="--", color=COLOURS["theory"], linewidth=1)
    left.set(xlabel="epoch", ylabel="share that shrinks", ylim=(0, 1), xticks=sorted(table["epoch"].unique()))
    right.set(xlabel="layer", ylabel="factor of a layer, after training", ylim=(0.6, 1.6))
    left.legend(loc="upper right")
    return figure
