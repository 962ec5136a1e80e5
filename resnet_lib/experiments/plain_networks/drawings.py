"""Figures of degradation, gradients and rescue: a selection of a trial's table, and a drawing of it."""

import math

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import buttons, worded
from resnet_lib.evidence.style import COLOURS
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.plain_networks import measures

MEAN_FIELD = math.sqrt(math.pi / (math.pi - 1))
"""Growth of the gradient per layer on its way back through batch normalisation and ReLU, wide layers."""

SHOWN = shown(
    {
        "plain": "plain",
        "mirrored": "plain-mirrored",
        "original": "original",
        "pre": "residual",
        "scaled": "scaled",
        "bare": "plain-bare",
        "identity": "plain-near",
        "looks-linear": "plain-looks-linear",
        "orthogonal": "plain-orthogonal",
        "sigmoid": "plain-sigmoid",
    }
)
"""The networks of `families.Family` as figures show them."""


def errors_by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """Training and test error of each family, depth and seed."""
    found = table[table["measure"].isin(["train_error", "test_error"])]
    return found[["variant", "layers", "seed", "measure", "value"]].reset_index(drop=True)


def degradation(table: pd.DataFrame) -> Figure:
    """Errors against the number of layers: lines are means over seeds, points are seeds."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.6))
    for axis, measure in zip(axes, ("train_error", "test_error"), strict=True):
        for variant in ("plain", "original", "pre"):
            mine = table[(table["variant"] == variant) & (table["measure"] == measure)]
            mean = mine.groupby("layers")["value"].mean()
            look = SHOWN[variant].look
            axis.plot(mean.index, mean, **look)
            axis.plot(mine["layers"], mine["value"], ".", color=look["color"], alpha=0.5)
        axis.set(xlabel="weight layers", xscale="log", xticks=sorted(set(table["layers"])))
        axis.set_xticklabels([str(layers) for layers in sorted(set(table["layers"]))])
        axis.minorticks_off()
        axis.set_yscale("symlog", linthresh=1)
        axis.set(yticks=[0, 0.5, 1, 2, 5, 10, 20, 50, 90])
        axis.set_yticklabels(["0", "0.5", "1", "2", "5", "10", "20", "50", "90"])
        axis.set(title="training error, %" if measure == "train_error" else "test error, %")
    axes[0].legend(loc="upper left")
    return figure


AT_START = ("plain", "mirrored", "original", "pre", "bare", "identity", "looks-linear")


def by_layer(table: pd.DataFrame) -> pd.DataFrame:
    """Geometric mean over draws of each layer's gradient, over that of the last one; and the mean agreement."""
    mine = table[(table["width"] == table["width"].min()) & table["variant"].isin(AT_START)]
    last = mine.groupby(["variant", "seed"])["layer"].transform("max")
    ends = mine[mine["layer"] == last].set_index(["variant", "seed"])["gradient"]
    keys = pd.MultiIndex.from_frame(mine[["variant", "seed"]])
    logs = np.log10(mine["gradient"].to_numpy()) - np.log10(ends.reindex(keys).to_numpy())
    found = mine.assign(decades=logs).groupby(["variant", "layer"])[["decades", "agreement"]].mean()
    return found.round(4).reset_index()


