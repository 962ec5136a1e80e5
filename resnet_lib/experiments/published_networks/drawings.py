"""The chapter's figures: a selection of a trial's table, and a drawing of it; the networks differ in depth alone."""

from functools import partial
from typing import Any

import altair as alt
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import buttons, menu, slider, worded
from resnet_lib.evidence.style import COLOURS, ink
from resnet_lib.evidence.summaries import summary, whiskers
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.published_networks import lesions
from resnet_lib.experiments.published_networks.networks import DEPTHS

LOOK = shown({"original": "original"})["original"].look
MARKERS: dict[int, str] = dict(zip(DEPTHS, "^vDs", strict=True))
LINES: dict[int, str] = dict(zip(DEPTHS, (":", "-.", "--", "-"), strict=True))
"""The networks have the colour of their unit; the deeper one is, the less its line is broken."""
STATISTICS = {"trained": "as trained", "anew": "anew"}
PARTS = {"train": "learned images", "test": "new images"}
_summary = partial(summary, stream="published")


def _network(depth: int) -> dict[str, Any]:
    return LOOK | {"marker": MARKERS[depth], "linestyle": LINES[depth], "label": f"ResNet-{depth}"}


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Percent of the images that a network labels wrongly, by its depth and the part of the images."""
    return _summary(table.assign(percent=100 * table["error"]), ["part", "depth"], "percent")


def depths(table: pd.DataFrame) -> Figure:
    """Error by depth, on learned images and on new ones."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for part, filled in zip(PARTS, (False, True), strict=True):
        rows = table[table["part"] == part]
        look = LOOK | {"label": PARTS[part], "linestyle": "-" if filled else "--"}
        whiskers(axis, rows["depth"], rows, **look, markerfacecolor=LOOK["color"] if filled else "none")
    axis.set(xlabel="layers", ylabel="error, %", xticks=DEPTHS, ylim=(0, None))
    axis.legend()
    return figure


def blocks(table: pd.DataFrame) -> pd.DataFrame:
    """Points lost without each block, by depth, kind of statistics and block; `kind` says whether the shape is kept."""
    found = [lesions.rows(table, depth, kind, "removed", "transition") for depth in DEPTHS for kind in STATISTICS]
    return _summary(pd.concat(found), ["depth", "statistics", "measure", "block"], "loss").rename(
        columns={"measure": "kind"}
    )


def one(table: pd.DataFrame) -> Figure:
    """Points lost by the block that is missing, a panel for each network; crosses change the shape."""
    figure, axes = plt.subplots(
        1, len(DEPTHS), sharey=True, figsize=(8, 3.6), gridspec_kw={"width_ratios": [depth - 2 for depth in DEPTHS]}
    )
    for axis, depth in zip(axes, DEPTHS, strict=True):
        mine = table[table["depth"] == depth]
        for kind, filled in zip(STATISTICS, (True, False), strict=True):
            rows = mine[(mine["statistics"] == kind) & (mine["kind"] == "removed")]
            look = {"color": LOOK["color"], "marker": "o", "linestyle": "none", "label": STATISTICS[kind]}
            whiskers(axis, rows["block"] + 1, rows, **look, markerfacecolor=LOOK["color"] if filled else "none")
        rows = mine[(mine["statistics"] == "trained") & (mine["kind"] == "transition")]
        whiskers(axis, rows["block"] + 1, rows, color=COLOURS["control"], marker="x", linestyle="none", label="halves")
        axis.axhline(3, linestyle="--", linewidth=1, color=COLOURS["theory"])
        axis.set(title=f"ResNet-{depth}", xticks=range(1, (depth - 2) // 2 + 1, 4), xlabel="block removed")
        axis.set_yscale("symlog", linthresh=1)
    axes[0].set(ylabel="points of accuracy lost", yticks=[0, 1, 3, 10, 30, 80])
    axes[0].set_yticklabels(["0", "1", "3", "10", "30", "80"])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def pick(table: pd.DataFrame) -> Chart:
    """A network, the kind of its statistics and a block: what the block costs, among all others."""
    network = menu("depth", "layers of the network", 20, list(DEPTHS))
    kind = buttons("kind", "batch statistics", "as trained", list(STATISTICS.values()))
    block = slider("block", "block that is removed (or the last)", 2, (1, 27), step=1)
    rows = table.assign(block=table["block"] + 1, statistics=table["statistics"].map(STATISTICS))
    base = alt.Chart(rows).transform_filter("datum.depth == depth && datum.statistics == kind")
    last = base.transform_joinaggregate(last="max(block)").transform_calculate(now="min(block, datum.last)")
    x = alt.X("block:Q", title="block removed", scale=alt.Scale(domain=(0, 28)))
    scale = alt.Scale(type="symlog", constant=1, domain=(min(0, table["low"].min()), 300), nice=False)
    y = alt.Y("mean:Q", title="points of accuracy lost", scale=scale, axis=alt.Axis(values=[0, 1, 3, 10, 30, 100]))
    every = base.mark_rule(opacity=0.6, color=ink("post")).encode(x, alt.Y("low:Q", scale=scale), alt.Y2("high:Q"))
    points = base.mark_point(filled=True, size=40, color=ink("post")).encode(
        x, y, shape=alt.Shape("kind:N", title=None, legend=None)
    )
    chosen = last.transform_filter("datum.block == datum.now")
    mark = chosen.mark_point(filled=True, size=140, color=ink("control"), opacity=1).encode(x, y)
    told = chosen.transform_calculate(
        told="'block ' + datum.block + (datum.kind == 'removed' ? '' : ', which halves the image') + ':\\n'"
        " + format(datum.mean, '.1f') + ' points (95%: '"
        " + format(datum.low, '.1f') + ' to ' + format(datum.high, '.1f') + ')'"
    )
    text = told.mark_text(lineBreak="\n", align="left").encode(x=alt.value(10), y=alt.value(12), text="told:N")
    return worded(
        alt.layer(every, points, mark, text).properties(width=320, height=280).add_params(network, kind, block),
        """
        one block of one network

        Choose a network, its batch statistics and a block: the large dot is what the network loses without it, among
        all its other blocks. Networks of 20, 32, 44 and 56 layers have 9, 15, 21 and 27 blocks. Squares: the two blocks
        that halve the image, without their branch. Bars: 95% intervals.

        Points of accuracy lost against the number of the removed block, on a scale that is linear below 1, with the
        chosen block marked and its loss in words. In deeper networks most blocks cost less.
        """,
    )


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Change of the last state over the removed term in the last stage, by depth and place from the end."""
    rows = table[(table["measure"] == "ratio") & (table["statistics"] == "trained")]
    last = rows.groupby("depth")["block"].transform("max")
    return _summary(rows.assign(behind=last - rows["block"]), ["depth", "behind"], "value")


def change(table: pd.DataFrame) -> Figure:
    """The ratio by the number of blocks behind the removed one; shaded is within a factor of two."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    axis.axhspan(0.5, 2, color=COLOURS["theory"], alpha=0.12, linewidth=0)
    for depth in DEPTHS:
        rows = table[table["depth"] == depth]
        whiskers(axis, rows["behind"], rows, **_network(depth))
    axis.set(xlabel="blocks behind the removed one", ylabel="change of last state / term removed")
    axis.set_yscale("log", base=2)
    axis.set_yticks([0.5, 1, 2, 4], ["1/2", "1", "2", "4"])
    axis.legend()
    return figure


def losses(table: pd.DataFrame) -> pd.DataFrame:
    """Points lost by steps in place of blocks, by depth, kind of statistics, `divided` or `full`, and their number."""
    keys = ["depth", "statistics", "seed"]
    whole = table[table["measure"] == "whole"].set_index(keys)["value"].rename("itself")
    rows = table[table["measure"].isin(["divided", "full"])].join(whole, on=keys)
    rows = rows.assign(loss=100 * (rows["itself"] - rows["value"]))
    return _summary(rows, ["depth", "statistics", "measure", "steps"], "loss")


def flows(table: pd.DataFrame) -> Figure:
    """Points lost by the number of steps into which each block is divided; open with statistics anew."""
    figure, axis = plt.subplots(figsize=(6.5, 3.8))
    for depth in DEPTHS:
        mine = table[(table["depth"] == depth) & (table["measure"] == "divided")]
        rows = mine[mine["statistics"] == "trained"]
        whiskers(axis, rows["steps"], rows, **_network(depth))
        rows = mine[(mine["statistics"] == "anew") & (mine["steps"] > 1)]
        look = _network(depth) | {"linestyle": "none", "markerfacecolor": "none", "label": None}
        whiskers(axis, rows["steps"] * 1.06, rows, **look)
    axis.axhline(1, linestyle="--", linewidth=1, color=COLOURS["theory"])
    axis.set_xscale("log", base=2)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axis.set_yticks([0, 1, 3, 10, 30, 80], ["0", "1", "3", "10", "30", "80"])
    axis.set(xlabel="steps in place of a block, each of 1/steps", ylabel="points of accuracy lost")
    axis.legend(loc="upper left")
    return figure


def lengths(table: pd.DataFrame) -> pd.DataFrame:
    """Length of the path through the states, by the number of blocks that keep the shape."""
    rows = table[(table["measure"] == "path") & (table["statistics"] == "trained")]
    return _summary(rows.assign(blocks=(rows["depth"] - 2) // 2 - 2), ["blocks"], "value")


def paths(table: pd.DataFrame) -> Figure:
    """Length of the path by the number of blocks, both on log axes, with what the two readings expect."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    whiskers(axis, table["blocks"], table, **(LOOK | {"label": "published networks", "linestyle": "-"}))
    blocks_, first = table["blocks"].to_numpy(dtype=float), float(table["mean"].iloc[0])
    for power, line, title in ((0, ":", "depth refines: no longer"), (1, "--", "depth is time: in proportion")):
        axis.plot(blocks_, first * (blocks_ / blocks_[0]) ** power, line, color=COLOURS["reference"], label=title)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set_xticks(blocks_, [f"{count:.0f}" for count in blocks_])
    ticks = [first * 2 ** (step / 2) for step in range(4)]
    axis.set_yticks(ticks, [f"{tick:.1f}" for tick in ticks])
    axis.minorticks_off()
    axis.set(xlabel="blocks that keep the shape", ylabel="length of the path")
    axis.legend()
    return figure


def spectra(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of eigenvalues and norms of branches of single blocks, by depth, stage and block."""
    measures = {"near": "near 1", "exact": "equal to 1", "norm": "norm"}
    found = [
        _summary(table, ["depth", "stage", "block"], column).assign(measure=title) for column, title in measures.items()
    ]
    return pd.concat(found, ignore_index=True)


def near(table: pd.DataFrame) -> Figure:
    """Shares within 0.5 of 1 and equal to 1, and norms of branches, by the place of the block in its network."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    place = table["block"] / ((table["depth"] - 2) / 2 - 1)
    table = table.assign(place=place)
    for depth in DEPTHS:
        mine, look = table[table["depth"] == depth], _network(depth) | {"linestyle": "none"}
        rows = mine[mine["measure"] == "near 1"]
        whiskers(left, rows["place"], rows, **look)
        rows = mine[mine["measure"] == "equal to 1"]
        whiskers(left, rows["place"], rows, **(look | {"markerfacecolor": "none", "label": None}))
        rows = mine[mine["measure"] == "norm"]
        whiskers(right, rows["place"], rows, **look)
    left.axhline(0.8, linestyle="--", linewidth=1, color=COLOURS["theory"])
    left.set(ylim=(0, 1.03), xlabel="place in the network", ylabel="share of the eigenvalues")
    right.axhline(0.5, linestyle="--", linewidth=1, color=COLOURS["theory"])
    right.set_yscale("log")
    right.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
    right.set(xlabel="place in the network", ylabel="spectral norm of the branch")
    right.legend()
    return figure


def live(table: pd.DataFrame) -> Figure:
    """Points that small networks lose, as `small.lost` has them: by the block removed, and by the number of steps."""
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(8, 3.6))
    for kind, filled in zip(STATISTICS, (True, False), strict=True):
        mine = table[table["statistics"] == kind]
        face = {"color": LOOK["color"], "markerfacecolor": LOOK["color"] if filled else "none"}
        for axis, rows, x in (
            (left, mine[mine["block"] >= 0].assign(at=lambda rows: rows["block"] + 1), "at"),
            (right, mine[mine["measure"] == "divided"], "steps"),
        ):
            mean = rows.groupby(x)["loss"].mean()
            axis.plot(rows[x], rows["loss"], ".", markersize=4, alpha=0.5, **face)
            axis.plot(mean.index, mean, marker="s", linestyle="-" if filled else ":", label=STATISTICS[kind], **face)
    left.set(xlabel="block removed", ylabel="points of accuracy lost")
    left.set_yscale("symlog", linthresh=1)
    left.set_yticks([0, 1, 3, 10, 30, 80], ["0", "1", "3", "10", "30", "80"])
    right.set_xscale("log", base=2)
    right.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    right.set(xlabel="steps in place of a block, each of 1/steps")
    left.legend()
    return figure