def gradients(table: pd.DataFrame) -> Figure:
    """Left: size of the gradient by layer, in decades over the last one's. Right: agreement of two batches."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    for variant in AT_START:
        mine, look = table[table["variant"] == variant], SHOWN[variant].look
        left.plot(mine["layer"], mine["decades"], **look, markevery=14)
        right.plot(mine["layer"], mine["agreement"], **look, markevery=14)
    last = table["layer"].max()
    law = (last - table["layer"].unique()) * math.log10(MEAN_FIELD)
    left.plot(table["layer"].unique(), law, "--", color=COLOURS["theory"], label=r"$\sqrt{\pi/(\pi-1)}$ a layer")
    left.set(xlabel="weight layer, from the input", ylabel=r"$\log_{10}$ of gradient / last layer's")
    right.set(xlabel="weight layer, from the input", ylabel="cosine of two batches' gradients", ylim=(-0.2, 1.05))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


WATCHED = ("plain", "original", "sigmoid")


def watched(table: pd.DataFrame) -> pd.DataFrame:
    """Geometric mean over seeds of each layer's gradient after each kept epoch, by the layer's place from 0 to 1."""
    mine = table[(table["measure"] == "gradient") & table["variant"].isin(WATCHED) & ~table["rescaled"]]
    logs = mine.assign(decades=np.log10(mine["value"].clip(lower=1e-45)))
    found = logs.groupby(["variant", "epoch", "layer"])["decades"].mean().reset_index()
    most = found.groupby("variant")["layer"].transform("max")
    found["place"] = ((found["layer"] - 1) / (most - 1)).round(4)
    found["stage"] = found.groupby("variant")["epoch"].rank(method="dense").astype(int) - 1
    return found.round(4)


STAGES = ("before training", "after 1 epoch", "after 2 epochs", "half-way", "after training")


def training(table: pd.DataFrame) -> Figure:
    """Gradient norm by layer before, during and after training, one panel per stage."""
    stages = (0, 1, 4)
    figure, axes = plt.subplots(1, len(stages), sharey=True, figsize=(8, 3.2))
    for axis, stage in zip(axes, stages, strict=True):
        for variant in WATCHED:
            mine = table[(table["variant"] == variant) & (table["stage"] == stage)]
            axis.plot(mine["place"], mine["decades"], **SHOWN[variant].look, markevery=max(len(mine) // 6, 1))
        axis.set(title=STAGES[stage], xlabel="place of the layer", xticks=[0, 0.5, 1])
        axis.set_xticklabels(["first", "middle", "last"])
    axes[0].set(ylabel=r"$\log_{10}$ of the gradient's norm")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def stages(table: pd.DataFrame) -> Chart:
    """A choice of the stage of training; gradient norm by layer of the watched networks."""
    stage = buttons("stage", "stage of training", STAGES[0], list(STAGES))
    names = {variant: SHOWN[variant].title for variant in WATCHED}
    frame = table[["place", "decades"]].assign(
        network=table["variant"].map(names), stage=table["stage"].map(dict(enumerate(STAGES)))
    )
    colours = alt.Color(
        "network:N",
        scale=alt.Scale(domain=list(names.values()), range=[SHOWN[variant].ink for variant in WATCHED]),
        legend=alt.Legend(orient="top", title=None),
    )
    shapes = alt.Shape("network:N", legend=None)
    now = alt.Chart(frame).transform_filter("datum.stage == stage")
    low, high = math.floor(frame["decades"].min()), math.ceil(frame["decades"].max())
    x = alt.X("place:Q", title="place of the layer, from first (0) to last (1)")
    y = alt.Y("decades:Q", title="log10 of the gradient's norm", scale=alt.Scale(domain=(low, high)))
    line = now.mark_line().encode(x, y, colours)
    points = now.mark_point(filled=True, size=25).encode(x, y, colours, shapes)
    return worded(
        alt.layer(line, points).properties(width=320, height=260).add_params(stage),
        """
        gradients in the course of training

        Choose a stage of training: before it the plain network's gradient is largest in its first layers; one epoch
        levels most of that. Only with sigmoids do the first layers' gradients vanish.

        A line for each network shows the logarithm of the gradient's norm by the place of the layer. Buttons choose one
        of five stages, from before training to after it.
        """,
    )


RESCALED = (("plain", "plain"), ("bare", "plain, He"), ("bare", "plain, He"), ("sigmoid", "plain, sigmoids"))


def by_rescaling(table: pd.DataFrame) -> pd.DataFrame:
    """Training error with and without rescaled gradients, one row per (network, seed)."""
    deep = int(table.loc[table["variant"] == "plain", "layers"].max())
    pieces = []
    for (variant, title), layers in zip(RESCALED, (deep, deep, 8, 8), strict=True):
        for rescaled in (False, True):
            found = measures.values(table, variant, layers, rescaled=rescaled).reset_index()
            pieces.append(found.assign(network=f"{title}, {layers} layers", rescaled=rescaled))
    for variant, title in (("mirrored", "plain, looks-linear"), ("original", "residual")):
        found = measures.values(table, variant, deep).reset_index()
        pieces.append(found.assign(network=f"{title}, {deep} layers", rescaled=False))
    return pd.concat(pieces, ignore_index=True)[["network", "rescaled", "seed", "value"]]


def rescaling(table: pd.DataFrame) -> Figure:
    """Training error, one row per network: hollow as usual, filled with rescaled gradients; the bars are means."""
    figure, axis = plt.subplots(figsize=(7.5, 3.2))
    names = list(dict.fromkeys(table["network"]))
    for place, name in enumerate(reversed(names)):
        for rescaled, shift in ((False, 0.16), (True, -0.16)):
            mine = table[(table["network"] == name) & (table["rescaled"] == rescaled)]["value"]
            if mine.empty:
                continue
            colour = COLOURS["pre" if rescaled else "plain"]
            label = ("rescaled layer by layer" if rescaled else "as it is") if place == len(names) - 1 else None
            look: dict = {"marker": "D" if rescaled else "o", "fillstyle": "full" if rescaled else "none"}
            axis.plot(mine, np.full(len(mine), place + shift), linestyle="none", color=colour, label=label, **look)
            axis.plot([mine.mean()] * 2, [place + shift - 0.12, place + shift + 0.12], color=colour, linewidth=2)
    axis.axvline(90, linestyle=":", linewidth=1, color=COLOURS["theory"])
    axis.set(xlabel="training error, %   (dotted: guessing)", yticks=range(len(names)), xlim=(-2, 94))
    axis.set_yticklabels(list(reversed(names)))
    axis.legend(loc="center", title="gradients")
    return figure


STARTS = ("scaled", "looks-linear", "identity", "bare")


def by_start(table: pd.DataFrame) -> pd.DataFrame:
    """Errors and slopes of the deepest networks, one row per (variant, measure, epoch, seed)."""
    deepest = table.loc[table["variant"] == "scaled", "layers"].max()
    chosen = table["variant"].isin(STARTS) & (table["layers"] == deepest) & (table["measure"] != "validation_error")
    return table[chosen][["variant", "measure", "epoch", "seed", "value"]].reset_index(drop=True)


def rescue(table: pd.DataFrame) -> Figure:
    """Left: errors by the start of the weights. Right: the slope over all blocks before and after training."""
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(8, 3))
    for place, variant in enumerate(reversed(STARTS)):
        look = {"color": SHOWN[variant].look["color"], "marker": "o"}
        for measure, shift, fill in (("train_error", 0.14, "full"), ("test_error", -0.14, "none")):
            mine = table[(table["variant"] == variant) & (table["measure"] == measure)]["value"]
            style = look | {"fillstyle": fill, "linestyle": "none"}
            label = ("training" if fill == "full" else "test") if place == len(STARTS) - 1 else None
            left.plot(mine, np.full(len(mine), place + shift), label=label, **style)
        slopes = table[(table["variant"] == variant) & (table["measure"] == "slope")]
        for epoch, shift, fill in ((0, 0.14, "none"), (slopes["epoch"].max(), -0.14, "full")):
            mine = slopes[slopes["epoch"] == epoch]["value"]
            label = ("before training" if epoch == 0 else "after") if place == len(STARTS) - 1 else None
            style = look | {"fillstyle": fill, "linestyle": "none"}
            right.plot(mine, np.full(len(mine), place + shift), label=label, **style)
    left.set_xscale("symlog", linthresh=1)
    left.set(xlabel="error, %", xticks=[0, 1, 3, 10, 30, 90], xlim=(-0.3, 110), yticks=range(len(STARTS)))
    left.set_xticklabels(["0", "1", "3", "10", "30", "90"])
    left.set_yticklabels([SHOWN[variant].title for variant in reversed(STARTS)])
    right.axvline(0, linestyle="--", linewidth=1, color=COLOURS["theory"])
    right.set(xlabel=r"$\log_{10}$ of the slope from first to last state")
    left.legend(loc="center right")
    right.legend(loc="upper left")
    return figure
